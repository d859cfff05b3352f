"""One pass over a folder: what users find in it afterwards, and what the server got."""

import asyncio
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from openpyxl import Workbook

from batch_issuer.assembly import NoProgress, Services
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.errors import SettingsError, StillChanging
from batch_issuer.inbox import PassResult
from batch_issuer.inbox.folder import lease_of
from batch_issuer.intake import SheetOptions
from batch_issuer.intake.copying import Look
from batch_issuer.planning import MaxInvalid
from tests.inbox.watched import BADGE, Watched, rows_of
from tests.pipeline.world import open_world, read_csv
from tests.privileges import as_nobody


def codes(result: PassResult) -> dict[str, int]:
    return {file.name: int(file.exit_code) for file in result.files}


def places(watched: Watched, result: PassResult) -> dict[str, str | None]:
    return {
        file.name: None if file.place is None else str(file.place.relative_to(watched.path))
        for file in result.files
    }


async def test_every_complete_file_is_issued_and_moved_with_its_reports_beside_it(watched: Watched) -> None:
    original = rows_of(1, 2)
    watched.put("a.csv", original)
    watched.put("b.tsv", "customer_id\tbadge_meta_id\n3\t" + BADGE + "\n")
    result = await watched.work()
    assert (codes(result), result.exit_code) == ({"a.csv": 0, "b.tsv": 0}, ExitCode.DONE)
    assert watched.files() == {"done/a.csv", "done/b.tsv"}
    assert (watched.path / "done" / "a.csv").read_text() == original
    reports = watched.path / "done" / "a.csv.reports"
    assert {path.name for path in reports.iterdir()} == {
        *("reconciliation.csv", "requests.csv", "report.html", "summary.json")
    }
    assert [line["customer_id"] for line in read_csv(reports / "reconciliation.csv")] == ["1", "2"]
    assert watched.sent() == [1, 2, 3]


async def test_the_same_pass_again_finds_nothing_to_do(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1))
    await watched.work()
    result = await watched.work()
    assert (result.files, result.exit_code, watched.sent()) == ((), ExitCode.DONE, [1])


async def test_a_file_that_is_still_growing_is_left_alone(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1), age=10)
    result = await watched.work()
    assert (result.files, result.waiting) == ((), ("a.csv",))
    assert result.again_in == pytest.approx(50)
    assert watched.files() == {"a.csv"}
    watched.world.time.instant += timedelta(seconds=51)
    assert codes(await watched.work()) == {"a.csv": 0}


async def test_a_file_from_the_future_is_taken_after_a_second_look(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1), age=-100_000)
    assert codes(await watched.work()) == {"a.csv": 0}
    assert watched.world.time.somebody_slept.is_set()


async def test_one_bad_file_never_stops_the_others(watched: Watched) -> None:
    watched.put("1.csv", "%PDF", age=500)
    watched.put("2.csv", "", age=400)
    watched.put("3.csv", rows_of("x"), age=300)
    watched.put("4.csv", "who,what\n1,2\n", age=200)
    watched.put("5.csv", rows_of(5), age=100)
    result = await watched.work()
    assert codes(result) == {"1.csv": 3, "2.csv": 3, "3.csv": 3, "4.csv": 3, "5.csv": 0}
    assert result.exit_code is ExitCode.ROWS_NEED_A_LOOK
    assert watched.files() == {*(f"refused/{n}.csv" for n in (1, 2, 3, 4)), "done/5.csv"}
    assert watched.sent() == [5]


async def test_a_refused_file_is_told_of_in_plain_words_with_the_next_command(watched: Watched) -> None:
    watched.put("a list.csv", "%PDF")
    (result,) = (await watched.work()).files
    place = watched.path / "refused" / "a list.csv"
    assert (result.place, result.batch, result.summary) == (place, "", None)
    assert result.problem == "a list.csv is a PDF, not a spreadsheet"
    assert result.next_command == f'batch-issuer validate "{place}"'
    text = (place.parent / "a list.csv.reports" / "problem.txt").read_text()
    assert "a list.csv is a PDF, not a spreadsheet" in text
    assert text.endswith(f"Next: {result.next_command}\n")


