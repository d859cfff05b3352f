"""Which files of a folder are complete, and which are none of ours."""

import os
from pathlib import Path

import pytest

from batch_issuer.errors import UsageError
from batch_issuer.inbox.folder import Completeness, Contents, Inbox, check_folder, look_around, open_inbox
from tests.inbox.watched import Watched
from tests.pipeline.world import START, open_world

OLD = START.timestamp() - 120


def put(folder: Path, name: str, *, written: float = OLD, text: str = "x") -> Path:
    path = folder / name
    path.write_text(text)
    os.utime(path, (written, written))
    return path


def look(folder: Path, earlier: Contents | None = None, **rule: object) -> Contents:
    known = None if earlier is None else earlier.ahead
    return look_around(folder, Completeness(**rule), START, known)  # type: ignore[arg-type]


def complete(contents: Contents) -> list[str]:
    return [found.name for found in contents.complete]


def growing(contents: Contents) -> list[str]:
    return [found.name for found in contents.growing]


@pytest.mark.parametrize("name", ["a.csv", "A.CSV", "a.tsv", "a.txt", "a.Xlsx", "two words.csv", "größe.csv"])
def test_a_spreadsheet_is_an_input_whatever_the_case_of_its_name(tmp_path: Path, name: str) -> None:
    put(tmp_path, name)
    assert complete(look(tmp_path)) == [name]


@pytest.mark.parametrize(
    "name",
    [".a.csv", "a.csv.part", "a.csv.tmp", "a.csv.crdownload", "~$a.xlsx", "batch.toml", ".batch_issuer"],
)
def test_what_is_hidden_locked_or_half_written_is_no_input(tmp_path: Path, name: str) -> None:
    put(tmp_path, name)
    contents = look(tmp_path)
    assert (contents.complete, contents.growing, contents.others) == ([], [], [])


def test_other_files_are_named_and_folders_and_links_are_not_followed(tmp_path: Path) -> None:
    put(tmp_path, "readme.md")
    put(tmp_path, "no_suffix")
    (tmp_path / "done.csv").mkdir()
    elsewhere = put(tmp_path, "elsewhere.dat")
    (tmp_path / "link.csv").symlink_to(elsewhere)
    contents = look(tmp_path)
    assert contents.others == ["elsewhere.dat", "no_suffix", "readme.md"]
    assert complete(contents) == []


def test_a_file_that_was_written_a_moment_ago_is_left_until_it_is_old_enough(tmp_path: Path) -> None:
    now = START.timestamp()
    put(tmp_path, "young.csv", written=now - 45)
    put(tmp_path, "younger.csv", written=now - 10)
    put(tmp_path, "exactly.csv", written=now - 60)
    contents = look(tmp_path)
    assert complete(contents) == ["exactly.csv"]
    assert growing(contents) == ["young.csv", "younger.csv"]
    assert contents.again_in == pytest.approx(15)
    assert complete(look(tmp_path, min_age=10)) == ["exactly.csv", "young.csv", "younger.csv"]


def test_the_oldest_file_comes_first(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", written=OLD)
    put(tmp_path, "b.csv", written=OLD - 100)
    put(tmp_path, "c.csv", written=OLD)
    assert complete(look(tmp_path)) == ["b.csv", "a.csv", "c.csv"]


def test_a_file_from_the_future_counts_by_two_looks_alone(tmp_path: Path) -> None:
    path = put(tmp_path, "ahead.csv", written=START.timestamp() + 7_200)
    first = look(tmp_path)
    assert growing(first) == ["ahead.csv"]
    assert complete(look(tmp_path, first)) == ["ahead.csv"]
    put(tmp_path, "ahead.csv", written=path.stat().st_mtime, text="longer")
    assert growing(look(tmp_path, first)) == ["ahead.csv"]


def test_with_a_marker_a_file_is_complete_at_once_and_never_without(tmp_path: Path) -> None:
    now = START.timestamp()
    for name in ("a.csv", "b.csv", "c.csv"):
        put(tmp_path, name, written=now)
    put(tmp_path, "a.csv.done", written=now)
    put(tmp_path, "b.done", written=now)
    contents = look(tmp_path, done_marker=".done")
    assert complete(contents) == ["a.csv", "b.csv"]
    assert growing(contents) == ["c.csv"]
    assert contents.others == []


def test_a_marker_that_was_left_over_from_an_earlier_file_says_nothing_of_a_new_one(tmp_path: Path) -> None:
    put(tmp_path, "a.csv.done", written=OLD)
    put(tmp_path, "a.csv", written=OLD + 5)
    assert growing(look(tmp_path, done_marker=".done")) == ["a.csv"]


@pytest.mark.parametrize("suffix", [".csv", "x/y"])
def test_a_marker_that_could_be_an_input_itself_is_refused(suffix: str) -> None:
    with pytest.raises(UsageError, match="--done-marker"):
        Completeness(done_marker=suffix)


@pytest.mark.parametrize("name", [b"line\nbreak.csv", b"\xff\xfe.csv", b"a" * 201 + b".csv"])
def test_a_file_whose_name_can_not_be_kept_is_told_and_left(tmp_path: Path, name: bytes) -> None:
    put(tmp_path, os.fsdecode(name))
    contents = look(tmp_path)
    assert complete(contents) == []
    assert len(contents.unnamable) == 1
    assert contents.unnamable[0].isascii()
    assert contents.unnamable[0].isprintable()


def test_a_folder_that_is_none_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        check_folder(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is no folder"):
        check_folder(put(tmp_path, "a.csv"))


async def open_folder(watched: Watched) -> Inbox:
    return await watched.world.run(lambda services: open_inbox(services, watched.path))


async def test_a_folder_keeps_its_id_whatever_path_it_is_reached_by(watched: Watched) -> None:
    first = await open_folder(watched)
    (watched.path.parent / "mount").symlink_to(watched.path)
    watched.path = watched.path.parent / "mount"
    assert (await open_folder(watched)).id == first.id
    assert (watched.path / ".batch_issuer").read_text().strip() == first.id


async def test_a_folder_of_another_ledger_is_refused_with_what_to_do(
    watched: Watched, tmp_path: Path
) -> None:
    await open_folder(watched)
    async with open_world(tmp_path / "other", output=tmp_path / "other_output") as world:
        with pytest.raises(UsageError, match=r"another ledger.*--ledger.*delete .*\.batch_issuer"):
            await world.run(lambda services: open_inbox(services, watched.path))


async def test_a_marker_that_was_damaged_is_told(watched: Watched) -> None:
    (watched.path / ".batch_issuer").write_text("")
    with pytest.raises(UsageError, match=r"\.batch_issuer does not hold the id of a folder"):
        await open_folder(watched)
