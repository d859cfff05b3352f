"""What `issue` does with a file, from the spreadsheet to the reconciliation."""

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.errors import AlreadyIssued, InputRefused, Interrupted, SettingsError, UsageError
from batch_issuer.intake import SheetOptions
from batch_issuer.planning import MaxInvalid
from batch_issuer.sandbox import Scenario
from tests.intake.workbooks import save
from tests.pipeline.world import (
    BADGES,
    World,
    customers,
    open_world,
    outcomes,
    read_csv,
    reconciliation,
    summary_json,
)


async def test_each_row_of_an_approved_file_is_issued_once_and_carries_its_issued_id(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(decide_after_seconds=0)) as world:
        summary = await world.issue(world.write(customers(7, badges=2)))
        truth = {
            (reply["customer_id"], record["badge_meta_id"]): reply["issued_id"]
            for record in world.sandbox.truth()["requests"]
            for reply in record["results"]
        }
    lines = reconciliation(summary)
    assert [int(line["row"]) for line in lines] == list(range(2, 9))
    assert {line["outcome"] for line in lines} == {"issued"}
    assert {(int(ln["customer_id"]), ln["badge_meta_id"]): ln["issued_id"] for ln in lines} == truth
    assert summary.exit_code is ExitCode.DONE
    assert summary.next_command == ""


