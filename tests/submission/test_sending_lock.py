"""One process sends a batch at a time, and a dead one holds nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from batch_issuer.errors import BatchInUse, OutputNotWritable
from batch_issuer.submission.sending_lock import sending_lock
from tests.conftest import BATCH

HOLD = """
import sys
from pathlib import Path
from batch_issuer.submission.sending_lock import sending_lock
with sending_lock(Path(sys.argv[1]), "b"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_sender_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    with sending_lock(tmp_path, BATCH), pytest.raises(BatchInUse, match=BATCH), sending_lock(tmp_path, BATCH):
        pass
    with sending_lock(tmp_path, BATCH):
        pass


def test_a_sender_that_fails_frees_the_batch(tmp_path: Path) -> None:
    with pytest.raises(LookupError), sending_lock(tmp_path, BATCH):
        raise LookupError
    with sending_lock(tmp_path, BATCH):
        pass


def test_a_sender_that_is_killed_frees_the_batch(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BatchInUse), sending_lock(tmp_path, BATCH):
            pass
        other.kill()
        other.wait()
        with sending_lock(tmp_path, BATCH):
            pass


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    with pytest.raises(OutputNotWritable, match="gone"), sending_lock(folder, BATCH):
        pass