async def test_invalid_rows_refuse_a_file_and_stand_beside_it(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1, "x"))
    (result,) = (await watched.work()).files
    assert (result.exit_code, result.summary is not None) == (ExitCode.INPUT_REFUSED, True)
    assert result.next_command == f"batch-issuer validate {watched.path / 'refused' / 'a.csv'}"
    (reject,) = read_csv(watched.path / "refused" / "a.csv.reports" / "rejects.csv")
    assert reject["customer_id"] == "x"
    assert watched.sent() == []


async def test_valid_rows_are_sent_where_the_folder_skips_invalid_ones(watched: Watched) -> None:
    watched.issue |= {"on_invalid": "skip", "max_invalid": MaxInvalid.parse("50%")}
    watched.put("a.csv", rows_of(1, "x"))
    assert codes(await watched.work()) == {"a.csv": 4}
    assert watched.files() == {"done/a.csv"}
    assert watched.sent() == [1]


async def test_content_that_was_issued_before_is_refused_and_its_batch_named(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1))
    first = await watched.work()
    watched.put("again.csv", rows_of(1))
    (result,) = (await watched.work()).files
    assert result.exit_code is ExitCode.GUARDED
    assert result.next_command == f"batch-issuer show {first.files[0].batch}"
    text = (watched.path / "refused" / "again.csv.reports" / "problem.txt").read_text()
    assert f"batch-issuer issue {watched.path / 'refused' / 'again.csv'} --again" in text
    assert watched.sent() == [1]


async def test_a_name_that_is_taken_is_never_overwritten(watched: Watched) -> None:
    for customer in (1, 2, 3):
        watched.put("a.csv", rows_of(customer))
        result = await watched.work()
    batch = result.files[0].batch
    names = {path.name for path in (watched.path / "done").iterdir() if path.is_file()}
    assert len(names) == 3
    assert {"a.csv", f"a-{batch}.csv"} < names
    assert (watched.path / "done" / "a.csv").read_text() == rows_of(1)
    assert (watched.path / "done" / f"a-{batch}.csv.reports" / "summary.json").exists()
    for content in ("%PDF 1", "%PDF 2"):
        watched.put("a.csv", content)
        await watched.work()
    assert (watched.path / "refused" / "a.csv").read_text() == "%PDF 1"
    assert len([name for name in watched.files() if name.startswith("refused/")]) == 2


async def test_files_of_one_stem_keep_their_reports_apart(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1))
    watched.put("a.txt", rows_of(2))
    await watched.work()
    for name, customer in (("a.csv", "1"), ("a.txt", "2")):
        (line,) = read_csv(watched.path / "done" / f"{name}.reports" / "reconciliation.csv")
        assert line["customer_id"] == customer


async def test_the_marker_of_a_file_moves_along(watched: Watched) -> None:
    for name in ("a.csv", "b.csv", "b.txt", "c.csv"):
        watched.put(name, rows_of(ord(name[0]) * 10 + len(name[2:]) + ord(name[-1])), age=0)
    for name in ("a.csv.done", "b.done"):
        watched.put(name, "", age=0)
    result = await watched.work(done_marker=".done")
    assert codes(result) == {"a.csv": 0, "b.csv": 0, "b.txt": 0}
    assert watched.files() == {
        *("done/a.csv", "done/a.csv.done", "done/b.csv", "done/b.txt", "done/b.txt.done", "c.csv")
    }


async def test_a_file_that_changes_while_it_is_copied_is_not_issued(watched: Watched) -> None:
    path = watched.put("a.csv", rows_of(1))
    look = Look.at(path)
    watched.put("a.csv", rows_of(1, 2), age=10)
    with pytest.raises(StillChanging):
        await watched.world.issue(path, look=look)
    assert (await watched.batches(), watched.sent()) == ([], [])
    assert [entry.name for entry in watched.world.output.iterdir() if entry.is_dir()] == []


