"""Checking an upload finds what `plan` finds, in the background, and knows when that is out of date."""

import asyncio
import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from batch_issuer.batch.outcomes import Outcome
from batch_issuer.errors import UsageError
from batch_issuer.pipeline import issue
from batch_issuer.sandbox import Scenario
from batch_issuer.uploads import CheckStage, Choices
from tests.cli.test_commands import run
from tests.intake.workbooks import save
from tests.pipeline.world import BADGES, World, customers, open_world
from tests.uploads.conftest import Desk, desk_at

HEADER = "customer_id,badge_meta_id,owner_type,reference_id,issue_event_date"
GOOD = "700000001," + BADGES[0] + ",,,\n"
MIXED = (
    f"{HEADER}\n{GOOD}{GOOD}1.13461E+08,{BADGES[1]},,,\n0012345,nonsense,Loyality,gold,31.01.2026\n"
    f"\n700000003,{BADGES[1]},Loyalty,gold,2026-03-08\n=1+1,,,,x\n 700000004 ,{BADGES[2]},,,,surplus\n"
)


def as_plan(world: World, file: Path, *options: str) -> dict[str, Any]:
    """Ask the command for its plan."""
    named = world.settings()
    assert named.password is not None
    assert named.ui_auth_token is not None
    known = {
        **{name: getattr(named, name.lower()) or "" for name in ("BASE_URL", "USERNAME", "ORG_ID")},
        "PASSWORD": named.password.get_secret_value(),
        "UI_AUTH_TOKEN": named.ui_auth_token.get_secret_value(),
        **{name: str(getattr(named, name.lower())) for name in ("RATE", "CHUNK_SIZE", "OUTPUT")},
    }
    done = run("plan", str(file), "--json", *options, folder=world.folder, **known)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def agree(desk: Desk, file: Path, *options: str, chosen: Choices | None = None) -> Mapping[str, Any]:
    """Compare the findings of both for one file."""
    upload = await desk.bring(file, name=file.name)
    if chosen:
        upload = await desk.uploads.choose(upload, chosen)
    checked = await desk.check(upload)
    plan = await asyncio.to_thread(as_plan, desk.world, file, *options)
    ours = checked.as_json()
    same = (
        *("rows", "invalid", "duplicates", "already_issued", "customers", "requests", "chunk_size"),
        *("seconds", "repairs", "form", "warnings", "badges", "groups", "rules"),
    )
    assert {name: ours[name] for name in same} == {name: plan[name] for name in same}
    assert ours["refusal"] == plan["reason"]
    return ours


async def test_a_file_with_all_sorts_of_rows_has_the_findings_of_plan(desk: Desk) -> None:
    found = await agree(desk, desk.world.write(MIXED))
    assert (found["rows"], found["invalid"], found["duplicates"]) == (7, 4, 1)
    await agree(
        desk,
        desk.world.write(MIXED),
        *("--on-invalid", "skip", "--max-invalid", "80%", "--badge-meta-id", BADGES[3]),
        chosen=Choices(on_invalid="skip", max_invalid="80%", values={"badge_meta_id": BADGES[3]}),
    )


async def test_a_workbook_has_the_findings_of_plan(desk: Desk) -> None:
    rows: list[list[Any]] = [
        HEADER.split(","),
        [700000001, BADGES[0], None, None, date(2026, 3, 8)],
        [1.23456789e20, BADGES[0], "Loyalty", date(2026, 3, 8), None],
        [True, 4.5, None, None, None],
    ]
    await agree(desk, save(desk.world.folder / "customers.xlsx", rows))


async def test_bad_badges_are_found_as_plan_finds_them(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario()) as world, desk_at(world) as desk:
        found = await agree(desk, world.write(customers(6, badges=2)))
    assert set(found["badges"]) <= {*BADGES[:2]}


async def test_rows_of_another_batch_are_left_out_unless_they_are_to_be_issued_again(desk: Desk) -> None:
    await desk.world.issue(desk.world.write(customers(4)))
    found = await agree(desk, desk.world.write(customers(6)))
    assert (found["already_issued"], found["customers"]) == (4, 2)
    again = await desk.uploads.choose(await desk.bring(customers(6)), Choices(again=True))
    assert (await desk.check(again)).customers == 6


async def test_content_that_was_issued_before_names_its_batch(desk: Desk) -> None:
    summary = await desk.world.issue(desk.world.write(customers(4)))
    assert (await desk.check(await desk.bring(customers(4)))).same_content == summary.batch.batch
    assert (await desk.check(await desk.bring(customers(5)))).same_content == ""


async def test_a_file_that_cant_be_understood_says_why(desk: Desk) -> None:
    checked = await desk.check(await desk.bring("Member No,Badge\n7,x\n"))
    assert "no column for customer_id" in checked.failure
    assert not checked.can_be_issued
    checked = await desk.check(await desk.bring("customer_id,badge_meta_id\n"))
    assert checked.failure == "customers.csv has a header, but no data rows"


