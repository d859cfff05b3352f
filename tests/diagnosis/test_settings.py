"""What is wrong with settings and secrets is told line by line, and hides nothing else."""

from pathlib import Path

import pytest

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.diagnosis import State
from tests.diagnosis.checkup import Checkup, maker_variables, oauth_variables, open_checkup

AWAY = "http://127.0.0.1:9"
"""Nobody listens there."""


@pytest.fixture
def checkup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkup:
    monkeypatch.chdir(tmp_path)
    return Checkup(folder=tmp_path, variables=maker_variables(AWAY))


async def test_every_wrong_setting_has_a_line_of_its_own(checkup: Checkup) -> None:
    found = await checkup.run(chunk_size="0", rate="fast", password_file="nowhere", password="")
    told = found.lines("settings")
    assert "CHUNK_SIZE: " in told
    assert "RATE: " in told
    assert "PASSWORD_FILE names nowhere, which can't be read" in told
    assert told.count("problem: ") == 3
    assert found.exit_code is ExitCode.USAGE


async def test_a_wrong_setting_hides_only_what_needs_it(tmp_path: Path) -> None:
    async with open_checkup(tmp_path) as (checkup, _):
        found = await checkup.run(chunk_size="0", ledger="mysql://host/db")
    assert found.states["credentials"] is State.OK
    assert found.of("ledger").found == "LEDGER is wrong"
    assert {check for check, state in found.states.items() if state is State.NOT_CHECKED} == {
        *("output", "disk", "ledger", "batches", "submitting"),
    }


async def test_a_wrong_address_keeps_the_calls_from_being_checked(checkup: Checkup) -> None:
    found = await checkup.run(base_url="http://api.example.com")
    assert "BASE_URL must use https" in found.of("settings").found
    assert found.of("server").found == "BASE_URL is wrong"
    assert found.states["credentials"] is State.NOT_CHECKED
    assert found.states["output"] is State.OK


async def test_a_file_of_settings_that_can_not_be_read_leaves_nothing_to_check(checkup: Checkup) -> None:
    checkup.config = checkup.folder / "nowhere.toml"
    found = await checkup.run()
    assert "nowhere.toml can't be read" in found.of("settings").found
    assert {state for check, state in found.states.items() if check != "settings"} == {State.NOT_CHECKED}
    assert found.exit_code is ExitCode.USAGE


async def test_an_unknown_name_in_the_file_is_told_beside_what_else_is_wrong(checkup: Checkup) -> None:
    checkup.config = checkup.folder / "settings.toml"
    checkup.config.write_text("chunksize = 5\ntimeout = 0\n")
    found = await checkup.run(rate="fast", timeout="")
    told = found.lines("settings")
    assert "unknown setting 'chunksize'; did you mean chunk_size?" in told
    assert "TIMEOUT: " in told
    assert "RATE: " in told


async def test_a_misspelt_variable_is_a_warning_that_names_the_nearest(checkup: Checkup) -> None:
    found = await checkup.run(rates="5")
    line = found.of("settings")
    assert (line.state, line.advice) == (State.WARNING, "did you mean BATCH_ISSUER_RATE?")
    assert line.found == "BATCH_ISSUER_RATES is no setting and is ignored"


async def test_what_is_missing_to_send_is_named(checkup: Checkup) -> None:
    found = await checkup.run(till_id="", zone_id="", password="")
    told = found.lines("sending")
    assert "TILL_ID, ZONE_ID missing" in told
    assert "USERNAME and PASSWORD (or CLIENT_KEY and CLIENT_SECRET) are missing" in told
    assert found.exit_code is ExitCode.USAGE


async def test_with_oauth_the_authorization_of_the_inner_call_is_asked_for(checkup: Checkup) -> None:
    found = await checkup.run(**{**oauth_variables(), "intouch_authorization": ""})
    assert "INTOUCH_AUTHORIZATION is missing" in found.of("sending").found
    assert (await checkup.run(**oauth_variables())).states["sending"] is State.OK


async def test_a_platform_that_may_want_more_headers_is_a_warning(checkup: Checkup) -> None:
    line = (await checkup.run(ui_auth_token="")).of("sending")
    assert (line.state, line.found.split()[0]) == (State.WARNING, "UI_AUTH_TOKEN")