async def test_a_file_that_changed_since_it_was_seen_is_left_for_the_next_pass(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1), age=200)
    late = watched.put("b.csv", rows_of(2))

    class Writer(NoProgress):
        """Writes to the second file while the first is sent."""

        def requests_planned(self, count: int) -> None:
            late.write_text(rows_of(2, *range(10, 10 + count)))

    watched.world.progress = Writer()
    assert codes(await watched.work()) == {"a.csv": 0}
    assert watched.files() == {"done/a.csv", "b.csv"}
    assert watched.sent() == [1]


@pytest.fixture
async def unprivileged() -> AsyncIterator[Watched]:
    """Give a folder to somebody who may not read everything; root, who may, is nobody meanwhile."""
    with as_nobody(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inbox"
        path.mkdir()
        async with open_world(Path(folder)) as world:
            yield Watched(world=world, path=path)


async def test_an_unreadable_file_is_told_and_left(unprivileged: Watched) -> None:
    watched = unprivileged
    watched.put("a.csv", rows_of(1)).chmod(0)
    watched.put("b.csv", rows_of(2))
    result = await watched.work()
    assert codes(result) == {"a.csv": 2, "b.csv": 0}
    assert result.exit_code is ExitCode.ROWS_NEED_A_LOOK
    assert watched.files() == {"a.csv", "done/b.csv"}


async def test_a_file_whose_name_can_not_be_kept_is_told_and_left(watched: Watched) -> None:
    watched.put("a\nb.csv", rows_of(1))
    (result,) = (await watched.work()).files
    assert (result.name, result.exit_code) == ("a\\nb.csv", ExitCode.USAGE)
    assert "rename it" in result.problem
    assert watched.sent() == []


async def test_a_claimed_file_is_another_processes(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1))
    watched.put("b.csv", rows_of(2))
    await watched.work(min_age=1_000)  # makes the folder known
    folder_id = (watched.path / ".batch_issuer").read_text().strip()

    async def beside(services: Services) -> PassResult:
        async with services.lease(lease_of(f"{folder_id}/a.csv")):
            return await watched.work()

    assert codes(await watched.world.run(beside)) == {"b.csv": 0}
    assert watched.files() == {"a.csv", "done/b.csv"}
    assert codes(await watched.work()) == {"a.csv": 0}


async def test_a_file_waits_in_its_place_while_the_server_is_down_and_is_finished_later(
    watched: Watched,
) -> None:
    watched.put("a.csv", rows_of(1), age=200)
    watched.put("b.csv", rows_of(2))
    await watched.work(min_age=1_000)
    server = watched.world.sandbox
    down = {"base_url": "http://127.0.0.1:9", "timeout": 1}
    watched.world.overrides |= down
    result = await watched.work()
    assert (codes(result), result.exit_code) == ({"a.csv": 5}, ExitCode.NOT_FINISHED)
    assert "the server does not answer" in result.message
    assert watched.files() == {"a.csv", "b.csv"}
    assert server.requests == ()


async def test_refused_credentials_end_the_pass_and_the_next_goes_on(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1), age=200)
    watched.put("b.csv", rows_of(2))
    watched.world.sandbox.will_answer(403)
    result = await watched.work()
    assert (codes(result), result.exit_code) == ({"a.csv": 6}, ExitCode.NO_PERMISSION)
    assert watched.files() == {"a.csv", "b.csv"}
    result = await watched.work()
    assert codes(result) == {"a.csv": 0, "b.csv": 0}
    assert [summary.batch.input_name for summary in result.resumed] == ["a.csv"]
    assert watched.files() == {"done/a.csv", "done/b.csv"}
    assert watched.sent() == [1, 2]