async def test_what_is_chosen_after_a_check_makes_it_stale(desk: Desk) -> None:
    upload = await desk.bring(customers(4))
    assert (await desk.check(upload)).can_be_issued
    upload = await desk.uploads.choose(upload, Choices(values={"badge_meta_id": BADGES[3]}))
    checked = await desk.uploads.checked(upload)
    assert checked is not None
    assert checked.is_stale
    assert not checked.can_be_issued
    assert (await desk.check(upload)).can_be_issued
    upload = await desk.uploads.choose(upload, replace(Choices.of(upload), name="spring"))
    checked = await desk.uploads.checked(upload)
    assert checked is not None
    assert not checked.is_stale  # a name changes nothing of it


async def test_values_for_the_whole_file_travel_with_it(desk: Desk) -> None:
    upload = await desk.bring("customer_id\n700000001\n")
    upload = await desk.uploads.choose(upload, Choices(values={"badge_meta_id": BADGES[5]}))
    assert (await desk.check(upload)).customers == 1
    file, options = await desk.uploads.to_issue(upload)
    summary = await desk.world.run(lambda services: issue(services, file, options))
    assert summary.counts == {Outcome.PENDING: 1}


async def test_wrong_choices_are_refused_at_once(desk: Desk) -> None:
    upload = await desk.bring(customers(1))
    for wrong in (
        Choices(max_invalid="many"),
        Choices(encoding="klingon"),
        Choices(delimiter="#"),
        Choices(values={"nonsense": "x"}),
        Choices(values={"reference_id": "a\x07b"}),
        Choices(columns={"customer_id": "no such header"}),
    ):
        with pytest.raises(UsageError):
            await desk.uploads.choose(upload, wrong)


async def test_only_two_are_checked_at_once_and_the_others_wait(desk: Desk) -> None:
    uploads = [await desk.bring(customers(10 + n)) for n in range(4)]
    for upload in uploads:
        desk.uploads.check(upload)
        desk.uploads.check(upload)  # joins
    await asyncio.sleep(0)
    stages = [progress.stage for one in uploads if (progress := desk.uploads.progress(one))]
    assert stages.count(CheckStage.WAITS) >= 2
    for upload in uploads:
        await desk.uploads.wait(upload)
        assert desk.uploads.progress(upload) is None
        assert await desk.uploads.checked(upload)


async def test_the_rows_so_far_are_told_and_removing_stops_a_check(desk: Desk) -> None:
    upload = await desk.bring(customers(200_000))
    desk.uploads.check(upload)
    progress = desk.uploads.progress(upload)
    assert progress is not None
    while not progress.rows:  # noqa: ASYNC110 - a thread counts
        await asyncio.sleep(0)
    assert await desk.uploads.remove(upload.upload)
    assert progress.rows < 200_000 or progress.stage is CheckStage.LOOKS_UP
    assert desk.folders() == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("parse")]


async def test_the_event_loop_goes_on_while_a_file_is_checked(desk: Desk) -> None:
    upload = await desk.bring(customers(300_000))
    desk.uploads.check(upload)
    turns = 0
    while desk.uploads.progress(upload):
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100


async def test_badges_are_not_asked_again_for_a_file_that_is_checked_again(desk: Desk) -> None:
    upload = await desk.bring(
        "customer_id,badge\n" + "".join(f"{n},{BADGES[n]}\n" for n in range(1, 6)) + "x,\n"
    )
    await desk.check(upload)
    asked = desk.world.sandbox.calls.total()
    await desk.uploads.correct(upload, row=7, position=0, value="7")
    await desk.uploads.correct(upload, row=7, position=1, value=BADGES[1])
    checked = await desk.check(upload)
    assert checked.customers == 6
    assert len(checked.badges) == 5
    assert desk.world.sandbox.calls.total() == asked
    desk.world.time.instant += timedelta(minutes=11)
    upload = await desk.uploads.choose(upload, Choices(values={"issue_event_date": "2026-03-08"}))
    await desk.check(upload)
    assert desk.world.sandbox.calls.total() == 2 * asked


async def test_a_disk_that_fails_is_told_and_another_check_may_do(desk: Desk) -> None:
    upload = await desk.bring(customers(3))
    in_the_way = desk.world.output / ".uploads" / upload.upload / ".problems.arrow.part"
    in_the_way.mkdir()
    desk.uploads.check(upload)
    await desk.uploads.wait(upload)
    told = desk.uploads.trouble(upload)
    assert "can't write to its disk" in told
    assert str(desk.world.output) not in told
    assert await desk.uploads.checked(upload) is None
    in_the_way.rmdir()
    assert (await desk.check(upload)).customers == 3


async def test_a_slow_look_up_holds_nobody_who_changes_the_file(tmp_path: Path) -> None:
    async with open_world(tmp_path, rate=1) as world, desk_at(world) as desk:
        upload = await desk.bring("customer_id,badge\n" + "".join(f"{n},{BADGES[n]}\n" for n in range(1, 9)))
        desk.uploads.check(upload)
        progress = desk.uploads.progress(upload)
        assert progress is not None
        while progress.stage is not CheckStage.LOOKS_UP:  # noqa: ASYNC110 - a thread reads
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            assert await desk.uploads.remove(upload.upload)
        assert desk.folders() == []