async def test_rows_that_wait_for_a_checker_are_pending_and_the_job_is_done(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        summary = await world.issue(world.write(customers(4)))
    assert outcomes(summary) == {"pending": 4}
    assert summary.exit_code is ExitCode.DONE
    assert summary.next_command == f"batch-issuer refresh {summary.batch.batch}"


async def test_waiting_follows_the_states_to_the_end(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(decide_after_seconds=30)) as world:
        summary = await world.issue(world.write(customers(4)), wait=120)
    assert outcomes(summary) == {"issued": 4}


async def test_pending_rows_are_no_failure_when_the_waiting_time_runs_out(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        summary = await world.issue(world.write(customers(4)), wait=100)
        reads = world.sandbox.calls["GET requests"]
    assert summary.exit_code is ExitCode.DONE
    assert reads < 10  # 5, 15, 35, 75, 100 s, and each pass is a page or two


async def test_the_number_of_requests_is_the_least_possible(tmp_path: Path) -> None:
    async with open_world(tmp_path, chunk_size=4) as world:
        summary = await world.issue(world.write(customers(21, badges=2)))
        sent = [len(record.customers) for record in world.sandbox.requests]
    assert sorted(sent) == [2, 3, 4, 4, 4, 4]  # 11 and 10 customers
    assert summary.requests == 6


async def test_one_invalid_row_stops_the_whole_file_by_default(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        summary = await world.issue(world.write(customers(3) + "12.5," + BADGES[0] + "\n"))
        posts = world.sandbox.posts
    assert posts == 0
    assert summary.exit_code is ExitCode.INPUT_REFUSED
    assert outcomes(summary) == {"not_sent": 3, "invalid": 1}
    rejected = read_csv(summary.folder / "rejects.csv")
    assert [(line["row"], line["customer_id"]) for line in rejected] == [("5", "12.5")]
    assert "not whole" in rejected[0]["problem"]


async def test_a_refused_file_can_be_issued_later_without_being_asked_twice(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        file = world.write(customers(20) + "12.5," + BADGES[0] + "\n")
        await world.issue(file)
        summary = await world.issue(file, on_invalid="skip")
    assert outcomes(summary) == {"pending": 20, "invalid": 1}
    assert summary.exit_code is ExitCode.ROWS_NEED_A_LOOK


@pytest.mark.parametrize(("allowed", "sent"), [("1", 0), ("2", 8), ("19%", 0), ("20%", 8)])
async def test_skipping_has_a_limit(tmp_path: Path, allowed: str, sent: int) -> None:
    async with open_world(tmp_path, chunk_size=1) as world:
        file = world.write(customers(8) + "x,\n-1,\n")
        summary = await world.issue(file, on_invalid="skip", max_invalid=MaxInvalid.parse(allowed))
        posts = world.sandbox.posts
    assert posts == sent
    assert summary.exit_code == (ExitCode.ROWS_NEED_A_LOOK if sent else ExitCode.INPUT_REFUSED)


async def test_a_file_without_one_valid_row_is_refused_even_when_skipping(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        file = world.write("customer_id,badge_meta_id\nx,y\n")
        summary = await world.issue(file, on_invalid="skip", max_invalid=MaxInvalid.parse("100%"))
    assert summary.exit_code is ExitCode.INPUT_REFUSED
    assert outcomes(summary) == {"invalid": 1}
    assert summary.is_balanced


async def test_a_duplicate_names_the_row_it_repeats_and_is_not_sent(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(decide_after_seconds=0)) as world:
        first = customers(2)
        summary = await world.issue(world.write(first + first.splitlines()[1] + "\n"))
        sent = [customer for record in world.sandbox.requests for customer in record.customers]
    original, _, duplicate = reconciliation(summary)
    assert sorted(sent) == [700_000_001, 700_000_002]
    assert duplicate["outcome"] == "duplicate"
    assert duplicate["error_message"] == "repeats row 2"
    assert duplicate["request_id"] == original["request_id"]
    assert duplicate["issued_id"] == ""
    assert summary.exit_code is ExitCode.DONE


async def test_a_duplicate_of_a_rejected_row_says_so(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(decide_after_seconds=1, reject_share=1)) as world:
        first = customers(1)
        summary = await world.issue(world.write(first + first.splitlines()[1] + "\n"), wait=60)
    assert reconciliation(summary)[1]["error_message"] == "repeats row 2, which is rejected"
    assert summary.exit_code is ExitCode.ROWS_NEED_A_LOOK


async def test_blank_lines_and_quoted_newlines_keep_the_spreadsheets_row_numbers(tmp_path: Path) -> None:
    text = f'customer_id,badge_meta_id,note\n1,{BADGES[0]},"two\nlines"\n\n,,\n2,{BADGES[0]},\n'
    async with open_world(tmp_path) as world:
        summary = await world.issue(world.write(text))
    assert [(ln["row"], ln["customer_id"]) for ln in reconciliation(summary)] == [("2", "1"), ("5", "2")]


async def test_the_same_content_is_not_issued_twice_unless_asked_for(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        file = world.write(customers(2))
        first = await world.issue(file)
        with pytest.raises(AlreadyIssued, match=first.batch.batch):
            await world.issue(world.write(customers(2), "another name.csv"))
        assert world.sandbox.posts == 1
        again = await world.issue(file, again=True)
        assert world.sandbox.posts == 2
    assert again.batch.batch != first.batch.batch
    assert sorted(p.name for p in world.output.iterdir() if p.is_dir()) == sorted(
        [first.batch.batch, again.batch.batch]
    )


async def test_the_input_is_left_as_it_was_and_a_copy_is_kept(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        file = world.write(customers(2))
        before = (file.read_bytes(), file.stat().st_mtime_ns)
        summary = await world.issue(file)
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before
    assert (summary.folder / "input.csv").read_bytes() == before[0]


async def test_a_parquet_file_is_issued_and_its_copy_can_be_opened_by_its_name(tmp_path: Path) -> None:
    day = pa.array([date(2026, 3, 8)] * 3)
    table = pa.table(
        {
            "customer_id": [1, None, 3],
            "badge_meta_id": BADGES[:1] * 3,
            "issue_event_date": day,
            "tags": [["a"]] * 3,
        }
    )
    async with open_world(tmp_path) as world:
        file = tmp_path / "march.parquet"
        pq.write_table(table, file)
        half = MaxInvalid.parse("50%")
        summary = await world.issue(file, on_invalid="skip", max_invalid=half)
        copy = summary.folder / "input.parquet"
        assert copy.read_bytes() == file.read_bytes()
        file.unlink()
        refreshed = await world.refresh(summary.batch.batch)
    assert summary.batch.form == "a Parquet file"
    assert refreshed.counts == summary.counts
    lines = (summary.folder / "reconciliation.csv").read_text("utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in lines] == ["row", "2", "3", "4"]
    assert "2026-03-08" in (summary.folder / "rejects.csv").read_text("utf-8-sig")
    assert '[""a""]' in (summary.folder / "rejects.csv").read_text("utf-8-sig")


async def test_a_workbook_is_issued_and_its_copy_can_be_opened_by_its_name(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["customer_id", "badge_meta_id", "note"],
        [1, BADGES[0], "n"],
        ["x", BADGES[0]],
        [],
        [3, BADGES[0]],
    ]
    async with open_world(tmp_path) as world:
        file = save(tmp_path / "march.xlsx", rows)
        sheet, half = SheetOptions(sheet="Customers"), MaxInvalid.parse("50%")
        summary = await world.issue(file, sheet=sheet, on_invalid="skip", max_invalid=half)
        copy = summary.folder / "input.xlsx"
        assert copy.read_bytes() == file.read_bytes()
        file.unlink()
        refreshed = await world.refresh(summary.batch.batch)
    assert summary.batch.form == "an Excel workbook, sheet 'Customers'"
    assert summary.batch.settings["sheet"] == "Customers"
    assert refreshed.counts == summary.counts
    lines = (summary.folder / "reconciliation.csv").read_text("utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in lines] == ["row", "2", "3", "5"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("customer_id,badge_meta_id\n", "no data rows"),
        ("name,badge_meta_id\n1,2\n", "no column for customer_id"),
        ('customer_id,badge_meta_id\n1,"2\n', "quote"),
        ("customer_id,badge_meta_id\n" + "1,2\n" * 5 + "\u0081,\n", "not Windows-1252"),
    ],
)
async def test_a_file_that_is_no_spreadsheet_leaves_no_trace(tmp_path: Path, text: str, reason: str) -> None:
    async with open_world(tmp_path) as world:
        file = tmp_path / "in.csv"
        file.write_bytes(text.encode("latin-1"))
        with pytest.raises(InputRefused, match=reason):
            await world.issue(file)
        left = [path.name for path in world.output.iterdir() if path.is_dir()]
    assert left == []


async def test_settings_that_lack_something_are_told_before_the_file_is_touched(tmp_path: Path) -> None:
    async with open_world(tmp_path, till_id=None, concept_id=None) as world:
        with pytest.raises(SettingsError, match="TILL_ID, CONCEPT_ID"):
            await world.issue(tmp_path / "there is no such file.csv")


async def test_oauth_needs_an_inner_authorization_that_outlives_the_token(tmp_path: Path) -> None:
    async with open_world(tmp_path, client_key="k", client_secret="s") as world:
        with pytest.raises(SettingsError, match="INTOUCH_AUTHORIZATION"):
            await world.issue(world.write(customers(1)))


async def test_oauth_issues_like_basic(tmp_path: Path) -> None:
    login: dict[str, Any] = {"client_key": "maker-key", "client_secret": "maker-secret"}
    async with open_world(tmp_path, intouch_authorization="Basic aW5uZXI6Y2FsbA==", **login) as world:
        summary = await world.issue(world.write(customers(9)))
        assert world.sandbox.calls["POST token"] == 1
    assert outcomes(summary) == {"pending": 9}


async def test_values_for_the_whole_file_are_sent_with_every_request(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "badge_meta_id": BADGES[5].upper(),
        "owner_type": "loyalty",
        "reference_id": "gold",
    }
    async with open_world(tmp_path, **given) as world:
        await world.issue(world.write("Customer\n1\n2\n"))
        (record,) = world.sandbox.requests
    assert record.badge_meta_id == BADGES[5]
    assert record.task["body"]["triggeredBy"] == {"ownerType": "Loyalty", "referenceId": "gold"}


async def test_a_server_that_is_down_leaves_everything_unsent(tmp_path: Path) -> None:
    async with open_world(tmp_path, chunk_size=1, base_url="http://127.0.0.1:9") as world:
        summary = await world.issue(world.write(customers(30)))
    assert summary.exit_code is ExitCode.NOT_FINISHED
    assert outcomes(summary) == {"not_sent": 30}
    assert "10 times in a row" in summary.message
    assert summary.next_command == f"batch-issuer resume {summary.batch.batch}"


async def test_a_single_request_that_finds_no_server_says_why(tmp_path: Path) -> None:
    async with open_world(tmp_path, base_url="http://127.0.0.1:9") as world:
        summary = await world.issue(world.write(customers(2)))
    assert summary.exit_code is ExitCode.NOT_FINISHED
    assert summary.message.startswith("2 rows could not be sent: no connection")


async def test_wrong_credentials_stop_the_batch_with_a_code_of_their_own(tmp_path: Path) -> None:
    async with open_world(tmp_path, password="wrong") as world:
        summary = await world.issue(world.write(customers(30)))
    assert summary.exit_code is ExitCode.NO_PERMISSION
    assert outcomes(summary) == {"not_sent": 30}


async def test_a_request_the_server_refuses_is_failed_and_the_others_go_on(tmp_path: Path) -> None:
    async with open_world(tmp_path, concurrency=1) as world:
        world.sandbox.will_answer(400)
        summary = await world.issue(world.write(customers(6)))
    assert outcomes(summary) == {"failed": 3, "pending": 3}
    assert [line["row"] for line in read_csv(summary.folder / "failed.csv")] == ["2", "3", "4"]


async def test_a_stop_while_the_file_is_checked_leaves_no_trace(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        world.stopping.set()
        with pytest.raises(Interrupted, match="nothing sent"):
            await world.issue(world.write(customers(3)))
        world.stopping.clear()
        assert outcomes(await world.issue(world.folder / "customers.csv")) == {"pending": 3}


class StopAfter:
    """Asks for a stop once so many requests came to rest."""

    def __init__(self, world: World, requests: int) -> None:
        self._world = world
        self._left = requests

    def rows_checked(self, count: int) -> None: ...

    def requests_planned(self, count: int) -> None: ...

    def request_at_rest(self) -> None:
        self._left -= 1
        if not self._left:
            self._world.stopping.set()


async def test_a_stopped_batch_is_finished_by_resume_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    async with open_world(tmp_path, chunk_size=2, concurrency=2) as world:
        world.progress = StopAfter(world, requests=3)
        stopped = await world.issue(world.write(customers(20)))
        sent_before = world.sandbox.posts
        assert stopped.exit_code is ExitCode.NOT_FINISHED
        assert 0 < sent_before < 10
        assert outcomes(stopped) == {"pending": 2 * sent_before, "not_sent": 20 - 2 * sent_before}

        world.stopping.clear()
        world.progress = None
        resumed = await world.resume()
        sent = [customer for record in world.sandbox.requests for customer in record.customers]
    assert outcomes(resumed) == {"pending": 20}
    assert len(sent) == len(set(sent)) == 20


async def test_resume_refuses_an_input_copy_that_was_changed(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        summary = await world.issue(world.write(customers(2)))
        (summary.folder / "input.csv").write_text(customers(3))
        with pytest.raises(UsageError, match="not the input"):
            await world.resume(summary.batch.batch)


async def test_a_batch_belongs_to_its_server_and_organisation(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        batch = (await world.issue(world.write(customers(2)))).batch.batch
        world.overrides["org_id"] = "1"
        with pytest.raises(UsageError, match="belongs to"):
            await world.refresh(batch)
        with pytest.raises(UsageError, match="belongs to"):
            await world.resume(batch)


async def test_resume_of_finished_batches_says_that_there_is_nothing_to_do(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.issue(world.write(customers(2)))
        with pytest.raises(UsageError, match="nothing to resume"):
            await world.resume()


async def test_a_ledger_that_was_lost_is_not_replaced_in_silence(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.issue(world.write(customers(2)))
        for part in world.output.glob("ledger.db*"):
            part.unlink()
        with pytest.raises(UsageError, match="--new-ledger"):
            await world.issue(world.folder / "customers.csv")
        assert world.sandbox.posts == 1
        again = await world.issue(world.folder / "customers.csv", new_ledger=True)
    assert outcomes(again) == {"pending": 2}


async def test_the_summary_adds_up_and_tells_settings_without_secrets(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(decide_after_seconds=0)) as world:
        summary = await world.issue(world.write(customers(5)), name="Spring")
    found = summary_json(summary)
    assert found["totals"] == {"rows_in": 5, "rows_out": 5, "balanced": True}
    assert found["counts"]["issued"] == 5
    assert found["states"] == {"approved": 2}
    assert found["name"] == "Spring"
    assert found["settings"]["chunk_size"] == 3
    assert "password" not in found["settings"]
    assert found["started_at"] == "2026-03-02T10:15:00Z"


async def test_a_file_is_read_again_in_the_way_that_the_user_told(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        text = customers(4).replace(",", ";").replace("\n", ";a,b,c\n")
        sheet = SheetOptions(encoding="windows-1252", delimiter="semicolon")
        summary = await world.issue(world.write(text), sheet=sheet)
        assert outcomes(await world.refresh()) == {"pending": 4}
    told = summary_json(summary)
    assert told["input"]["form"] == "Windows-1252, separated by semicolons"
    assert (told["settings"]["encoding"], told["settings"]["delimiter"]) == ("windows-1252", "semicolon")
    assert "Windows-1252, separated by semicolons" in (summary.folder / "report.html").read_text()