async def test_a_batch_that_stops_by_itself_does_not_stop_the_next_file(watched: Watched) -> None:
    watched.world.overrides |= {"chunk_size": 1, "concurrency": 1}
    watched.put("a.csv", rows_of(*range(1, 13)), age=200)
    watched.put("b.csv", rows_of(99))
    for _ in range(10):
        watched.world.sandbox.will_answer(400)
    result = await watched.work()
    assert codes(result) == {"a.csv": 5, "b.csv": 0}
    assert watched.files() == {"a.csv", "done/b.csv"}
    assert codes(await watched.work()) == {"a.csv": 4}
    assert watched.files() == {"done/a.csv", "done/b.csv"}


async def test_a_new_file_under_the_name_of_an_unfinished_one_is_a_file_of_its_own(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1))
    watched.world.sandbox.will_answer(403)
    await watched.work()
    watched.put("a.csv", rows_of(2))
    result = await watched.work()
    first, second = result.files
    assert (first.place, first.exit_code) == (None, ExitCode.DONE)
    assert "another file of its name" in first.problem
    assert first.reports is not None
    assert (first.reports / "reconciliation.csv").exists()
    assert (second.exit_code, watched.sent()) == (ExitCode.DONE, [1, 2])
    assert [read_csv(path / "reconciliation.csv")[0]["customer_id"] for path in reports(watched)] == [
        "1",
        "2",
    ]


def reports(watched: Watched) -> list[Path]:
    return sorted((watched.path / "done").glob("*.reports"), key=lambda path: path.stat().st_ctime)


async def test_a_file_that_somebody_took_away_keeps_its_reports(watched: Watched) -> None:
    path = watched.put("a.csv", rows_of(1))
    watched.world.sandbox.will_answer(403)
    await watched.work()
    path.unlink()
    (result,) = (await watched.work()).files
    assert (result.place, result.exit_code) == (None, ExitCode.DONE)
    assert "taken it out" in result.problem
    assert (watched.path / "done" / "a.csv.reports" / "summary.json").exists()
    assert (await watched.work()).files == ()


async def test_a_batch_whose_copy_is_elsewhere_is_told_and_the_others_go_on(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1))
    watched.world.sandbox.will_answer(403)
    (begun,) = (await watched.work()).files
    here = watched.world.output / begun.batch
    here.rename(watched.world.folder / "elsewhere")
    watched.put("b.csv", rows_of(2))
    result = await watched.work()
    assert codes(result) == {"a.csv": 5, "b.csv": 0}
    assert "inbox` where it was begun" in result.files[0].problem
    (watched.world.folder / "elsewhere").rename(here)
    assert codes(await watched.work()) == {"a.csv": 0}
    assert watched.sent() == [1, 2]


async def test_a_batch_that_somebody_resumed_by_hand_is_moved_by_the_next_pass(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1))
    watched.world.sandbox.will_answer(403)
    (begun,) = (await watched.work()).files
    await watched.world.resume(begun.batch)
    result = await watched.work()
    assert (codes(result), places(watched, result)) == ({"a.csv": 0}, {"a.csv": "done/a.csv"})
    assert watched.sent() == [1]


async def test_a_folder_that_takes_no_file_keeps_it_until_it_does(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1))
    (watched.path / "done").write_text("in the way")
    (result,) = (await watched.work()).files
    assert (result.place, result.exit_code) == (None, ExitCode.NOT_FINISHED)
    assert "can't be moved to" in result.problem
    (watched.path / "done").unlink()
    assert codes(await watched.work()) == {"a.csv": 0}
    assert (watched.files(), watched.sent()) == ({"done/a.csv"}, [1])


