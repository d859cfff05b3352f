"""What the server says is told apart: away, not trusted, another API, refused, or fine."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.diagnosis import State
from batch_issuer.sandbox import Scenario
from batch_issuer.sandbox.faults import AnswerInstead, DroppedConnection, EdgePage, Silence
from tests.certificates import make_authority
from tests.conftest import BADGE, KNOWN
from tests.diagnosis.checkup import Checkup, maker_variables, names_in, oauth_variables, open_checkup
from tests.gateway.servers import http_server, raw_server
from tests.gateway.test_reaching import say_nothing

CHECKER = {
    "checker_username": KNOWN.checker_username,
    "checker_password": KNOWN.checker_password,
    "checker_ui_auth_token": KNOWN.checker_ui_token,
}
OTHER_PATH = "/api_gateway/v2/request-workflow"


@pytest.mark.parametrize("login", ["basic", "oauth"])
async def test_where_all_is_well_all_but_submitting_is_checked_and_nothing_is_sent(
    tmp_path: Path, login: str
) -> None:
    async with open_checkup(tmp_path) as (checkup, sandbox):
        checkup.variables |= oauth_variables() if login == "oauth" else {}
        found = await checkup.run(**CHECKER)
        changing = {call for call in sandbox.calls if call != "POST token" and "GET" not in call}
    assert found.not_ok() == {"submitting"}
    assert found.exit_code is ExitCode.DONE
    assert changing == set()
    assert sandbox.requests == ()


async def test_nothing_is_made_and_nothing_is_left_behind(tmp_path: Path) -> None:
    async with open_checkup(tmp_path) as (checkup, _):
        await checkup.run()
        assert names_in(tmp_path) == []
        checkup.output.mkdir()
        await checkup.run()
    assert names_in(checkup.output) == []


async def test_a_server_that_is_away_is_told_and_the_rest_is_checked(tmp_path: Path) -> None:
    checkup = Checkup(folder=tmp_path, variables=maker_variables("http://127.0.0.1:9"))
    found = await checkup.run()
    assert found.states["server"] is State.PROBLEM
    assert found.states["ledger"] is State.OK
    assert found.of("credentials").found == "the server can't be reached"
    assert found.exit_code is ExitCode.NOT_FINISHED


@pytest.mark.parametrize(
    ("days", "state", "told"),
    [
        (400, State.OK, "is valid until"),
        (20, State.WARNING, "19 days from now"),
        (-1, State.PROBLEM, "has expired"),
    ],
)
async def test_a_certificate_is_told_before_it_runs_out(
    tmp_path: Path, days: int, state: State, told: str
) -> None:
    authority = make_authority(tmp_path)
    async with raw_server(say_nothing, tls=authority.serving(days=days)) as server:
        checkup = Checkup(folder=tmp_path, variables=maker_variables(server.url), trusted=authority.trusted())
        line = (await checkup.run()).of("certificate")
    assert line.state is state
    assert told in line.found


async def test_a_certificate_that_is_not_trusted_keeps_credentials_at_home(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    async with raw_server(say_nothing, tls=authority.serving()) as server:
        found = await Checkup(folder=tmp_path, variables=maker_variables(server.url)).run()
    assert "nobody this machine trusts" in found.of("certificate").found
    assert "SSL_CERT_FILE" in found.of("certificate").advice
    assert found.states["credentials"] is State.NOT_CHECKED
    assert found.exit_code is ExitCode.NOT_FINISHED
    assert server.heads == []


@pytest.mark.parametrize("login", ["basic", "oauth"])
async def test_refused_credentials_are_named_by_their_settings(tmp_path: Path, login: str) -> None:
    async with open_checkup(tmp_path) as (checkup, _):
        checkup.variables |= oauth_variables() if login == "oauth" else {}
        wrong = "client_secret" if login == "oauth" else "password"
        found = await checkup.run(**{wrong: "another-Secret"})
    names = "CLIENT_KEY and CLIENT_SECRET" if login == "oauth" else "USERNAME and PASSWORD"
    assert found.of("credentials").found.startswith(f"the server refuses {names}")
    assert found.exit_code is ExitCode.NO_PERMISSION
    assert found.states["list"] is State.NOT_CHECKED


async def test_a_missing_permission_is_told(tmp_path: Path) -> None:
    async with open_checkup(tmp_path) as (checkup, sandbox):
        sandbox.will_answer_reads(403)
        found = await checkup.run()
    assert "may not read the list of requests" in found.of("credentials").found
    assert found.exit_code is ExitCode.NO_PERMISSION


async def test_wrong_settings_win_over_refused_credentials_and_these_over_a_server_that_is_away(
    tmp_path: Path,
) -> None:
    async with open_checkup(tmp_path) as (checkup, sandbox):
        checkup.variables |= {"password": "another-Secret"}
        assert (await checkup.run(till_id="")).exit_code is ExitCode.USAGE
        for _ in range(2):
            sandbox.will(DroppedConnection(after_accepting=False), method="GET")
        answers = await checkup.run(**CHECKER)  # the maker is dropped, the checker is dropped
        assert answers.exit_code is ExitCode.NOT_FINISHED
        sandbox.will(DroppedConnection(after_accepting=False), method="GET")
        refused = await checkup.run(**{**CHECKER, "checker_password": "wrong"})
    assert refused.states["credentials"] is State.PROBLEM
    assert refused.exit_code is ExitCode.NO_PERMISSION


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (AnswerInstead(status=503), "HTTP 503"),
        (EdgePage(status=200), "what answers is not this API"),
        (
            AnswerInstead(status=302, headers={"Location": "https://login.example.com"}),
            "sends calls elsewhere",
        ),
        (DroppedConnection(after_accepting=False), "the connection broke"),
        (AnswerInstead(status=400), "no useful answer"),
    ],
)
async def test_an_answer_that_is_no_list_is_told_apart(
    tmp_path: Path, fault: AnswerInstead | EdgePage | DroppedConnection, told: str
) -> None:
    async with open_checkup(tmp_path) as (checkup, sandbox):
        sandbox.will(fault, method="GET")
        found = await checkup.run()
    assert told in found.of("credentials").found
    assert found.of("credentials").advice
    assert found.exit_code is ExitCode.NOT_FINISHED


async def test_a_server_that_is_busy_is_a_warning(tmp_path: Path) -> None:
    async with open_checkup(tmp_path) as (checkup, sandbox):
        sandbox.will_answer_reads(429, retry_after=1)
        found = await checkup.run()
    assert found.states["credentials"] is State.WARNING
    assert found.exit_code is ExitCode.DONE


async def test_a_server_that_does_not_answer_is_given_up_in_time(tmp_path: Path) -> None:
    async with open_checkup(tmp_path) as (checkup, sandbox):
        sandbox.will(Silence(after_accepting=False), method="GET")
        found = await checkup.run(timeout="0.3")
    assert "no answer within 0.3 s" in found.of("credentials").found
    assert found.states["list"] is State.NOT_CHECKED
    assert found.exit_code is ExitCode.NOT_FINISHED


async def test_a_server_that_is_too_slow_for_all_calls_counts_as_away(tmp_path: Path) -> None:
    async with open_checkup(tmp_path) as (checkup, sandbox):
        checkup.spare_seconds = -4.5
        sandbox.will(Silence(after_accepting=False), method="GET")
        found = await checkup.run(**CHECKER)
    assert found.states["credentials"] is State.PROBLEM
    assert found.states["list"] is found.states["checker"] is State.NOT_CHECKED
    assert found.exit_code is ExitCode.NOT_FINISHED


async def test_a_list_under_the_other_form_of_the_path_names_the_setting(tmp_path: Path) -> None:
    async with open_checkup(tmp_path, Scenario(base_path=OTHER_PATH)) as (checkup, _):
        found = await checkup.run(**CHECKER)
        settled = await checkup.run(requests_path=OTHER_PATH)
    assert found.of("path").advice.startswith(f"set REQUESTS_PATH={OTHER_PATH}")
    assert found.states["credentials"] is found.states["checker"] is State.OK
    assert found.exit_code is ExitCode.USAGE
    assert settled.not_ok() == {"submitting"}


async def test_a_list_under_neither_form_of_the_path_is_told(tmp_path: Path) -> None:
    async with open_checkup(tmp_path, Scenario(base_path="/elsewhere")) as (checkup, _):
        line = (await checkup.run()).of("path")
    assert line.state is State.PROBLEM
    assert f"neither at /v2{OTHER_PATH} nor at {OTHER_PATH}" in line.found


async def test_a_list_without_pages_is_a_warning(tmp_path: Path) -> None:
    entry = {"requestId": "w-1", "state": "AdminTask"}

    async def always_the_same(_: web.Request) -> web.Response:
        return web.json_response({"data": [entry]})

    async with http_server(always_the_same) as url:
        line = (await Checkup(folder=tmp_path, variables=maker_variables(url)).run()).of("list")
    assert line.state is State.WARNING
    assert "every page of the list is the same" in line.found


@pytest.mark.parametrize(
    ("second", "state", "told"),
    [
        (web.json_response, State.OK, "can be read: 7 since yesterday"),
        (lambda _: web.Response(status=500), State.NOT_CHECKED, "page 1 could not be read"),
    ],
)
async def test_a_list_is_read_beyond_its_first_page(
    tmp_path: Path, second: Callable[[object], web.Response], state: State, told: str
) -> None:
    async def page(request: web.Request) -> web.Response:
        number = request.query.get("PageNo")
        entry = {"requestId": f"w-{number}", "state": "AdminTask"}
        document = {"data": [entry], "pagination": {"totalElements": 7}}
        return second(document) if number == "1" else web.json_response(document)

    async with http_server(page) as url:
        line = (await Checkup(folder=tmp_path, variables=maker_variables(url)).run()).of("list")
    assert line.state is state
    assert told in line.found


async def test_without_a_login_the_server_is_reached_and_no_call_is_made(tmp_path: Path) -> None:
    async with open_checkup(tmp_path) as (checkup, sandbox):
        found = await checkup.run(password="")
        assert not sandbox.calls
    assert found.states["server"] is State.OK
    assert found.of("credentials").found == "what it takes to log in is missing"
    assert found.exit_code is ExitCode.USAGE


async def test_a_wrong_setting_of_the_checker_leaves_the_maker_checked(tmp_path: Path) -> None:
    async with open_checkup(tmp_path) as (checkup, _):
        found = await checkup.run(**{**CHECKER, "checker_password": "", "checker_password_file": "nowhere"})
    assert found.of("checker").found == "CHECKER_PASSWORD is wrong"
    assert found.states["credentials"] is State.OK


async def test_calls_to_another_machine_without_tls_are_a_warning(tmp_path: Path) -> None:
    async with open_checkup(tmp_path) as (checkup, sandbox):
        address = sandbox.url.replace("127.0.0.1", "0.0.0.0")  # noqa: S104 - this machine by another name
        line = (await checkup.run(base_url=address, allow_http="true")).of("certificate")
    assert (line.state, line.advice) == (State.WARNING, "use https in BASE_URL")


async def test_a_name_that_no_name_server_knows_is_told(tmp_path: Path) -> None:
    checkup = Checkup(folder=tmp_path, variables=maker_variables("https://api.example.invalid"))
    assert "no name server knows api.example.invalid" in (await checkup.run()).of("server").found


@pytest.mark.parametrize(
    ("hours", "state"), [(0, State.OK), (0.02, State.WARNING), (-0.5, State.WARNING), (-30, State.PROBLEM)]
)
async def test_a_clock_that_is_wrong_is_told_with_what_it_harms(
    tmp_path: Path, hours: float, state: State
) -> None:
    async with open_checkup(tmp_path) as (checkup, _):
        checkup.shift = timedelta(hours=hours)
        line = (await checkup.run()).of("clock")
    assert line.state is state
    if state is not State.OK:
        assert ("ahead of" if hours > 0 else "behind") in line.found
        assert "NTP" in line.advice


async def test_a_server_that_tells_no_time_leaves_the_clock_unchecked(tmp_path: Path) -> None:
    checkup = Checkup(folder=tmp_path, variables=maker_variables("http://127.0.0.1:9"))
    assert (await checkup.run()).states["clock"] is State.NOT_CHECKED


async def test_a_refused_look_up_of_badges_is_a_warning(tmp_path: Path) -> None:
    async with open_checkup(tmp_path) as (checkup, sandbox):
        sandbox.will_answer_reads(200, body=b'{"data": []}')
        sandbox.will_answer_reads(403)
        found = await checkup.run()
    assert "badges can't be looked up" in found.of("badges").found
    assert found.states["badges"] is State.WARNING
    assert found.exit_code is ExitCode.DONE


async def test_a_badge_for_whole_files_that_can_not_be_issued_is_a_warning(tmp_path: Path) -> None:
    async with open_checkup(tmp_path) as (checkup, _):
        ended = await checkup.run(badge_meta_id="deadbad1" + BADGE[8:])
        fine = await checkup.run(badge_meta_id=BADGE)
    assert ended.states["badges"] is State.WARNING
    assert "can't be issued" in ended.of("badges").found
    assert fine.states["badges"] is State.OK


async def test_a_checker_with_the_makers_login_is_a_problem(tmp_path: Path) -> None:
    async with open_checkup(tmp_path) as (checkup, _):
        found = await checkup.run(**{**CHECKER, "checker_username": KNOWN.maker_username})
    assert "CHECKER_USERNAME is the maker's as well" in found.of("checker").found
    assert found.exit_code is ExitCode.USAGE


async def test_a_refused_checker_is_named_by_its_settings(tmp_path: Path) -> None:
    async with open_checkup(tmp_path) as (checkup, _):
        found = await checkup.run(**{**CHECKER, "checker_password": "wrong"})
    assert found.of("checker").found.startswith("the server refuses CHECKER_USERNAME and CHECKER_PASSWORD")
    assert found.states["credentials"] is State.OK
    assert found.exit_code is ExitCode.NO_PERMISSION


async def test_credentials_that_a_server_repeats_are_starred(tmp_path: Path) -> None:
    secret = KNOWN.maker_password
    async with open_checkup(tmp_path) as (checkup, sandbox):
        text = f'{{"errors": [{{"code": 401, "message": "{secret} is wrong, {KNOWN.maker_ui_token}"}}]}}'
        sandbox.will_answer_reads(401, body=text.encode())
        found = await checkup.run()
    told = repr(found.findings)
    assert "********** is wrong" in told
    assert secret not in told
    assert KNOWN.maker_ui_token not in told


async def test_calls_take_their_turns_and_those_without_a_turn_in_time_are_left_out(tmp_path: Path) -> None:
    async with open_checkup(tmp_path) as (checkup, sandbox):
        checkup.spare_seconds = 0.5
        found = await checkup.run(rate="1", timeout="0.5")
        calls = sandbox.calls["GET requests"] + sandbox.calls["GET badgeMeta/{id}"]
    assert calls == 1
    assert found.of("badges").found == "no answer was there in time"
