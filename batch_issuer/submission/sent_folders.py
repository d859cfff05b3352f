"""The mark of a batch's folder that its sending has begun: a ledger that does not know it is another one."""

from pathlib import Path
from typing import Final

from batch_issuer.batch.ids import is_batch_id
from batch_issuer.errors import OutputNotWritable

_MARK: Final = ".sent"


def mark_as_sent(folder: Path) -> None:
    """Mark a folder. Raises OutputNotWritable."""
    try:
        (folder / _MARK).touch()
    except OSError as exc:
        raise OutputNotWritable(folder, exc.strerror) from exc


def sent_folders(output: Path) -> list[str]:
    """Name the batches below the output folder whose sending has begun at some time."""
    marks = output.glob(f"*/{_MARK}")
    return sorted(mark.parent.name for mark in marks if is_batch_id(mark.parent.name))