async def test_no_log_line_names_a_customer(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    watched.put("a.csv", rows_of(700_123_456))
    watched.put("b.csv", rows_of("700123457x"))
    watched.put("readme.md", "700123458")
    with caplog.at_level(logging.DEBUG, "batch_issuer"):
        await watched.work()
    told = " ".join(
        str(record.__dict__) for record in caplog.records if record.name.startswith("batch_issuer")
    )
    assert "left alone" in told
    assert "70012345" not in told


async def test_batches_that_did_not_come_through_the_folder_are_left_alone(watched: Watched) -> None:
    file = watched.world.write(rows_of(1), "by hand.csv")
    watched.world.sandbox.will_answer(403)
    await watched.world.issue(file)
    result = await watched.work(refresh_open_days=7)
    assert (result.files, result.refreshed) == ((), ())
    assert watched.sent() == []


async def test_open_batches_are_asked_for_again_and_their_copies_renewed(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1))
    await watched.work(refresh_open_days=7)
    copy = watched.path / "done" / "a.csv.reports" / "reconciliation.csv"
    assert read_csv(copy)[0]["outcome"] == "pending"
    watched.world.sandbox.decide_all("rejected")
    result = await watched.work(refresh_open_days=7)
    (summary,) = result.refreshed
    assert summary.counts[Outcome.REJECTED] == 1
    assert result.exit_code is ExitCode.ROWS_NEED_A_LOOK
    assert read_csv(copy)[0]["outcome"] == "rejected"
    assert (await watched.work(refresh_open_days=7)).refreshed == ()


async def test_open_batches_are_not_asked_for_for_ever(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1))
    await watched.work()
    assert (await watched.work(refresh_open_days=0)).refreshed == ()
    await watched.world.time.sleep(3 * 86_400)
    assert (await watched.work(refresh_open_days=2)).refreshed == ()
    assert len((await watched.work(refresh_open_days=4)).refreshed) == 1


async def test_reports_that_were_put_away_are_not_made_again(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1))
    await watched.work()
    shutil.rmtree(watched.path / "done")
    assert len((await watched.work(refresh_open_days=7)).refreshed) == 1
    assert watched.files() == set()


async def test_a_stop_lets_the_next_pass_take_the_rest(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1))
    watched.world.stopping.set()
    result = await watched.work()
    assert (result.files, result.exit_code) == ((), ExitCode.NOT_FINISHED)
    assert "the next pass goes on" in result.message
    watched.world.stopping = asyncio.Event()
    assert codes(await watched.work()) == {"a.csv": 0}


async def test_a_setting_that_is_missing_keeps_every_file_where_it_is(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1))
    watched.world.overrides |= {"till_id": None}
    with pytest.raises(SettingsError, match="TILL_ID"):
        await watched.work()
    assert watched.files() == {"a.csv"}


async def test_how_text_is_written_says_nothing_of_a_workbook(watched: Watched) -> None:
    watched.issue |= {"sheet": SheetOptions(delimiter="semicolon", encoding="utf-8")}
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["customer_id", "badge_meta_id"])
    sheet.append([7, BADGE])
    book.save(watched.path / "a.xlsx")
    watched.set_age(watched.path / "a.xlsx", 120)
    watched.put("b.csv", f"customer_id;badge_meta_id\n8;{BADGE}\n")
    assert codes(await watched.work()) == {"a.xlsx": 0, "b.csv": 0}
    assert watched.sent() == [7, 8]


async def test_a_batch_knows_the_file_it_came_from(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1))
    await watched.work()
    (batch,) = await watched.batches()
    folder_id = (watched.path / ".batch_issuer").read_text().strip()
    assert (batch.inbox_file, batch.inbox_place, batch.inbox_moved) == (
        f"{folder_id}/a.csv",
        "done/a.csv",
        True,
    )


async def test_the_result_is_told_to_programs_with_stable_keys(watched: Watched) -> None:
    watched.put("a.csv", rows_of(1))
    told = (await watched.work()).as_json()
    assert told.keys() == {"files", "refreshed", "waiting", "message", "exit_code"}
    (file,) = told["files"]
    assert file.keys() == {
        *("file", "place", "reports", "batch", "exit_code", "problem", "next_command", "resumed", "summary")
    }
    assert file["summary"]["counts"]["pending"] + file["summary"]["counts"]["issued"] == 1
