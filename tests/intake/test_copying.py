"""The copy that later steps read: whole, digested, and never at the cost of the original."""

import hashlib
import os
from pathlib import Path

import pytest

from batch_issuer.errors import InputRefused, OutputNotWritable, StillChanging, UsageError
from batch_issuer.intake.copying import Look, file_sha256, stage_input

from .sheets import write


def left_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*")) if folder.exists() else []


def test_a_copy_has_the_same_bytes_and_the_digest_of_both(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    file = write(tmp_path, content)

    staged = stage_input(file, output=tmp_path / "out", max_bytes=3_000_000)

    assert staged.path.read_bytes() == content
    assert staged.sha256 == hashlib.sha256(content).hexdigest() == file_sha256(staged.path)
    assert file.read_bytes() == content
    staged.discard()
    assert left_in(tmp_path / "out") == []


def test_a_file_of_one_byte_too_many_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    file = write(tmp_path, b"x" * 11)

    with pytest.raises(InputRefused, match=r"in\.csv is larger than 10 bytes"):
        stage_input(file, output=tmp_path / "out", max_bytes=10)
    assert left_in(tmp_path / "out") == []


def test_an_empty_file_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match=r"in\.csv is empty"):
        stage_input(write(tmp_path, b""), output=tmp_path / "out", max_bytes=10)
    assert left_in(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("name", "told"), [("none.csv", "does not exist"), (".", "is a folder"), ("p", "is no file")]
)
def test_what_is_no_file_is_wrong_usage_and_makes_no_folder(tmp_path: Path, name: str, told: str) -> None:
    os.mkfifo(tmp_path / "p")

    with pytest.raises(UsageError, match=told):
        stage_input(tmp_path / name, output=tmp_path / "out", max_bytes=10)
    assert not (tmp_path / "out").exists()


def test_a_name_that_the_system_refuses_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"can't be read|does not exist"):
        stage_input(tmp_path / ("x" * 5000), output=tmp_path / "out", max_bytes=10)


def test_a_read_only_file_can_be_copied_and_stays_read_only(tmp_path: Path) -> None:
    file = write(tmp_path, b"abc")
    file.chmod(0o444)

    staged = stage_input(file, output=tmp_path / "out", max_bytes=10)

    assert staged.path.read_bytes() == b"abc"
    assert file.stat().st_mode & 0o777 == 0o444


def test_an_output_that_is_no_folder_is_said_to_be_that(tmp_path: Path) -> None:
    file = write(tmp_path, b"abc")

    with pytest.raises(OutputNotWritable):
        stage_input(file, output=file, max_bytes=10)


def test_what_can_not_be_read_is_wrong_usage(tmp_path: Path) -> None:
    unreadable_even_for_root = Path("/proc/self/mem")

    with pytest.raises(UsageError, match="can't be read"):
        stage_input(unreadable_even_for_root, output=tmp_path / "out", max_bytes=10)


def test_a_file_that_does_not_stand_as_it_was_seen_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    file = write(tmp_path, b"one")
    look = Look.at(file)

    stage_input(file, output=tmp_path / "out", max_bytes=100, look=look).discard()
    os.utime(file, ns=(0, look.changed_at + 1))
    with pytest.raises(StillChanging, match=r"in\.csv changed while it was read; nothing was sent"):
        stage_input(file, output=tmp_path / "out", max_bytes=100, look=look)
    assert left_in(tmp_path / "out") == []
