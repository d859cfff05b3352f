"""Makes a pass over a folder, and tells people of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from batch_issuer.assembly import Services
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.errors import BatchIssuerError
from batch_issuer.inbox.one_pass import work_folder
from batch_issuer.inbox.results import FileResult, PassResult
from batch_issuer.inbox.work import PassOptions
from batch_issuer.notices import RefusedFile, Run, tell

_NOT_FINISHED: Final = frozenset({ExitCode.NOT_FINISHED, ExitCode.NO_PERMISSION})


async def work_folder_and_tell(services: Services, folder: Path, options: PassOptions) -> PassResult:
    """Make one pass, and tell what it did; one that could do nothing is told as well, and raised."""
    try:
        result = await work_folder(services, folder, options)
    except BatchIssuerError as exc:
        await tell(services, Run(error=str(exc), is_inbox_pass=True))
        raise
    await tell(services, _run_of(services, result))
    return result


def _run_of(services: Services, result: PassResult) -> Run:
    """Put a pass into the words of notices; whoever stops a pass needs no notice of that."""
    summaries = [file.summary for file in result.files if file.summary is not None]
    summaries += result.refreshed
    is_told_of_a_batch = any(summary.exit_code in _NOT_FINISHED for summary in summaries)
    is_over = not result.message or services.stopping.is_set() or is_told_of_a_batch
    return Run(
        summaries=summaries,
        refused=list(_refused(services, result)),
        error="" if is_over else result.message,
        is_inbox_pass=True,
    )


def _refused(services: Services, result: PassResult) -> Iterator[RefusedFile]:
    """Yield the files that came to no batch. One that stays in the folder is told each day."""
    today = services.clock.now().date().isoformat()
    for file in result.files:
        if file.summary is None and file.exit_code not in {ExitCode.DONE, *_NOT_FINISHED}:
            yield RefusedFile(
                name=file.name,
                problem=file.problem,
                next_command=file.next_command,
                attachment=_rejects(file),
                event=today if file.place is None else file.place.name,
            )


def _rejects(file: FileResult) -> Path | None:
    path = None if file.reports is None else file.reports / "rejects.csv"
    return path if path is not None and path.is_file() else None
