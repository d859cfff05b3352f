"""Several files in one call, of two organisations with credentials of their own, each at its own server."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from batch_issuer.cli.sandbox import sandbox_settings
from batch_issuer.sandbox import Credentials, Sandbox, Scenario
from tests.end_to_end.conftest import EACH_DATABASE, Terminal, ledger_settings, lines_in

pytestmark = pytest.mark.end_to_end

PROFILES = ("north", "south")
BOTH = ("--profile", "north", "--profile", "south")
Done = subprocess.CompletedProcess[str]


def credentials(profile: str) -> Credentials:
    return Credentials(
        org_id=f"org-{profile}",
        maker_username=f"{profile}.till",
        maker_password=f"{profile}-Pa55word",
        maker_ui_token=f"{profile}.ui.t0ken",
    )


@dataclass(slots=True, kw_only=True)
class Two:
    """Two organisations, and somebody who issues for both."""

    terminal: Terminal
    north: Sandbox
    south: Sandbox

    async def run(self, *arguments: str) -> Done:
        return await asyncio.to_thread(self.terminal.run, *arguments)

    async def issue(self, *files: str, chosen: tuple[str, ...] = BOTH, options: tuple[str, ...] = ()) -> Done:
        common = ("--no-check-badges", "--chunk-size", "1", "--rate", "0")
        return await self.run(*chosen, "issue", *files, *common, *options)

    def configure(self, **more: str) -> None:
        """Write the settings file; what is given is added to each profile."""
        text = ""
        for profile, sandbox in zip(PROFILES, (self.north, self.south), strict=True):
            text += f"[profiles.{profile}]\n"
            facts = {**sandbox_settings(sandbox), **more}
            text += "".join(f'{name} = "{value}"\n' for name, value in facts.items()) + "\n"
        (self.terminal.folder / "batch_issuer.toml").write_text(text)

    def summaries(self) -> dict[str, dict[str, Any]]:
        """Return the summary of each batch by the name of its file."""
        folders = self.terminal.batch_folders()
        return {name: json.loads((path / "summary.json").read_text()) for name, path in folders.items()}

    def pace_rows(self) -> set[str]:
        """Return whose paces the ledger keeps."""
        path = self.terminal.folder / "output" / "ledger.db"
        with closing(sqlite3.connect(path)) as ledger:
            return {server for (server,) in ledger.execute("SELECT server FROM pace")}


def sent(sandbox: Sandbox) -> Counter[int]:
    """Count how often each customer was sent."""
    return Counter(customer for request in sandbox.truth()["requests"] for customer in request["customers"])


@pytest.fixture
async def two(terminal: Terminal) -> AsyncIterator[Two]:
    async with AsyncExitStack() as stack:
        scenario = Scenario(decide_after_seconds=0)
        north, south = [
            await stack.enter_async_context(Sandbox(scenario=scenario, credentials=credentials(profile)))
            for profile in PROFILES
        ]
        opened = Two(terminal=terminal, north=north, south=south)
        opened.configure()
        terminal.write(range(1_001, 1_031), "a.csv")
        terminal.write(range(2_001, 2_041), "b.csv")
        yield opened


@pytest.mark.parametrize("kind", EACH_DATABASE)
async def test_each_file_goes_to_its_own_organisation_with_its_own_credentials(
    two: Two, kind: str, request: pytest.FixtureRequest
) -> None:
    two.terminal.settings = ledger_settings(kind, request)
    done = await two.issue("a.csv", "b.csv", options=("--json",))
    told = json.loads(done.stdout)
    assert (done.returncode, told["exit_code"], told["problems"]) == (0, 0, [])
    assert [one["input"]["name"] for one in told["batches"]] == ["a.csv", "b.csv"]
    assert [one["settings"]["profile"] for one in told["batches"]] == ["north", "south"]
    assert sent(two.north) == Counter(range(1_001, 1_031))
    assert sent(two.south) == Counter(range(2_001, 2_041))
    assert all(one["counts"]["issued"] == one["input"]["rows"] for one in told["batches"])
    assert done.stderr == ""


async def test_a_pace_is_kept_for_each_organisation_and_shared_by_its_files(two: Two) -> None:
    two.terminal.write(range(3_001, 3_011), "c.csv")
    chosen = ("--profile", "north", "--profile", "south", "--profile", "north")
    began = time.monotonic()
    # two and a half times as many calls as north's own pace allows in a second
    done = await two.issue("a.csv", "b.csv", "c.csv", chosen=chosen, options=("--rate", "960"))
    seconds = time.monotonic() - began
    assert done.returncode == 0
    assert len(two.pace_rows()) == 2
    assert seconds > (30 + 10 - 1) * 60 / 960
    assert sum(sent(two.north).values()) == 40


async def test_what_becomes_of_each_file_is_told_in_their_order(two: Two) -> None:
    done = await two.issue("b.csv", "a.csv", chosen=("--profile", "south"))
    head, first, counts, second, _ = done.stdout.splitlines()
    assert head.split() == ["file", "rows", "exit", "batch"]
    assert first.split()[:3] == ["b.csv", "40", "0"]
    assert first.endswith(", profile south")
    assert counts.strip() == "issued 40"
    assert second.split()[:3] == ["a.csv", "30", "0"]


async def test_a_breaker_that_stops_one_organisation_does_not_stop_the_other(two: Two) -> None:
    for _ in range(40):
        two.north.will_answer(400)
    done = await two.issue("a.csv", "b.csv")
    assert done.returncode == 5
    a, b = (two.summaries()[name] for name in ("a.csv", "b.csv"))
    assert a["exit_code"] == 5
    assert a["counts"]["failed"] >= 10
    assert a["next_command"] == f"batch-issuer --profile north resume {a['batch']}"
    assert f"Next: {a['next_command']}" in done.stdout
    assert (b["exit_code"], b["counts"]["issued"]) == (0, 40)


async def test_credentials_that_are_refused_stop_their_own_files_alone(two: Two) -> None:
    config = two.terminal.folder / "batch_issuer.toml"
    right = config.read_text()
    config.write_text(right.replace("north-Pa55word", "mistyped"))
    done = await two.issue("a.csv", "b.csv")
    assert done.returncode == 6
    assert two.summaries()["a.csv"]["counts"]["not_sent"] == 30
    assert two.summaries()["b.csv"]["counts"]["issued"] == 40
    config.write_text(right)
    batch = two.summaries()["a.csv"]["batch"]
    assert (await two.run("--profile", "north", "resume", batch, "--rate", "0")).returncode == 0
    assert sent(two.north) == Counter(range(1_001, 1_031))


async def test_settings_that_are_wrong_stop_their_own_files_alone(two: Two) -> None:
    config = two.terminal.folder / "batch_issuer.toml"
    config.write_text(config.read_text() + 'password_file = "gone"\n')
    done = await two.issue("a.csv", "b.csv")
    assert done.returncode == 4
    (line,) = done.stderr.splitlines()
    assert line.startswith("batch-issuer: b.csv: settings: profile south: ")
    assert two.summaries()["a.csv"]["counts"]["issued"] == 30
    assert (await two.issue("a.csv", "b.csv", chosen=("--profile", "south"))).returncode == 2


async def test_a_file_that_is_refused_or_was_issued_before_does_not_stop_the_others(two: Two) -> None:
    assert (await two.issue("a.csv", chosen=("--profile", "north"))).returncode == 0
    (two.terminal.folder / "empty.csv").touch()
    done = await two.issue("empty.csv", "a.csv", "none.csv", "b.csv", chosen=("--profile", "north"))
    assert done.returncode == 4
    problems = dict(line.removeprefix("batch-issuer: ").split(": ", 1) for line in done.stderr.splitlines())
    assert problems.keys() == {"empty.csv", "a.csv", "none.csv"}
    assert "is empty" in problems["empty.csv"]
    assert f"`batch-issuer --profile north resume {two.summaries()['a.csv']['batch']}`" in problems["a.csv"]
    assert sent(two.north) == Counter([*range(1_001, 1_031), *range(2_001, 2_041)])


async def test_of_two_files_of_one_content_one_is_issued(two: Two) -> None:
    two.terminal.write(range(1_001, 1_031), "same.csv")
    done = await two.issue("a.csv", "same.csv", chosen=("--profile", "north"), options=("--json",))
    told = json.loads(done.stdout)
    assert (done.returncode, len(told["batches"])) == (4, 1)
    (problem,) = told["problems"]
    assert (problem["exit_code"], problem["profile"]) == (7, "north")
    assert "this content is batch" in problem["problem"]
    assert sent(two.north) == Counter(range(1_001, 1_031))


async def test_one_content_may_be_issued_for_two_organisations_at_once(two: Two) -> None:
    two.terminal.write(range(1_001, 1_031), "same.csv")
    done = await two.issue("a.csv", "same.csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert sent(two.north) == sent(two.south) == Counter(range(1_001, 1_031))


async def test_many_files_take_their_turns(two: Two) -> None:
    names = [f"{number}.csv" for number in range(20)]
    for number, name in enumerate(names):
        two.terminal.write(range(100 * number + 1, 100 * number + 4), name)
    done = await two.issue(*names, chosen=("--profile", "north"), options=("--json",))
    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert [one["input"]["name"] for one in told["batches"]] == names
    assert sum(sent(two.north).values()) == 60


async def test_a_stop_reaches_every_file_and_each_can_be_resumed(two: Two) -> None:
    names = [f"{number}.csv" for number in range(10)]
    for number, name in enumerate(names):
        two.terminal.write(range(100 * number + 1, 100 * number + 31), name)
    arguments = ("--profile", "north", "issue", *names, "--chunk-size", "1", "--rate", "1200", "--json")
    process = await asyncio.to_thread(two.terminal.start, *arguments, "--no-check-badges")
    while len(two.north.truth()["requests"]) < 20:
        await asyncio.sleep(0.02)
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    out, err = await asyncio.to_thread(process.communicate, timeout=60)
    told = json.loads(out)
    assert process.returncode == told["exit_code"] == 5
    begun = [one["input"]["name"] for one in told["batches"]]
    left = [one["file"] for one in told["problems"]]
    assert sorted(begun + left) == names
    assert "8.csv: stopped before it was begun; issue it again" in err
    resume = ("--profile", "north", "resume")
    for one in told["batches"]:
        assert one["next_command"] == f"batch-issuer {' '.join(resume)} {one['batch']}"
    commands = [(*resume, one["batch"], "--rate", "0") for one in told["batches"]]
    await asyncio.to_thread(two.terminal.run_together, *commands)
    assert (await two.issue(*left, chosen=("--profile", "north"))).returncode == 0
    assert sent(two.north) == Counter(100 * n + m for n in range(10) for m in range(1, 31))
    for folder in two.terminal.batch_folders().values():
        assert Counter(line["outcome"] for line in lines_in(folder)) == {"issued": 30}


async def test_two_organisations_may_share_an_engine_and_each_has_its_own_secrets_there(two: Two) -> None:
    done = await two.issue("a.csv", "b.csv", options=("--engine", "dask://local", "--json"))
    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr, told["problems"]) == (0, "", [])
    assert [one["settings"]["engine"] for one in told["batches"]] == ["dask://local"] * 2
    assert sent(two.north) == Counter(range(1_001, 1_031))
    assert sent(two.south) == Counter(range(2_001, 2_041))


async def test_on_an_engine_credentials_that_are_refused_stop_their_own_files_alone(two: Two) -> None:
    config = two.terminal.folder / "batch_issuer.toml"
    config.write_text(config.read_text().replace("north-Pa55word", "mistyped"))
    done = await two.issue("a.csv", "b.csv", options=("--engine", "dask://local"))
    assert done.returncode == 6
    assert two.summaries()["a.csv"]["counts"]["not_sent"] == 30
    assert two.summaries()["b.csv"]["counts"]["issued"] == 40


async def test_several_files_may_be_urls(two: Two) -> None:
    urls = [f"file://{two.terminal.folder / name}" for name in ("a.csv", "b.csv")]
    done = await two.issue(*urls)
    assert (done.returncode, done.stderr) == (0, "")
    assert two.summaries().keys() == {"a.csv", "b.csv"}
    assert sent(two.south) == Counter(range(2_001, 2_041))


async def test_metrics_of_all_files_are_left_where_their_profiles_say(two: Two) -> None:
    two.configure(metrics_file="runs.prom")
    assert (await two.issue("a.csv", "b.csv")).returncode == 0
    text = (two.terminal.folder / "runs.prom").read_text()
    posts = sum(
        float(line.split()[-1])
        for line in text.splitlines()
        if line.startswith("batch_issuer_responses_total") and 'operation="submit"' in line
    )
    assert posts == 70
    assert 'batch_issuer_last_run_exit_code{command="issue"} 0.0' in text


async def test_no_secret_of_either_organisation_gets_out(two: Two) -> None:
    for sandbox, profile in ((two.north, "north"), (two.south, "south")):
        known = credentials(profile)
        echo = f"bad call by {known.maker_password} {known.maker_ui_token}"
        sandbox.will_answer(400, body=json.dumps({"errors": [{"code": 400, "message": echo}]}).encode())
    done = await two.run(*BOTH, "-vv", "issue", "a.csv", "b.csv", "--rate", "0", "--chunk-size", "1")
    assert done.returncode == 4
    files = [path for path in (two.terminal.folder / "output").rglob("*") if path.is_file()]
    told = done.stdout + done.stderr + "".join(path.read_bytes().decode("latin-1") for path in files)
    assert told.count("bad call by ********** **********") >= 2
    for profile in PROFILES:
        assert f"{profile}-Pa55word" not in told
        assert f"{profile}.ui.t0ken" not in told


async def test_a_variable_that_would_send_one_password_to_both_is_warned_of(two: Two) -> None:
    two.terminal.settings = {"BATCH_ISSUER_PASSWORD": "everybodys"}
    done = await two.issue("a.csv", "b.csv")
    assert done.returncode == 6
    for profile in PROFILES:
        assert f"warning: BATCH_ISSUER_PASSWORD beats what profile {profile} says" in done.stderr
    assert "everybodys" not in done.stderr


async def test_a_batch_of_another_profile_is_refused_by_the_name_of_its_own(two: Two) -> None:
    await two.issue("a.csv", chosen=("--profile", "north"))
    batch = two.summaries()["a.csv"]["batch"]
    done = await two.run("--profile", "south", "resume", batch)
    assert done.returncode == 2
    assert "it was issued with --profile north" in done.stderr
    shown = await two.run("show", batch)
    assert shown.stdout.startswith(f"Batch {batch}  a.csv, profile north\n")
    assert "a.csv, profile north" in (await two.run("batches")).stdout
    (listed,) = json.loads((await two.run("batches", "--json")).stdout)
    assert listed["profile"] == "north"


async def test_an_inbox_works_under_a_profile(two: Two, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "bad.csv").write_text("customer_id,badge_meta_id\nx,y\n")
    (two.terminal.folder / "a.csv").rename(inbox / "a.csv")
    done = await two.run("--profile", "north", "inbox", str(inbox), "--min-age", "0", "--rate", "0")
    assert done.returncode == 4
    assert sent(two.north) == Counter(range(1_001, 1_031))
    assert "Next: batch-issuer --profile north validate" in done.stdout


async def test_doctor_checks_the_profile_that_is_chosen(two: Two) -> None:
    two.south.change_maker_password("changed")
    north, south = [await two.run("--profile", profile, "doctor") for profile in PROFILES]
    assert (north.returncode, south.returncode) == (0, 6)
    assert "ok           settings     profile north is chosen" in north.stdout
    assert "Next: batch-issuer --profile north plan FILE" in north.stdout
    assert "batch-issuer --profile south doctor" in south.stdout
