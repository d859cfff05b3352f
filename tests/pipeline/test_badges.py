"""Badges are looked up before anything is sent, each once; a bad one is told in every row that uses it."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from batch_issuer.acceptance import IssueOptions
from batch_issuer.assembly import NoProgress
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.dry_run import look_up, try_out
from batch_issuer.errors import Interrupted
from batch_issuer.ledger import ledger_exists
from batch_issuer.planning import MaxInvalid
from batch_issuer.reports import Summary
from batch_issuer.sandbox import Scenario
from batch_issuer.sandbox.faults import AnswerInstead, GzippedAnswer
from tests.pipeline.world import BADGES, World, open_world, outcomes, reconciliation, summary_json

UNKNOWN, ENDED, OFF, UPCOMING, EXPIRED, OWNED = (f"deadbad{kind}{'0' * 16}" for kind in range(6))
HEADER = "customer_id,badge_meta_id,owner_type,reference_id,issue_event_date"
LOOK_UP = "GET badgeMeta/{id}"


async def issue(world: World, *rows: str, name: str = "in.csv", **options: Any) -> Summary:
    file = world.write("\n".join([HEADER, *rows]) + "\n", name)
    return await world.issue(file, check_badges=True, **options)


def codes(summary: Summary) -> dict[int, tuple[str, str]]:
    """The rule and the message of each invalid row."""
    return {
        int(line["row"]): (line["error_code"], line["error_message"])
        for line in reconciliation(summary)
        if line["outcome"] == "invalid"
    }


async def test_each_badge_is_looked_up_once_and_named_in_summary_and_report(tmp_path: Path) -> None:
    rows = [f"{number},{BADGES[number % 3]},,," for number in range(1, 41)]
    async with open_world(tmp_path) as world:
        summary = await issue(world, *rows)
        calls = world.sandbox.calls[LOOK_UP]
    assert calls == 3
    assert summary.counts == {Outcome.PENDING: 40}
    names = {badge: f"Sandbox badge {badge[-4:]}" for badge in BADGES[:3]}
    assert summary_json(summary)["badges"] == names
    report = (summary.folder / "report.html").read_text()
    assert all(name in report for name in names.values())


async def test_one_bad_badge_and_nothing_is_sent(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        summary = await issue(world, f"1,{BADGES[0]},,,", f"2,{UNKNOWN},,,", f"3,{UNKNOWN},,,")
        assert world.sandbox.posts == 0
    assert summary.exit_code is ExitCode.INPUT_REFUSED
    assert outcomes(summary) == {"not_sent": 1, "invalid": 2}
    told = (
        f"badge_meta_id '{UNKNOWN}' can't be issued; use another badge, or have this one put right "
        "(the server knows no badge of this id)"
    )
    assert codes(summary) == {3: ("badge", told), 4: ("badge", told)}
    with (summary.folder / "rejects.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [line["row"] for line in csv.DictReader(file)] == ["3", "4"]


async def test_every_kind_of_bad_badge_is_told_by_its_reason(tmp_path: Path) -> None:
    rows = [
        f"1,{ENDED},,,",
        f"2,{OFF},,,",
        f"3,{UPCOMING},,,",
        f"4,{EXPIRED},,,",
        f"5,{OWNED},Loyalty,gold,",
        f"6,{OWNED},Goodwill_Module,gold,",
        f"7,{OWNED},,,",
        f"8,{EXPIRED},,,2026-02-01",
        f"9,{BADGES[0]},,,2020-01-01",
    ]
    async with open_world(tmp_path) as world:
        summary = await issue(world, *rows, on_invalid="skip", max_invalid=MaxInvalid.parse("100%"))
        customers = sorted(c for request in world.sandbox.requests for c in request.customers)
    assert customers == [6, 7, 8]
    found = codes(summary)
    assert {rule for rule, _ in found.values()} == {"badge"}
    reasons = {
        2: "its status is ENDED, not LIVE",
        3: "it is switched off",
        4: "its status is UPCOMING, not LIVE; it starts on 2026-04-01, after the event date",
        5: "it ended on 2026-03-01, before the event date",
        6: "only Goodwill_Module may give it away, not Loyalty",
        10: "it starts on 2025-03-02, after the event date",
    }
    assert found.keys() == reasons.keys()
    assert all(found[row][1].endswith(f": {reason})") for row, reason in reasons.items())


async def test_a_row_tells_its_badge_beside_its_other_problems(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        summary = await issue(
            world, f"x,{ENDED},,,", f"y,{OWNED},Loyalti,gold,", f"z,{EXPIRED},,,3/8/26", "0,oops,,,"
        )
    assert Counter(problem.rule.value for p in summary.problems.examples.values() for problem in p) == {
        "not_a_number": 3,
        "out_of_range": 1,
        "badge": 1,
        "unknown_owner_type": 1,
        "not_a_date": 1,
        "pattern": 1,
    }
    assert summary.problems.counts.total() == 8
    assert codes(summary)[2][1].count(" | ") == 1


async def test_without_the_check_nothing_is_looked_up(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        file = world.write(f"{HEADER}\n1,{UNKNOWN},,,\n")
        summary = await world.issue(file, check_badges=False)
        assert world.sandbox.calls[LOOK_UP] == 0
    assert outcomes(summary) == {"pending": 1}
    assert summary_json(summary)["badges"] == {}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b""),
        (403, b""),
        (404, b"<html/>"),
        (404, b'{"errors": []}'),
        (500, b""),
        (503, b"x"),
        (200, b"[]"),
    ],
)
async def test_a_server_that_refuses_or_lacks_the_look_up_is_told_and_the_run_goes_on(
    tmp_path: Path, status: int, body: bytes
) -> None:
    async with open_world(tmp_path) as world:
        for _ in range(4):
            world.sandbox.will(AnswerInstead(status=status, body=body), method="GET")
        summary = await issue(world, f"1,{BADGES[0]},,,")
        assert world.sandbox.calls[LOOK_UP] <= 2
    assert outcomes(summary) == {"pending": 1}
    assert [w.partition(":")[0] for w in summary.batch.warnings] == ["the badges could not be looked up"]
    assert summary.batch.warnings[0] in (summary.folder / "report.html").read_text()


async def test_a_failure_in_the_middle_keeps_what_was_found_out(tmp_path: Path) -> None:
    bad_first = [f"1,{BADGES[0]},,,", f"2,{BADGES[1]},,,", f"3,{UNKNOWN},,,"]
    async with open_world(tmp_path, concurrency=1) as world:
        # the look-ups go in order of the ids: the first badge is told, the second fails twice
        world.sandbox.will(GzippedAnswer(), method="GET")
        for _ in range(2):
            world.sandbox.will(AnswerInstead(status=200, body=b"{}"), method="GET")
        summary = await issue(world, *bad_first)
        assert outcomes(summary) == {"pending": 3}
    assert "could not be looked up (1 of 3 were):" in summary.batch.warnings[0]
    assert list(summary.batch.badges) == [BADGES[0]]


async def test_a_429_is_waited_out_and_the_look_up_repeated(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        world.sandbox.will(AnswerInstead(status=429, retry_after=17), method="GET")
        before = world.time.instant
        summary = await issue(world, f"1,{UNKNOWN},,,")
        assert (world.time.instant - before).total_seconds() >= 17
    assert outcomes(summary) == {"invalid": 1}


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_look_ups_keep_to_the_pace_of_all_calls(tmp_path: Path, concurrency: int) -> None:
    rows = [f"{number},{badge},,," for number, badge in enumerate(BADGES[:20], 1)]
    async with open_world(tmp_path, rate=60, chunk_size=100, concurrency=concurrency) as world:
        before = world.time.instant
        await issue(world, *rows)
        passed = (world.time.instant - before).total_seconds()
    paced = 39 * 60 / 59.4
    assert passed > paced - 0.1
    if concurrency == 1:  # of several this clock adds the waits up where they overlap
        assert passed < paced + 0.1


async def test_with_oauth_a_look_up_renews_an_old_token(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(auth="oauth")) as world:
        known = world.sandbox.credentials
        world.overrides |= {
            "username": None,
            "password": None,
            "client_key": known.maker_key,
            "client_secret": known.maker_secret,
            "intouch_authorization": "Basic x",
        }
        world.sandbox.will(AnswerInstead(status=401), method="GET")
        summary = await issue(world, f"1,{UNKNOWN},,,")
    assert outcomes(summary) == {"invalid": 1}


async def test_a_stop_while_badges_are_looked_up_leaves_no_trace(tmp_path: Path) -> None:
    async with open_world(tmp_path, rate=1) as world:

        class Stopping(NoProgress):
            def rows_checked(self, count: int) -> None:  # noqa: ARG002 - what is counted
                world.stopping.set()

        world.progress = Stopping()
        rows = [f"{number},{badge},,," for number, badge in enumerate(BADGES[:5], 1)]
        with pytest.raises(Interrupted):
            await issue(world, *rows)
        assert [path.name for path in world.output.iterdir() if path.is_dir()] == []


async def test_after_a_bad_badge_was_put_right_the_file_can_be_issued(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        refused = await issue(world, f"1,{UNKNOWN},,,")
        issued = await issue(world, f"1,{BADGES[0]},,,", name="again.csv")
    assert (refused.exit_code, issued.exit_code) == (ExitCode.INPUT_REFUSED, ExitCode.DONE)


async def test_a_plan_looks_badges_up_without_making_a_ledger(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        file = world.write(f"{HEADER}\n1,{UNKNOWN},,,\nx,{OFF},,,\n2,{BADGES[0]},,,\n")
        tried = try_out(file, world.settings(), IssueOptions())
        book = await look_up(tried, world.settings(), NoProgress())
        again = try_out(file, world.settings(), IssueOptions(), book=book)
        assert world.sandbox.calls[LOOK_UP] == 3
        assert not ledger_exists(world.settings().ledger_url)
    assert (tried.checked.invalid, again.checked.invalid) == (1, 2)
    assert book.names == {OFF: "Sandbox badge 0000", BADGES[0]: "Sandbox badge 0001"}
    assert again.plan.customers == 1


@pytest.mark.parametrize(("setting", "told"), [("base_url", "BASE_URL is missing"), ("username", "USERNAME")])
async def test_a_plan_without_a_server_or_credentials_says_so(
    tmp_path: Path, setting: str, told: str
) -> None:
    async with open_world(tmp_path, **{setting: None}) as world:
        file = world.write(f"{HEADER}\n1,{UNKNOWN},,,\n")
        tried = try_out(file, world.settings(), IssueOptions())
        book = await look_up(tried, world.settings(), NoProgress())
    assert not book.badges
    assert book.warning.startswith("the badges were not looked up: ")
    assert told in book.warning