@pytest.mark.parametrize(("mode", "state"), [(0o644, State.WARNING), (0o640, State.OK), (0o600, State.OK)])
async def test_a_secret_in_a_file_that_everybody_can_read_is_a_warning(
    checkup: Checkup, mode: int, state: State
) -> None:
    secret = _open_folder(checkup) / "password"
    secret.write_text("s3cret-Value!")
    secret.chmod(mode)
    line = (await checkup.run(password="", password_file=str(secret))).of("secrets")
    assert line.state is state
    assert (str(secret) in line.found) is (state is State.WARNING)


async def test_a_secret_in_the_file_of_settings_counts_as_well(checkup: Checkup) -> None:
    checkup.config = _open_folder(checkup) / "settings.toml"
    checkup.config.write_text('password = "s3cret-Value!"\n')
    checkup.config.chmod(0o644)
    line = (await checkup.run(password="")).of("secrets")
    assert line.state is State.WARNING
    assert "PASSWORD in" in line.found
    assert "s3cret" not in line.found


def _open_folder(checkup: Checkup) -> Path:
    """Open the test's folders to everybody, as those of secrets are in containers."""
    for folder in (checkup.folder, *checkup.folder.parents[:2]):
        folder.chmod(0o755)
    return checkup.folder


async def test_a_secret_in_a_folder_that_only_its_owner_enters_is_fine(checkup: Checkup) -> None:
    folder = _open_folder(checkup) / "secrets"
    folder.mkdir(mode=0o700)
    (folder / "password").write_text("s3cret-Value!")
    (folder / "password").chmod(0o644)
    found = await checkup.run(password="", password_file=str(folder / "password"))
    assert found.states["secrets"] is State.OK


async def test_an_address_that_no_channel_can_be_made_of_is_a_problem_and_shows_no_secret(
    checkup: Checkup,
) -> None:
    result = await checkup.run(
        notify="json://hook.example/x nonsense://s3cret-Value!@host", notify_checkers=""
    )
    line = result.of("notices")
    assert (line.state, result.exit_code) == (State.PROBLEM, ExitCode.USAGE)
    assert "nonsense://" in line.found
    assert "s3cret" not in f"{line.found} {line.advice}"
    assert "json" not in line.found


async def test_channels_that_can_be_told_are_counted_and_not_told(checkup: Checkup) -> None:
    line = (await checkup.run(notify="json://hook.example/x", notify_checkers="json://hook.example/y")).of(
        "notices"
    )
    assert (line.state, line.found) == (State.OK, "2 channels can be told; nothing was sent")


async def test_the_profile_that_is_chosen_is_told_and_its_secrets_are_looked_at(checkup: Checkup) -> None:
    secret = checkup.folder / "north"
    secret.write_text("north-secret")
    secret.chmod(0o600)
    checkup.config = checkup.folder / "settings.toml"
    checkup.config.write_text('[profiles.north]\nui_auth_token_file = "north"\n')
    del checkup.variables["ui_auth_token"]
    found = await checkup.run(profile="north")
    assert found.lines("settings") == "ok: profile north is chosen; \nok: all are understood; "
    assert found.of("secrets").found == "1 in files that not everybody can read"


async def test_a_variable_that_beats_the_profile_is_a_warning(checkup: Checkup) -> None:
    checkup.config = checkup.folder / "settings.toml"
    checkup.config.write_text('[profiles.north]\npassword = "x"\nrate = 7\n')
    told = (await checkup.run(profile="north", rate="9")).lines("settings")
    assert "warning: BATCH_ISSUER_PASSWORD of the environment beats profile north; unset it" in told
    assert "warning: BATCH_ISSUER_RATE of the environment beats profile north" in told


async def test_of_a_profile_that_there_is_not_nothing_else_is_checked(checkup: Checkup) -> None:
    checkup.config = checkup.folder / "settings.toml"
    checkup.config.write_text("[profiles.north]\nrate = 7\n")
    found = await checkup.run(profile="nort")
    assert "has no profile 'nort'; did you mean north?" in found.of("settings").found
    assert {state for check, state in found.states.items() if check != "settings"} == {State.NOT_CHECKED}
    assert found.exit_code is ExitCode.USAGE


async def test_what_is_wrong_with_a_profile_hides_nothing_else(checkup: Checkup) -> None:
    checkup.config = checkup.folder / "settings.toml"
    checkup.config.write_text('[profiles.north]\nchunk_size = 0\nchunksize = 5\npassword_file = "no"\n')
    told = (await checkup.run(profile="north", password="")).lines("settings")
    assert "profile north: CHUNK_SIZE: " in told
    assert "profile north: " in told
    assert "unknown setting 'chunksize'" in told
    assert "PASSWORD_FILE names no" in told
