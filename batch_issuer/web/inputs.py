"""The copy of its input that a batch has on the disk."""

from pathlib import Path

from batch_issuer.acceptance import input_options
from batch_issuer.errors import BatchIssuerError
from batch_issuer.intake import Source, open_source
from batch_issuer.intake.copying import copy_in
from batch_issuer.ledger import Batch


def source_of(batch: Batch, folder: Path) -> Source | None:
    """Open the copy, which may wait for the disk; None where it is gone, or can't be read any more.

    Invalid rows are shown as they were read: without it they lack their ids.
    """
    path = copy_in(folder)
    if not path.is_file():
        return None
    try:
        return open_source(path, input_options(batch.settings), name=batch.input_name)
    except BatchIssuerError:
        return None
