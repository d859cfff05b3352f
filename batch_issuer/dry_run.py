"""What `validate` and `plan` do: read and plan a file in place; send and record nothing."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from batch_issuer.acceptance import Checked, IssueOptions, input_options, next_frame, refuse_invalid
from batch_issuer.assembly import Progress
from batch_issuer.gateway import normal_url
from batch_issuer.intake import CheckedFrame, check_rows, open_source
from batch_issuer.intake.copying import check_file
from batch_issuer.ledger import ledger_exists, open_ledger
from batch_issuer.planning import Plan, plan_requests
from batch_issuer.recording import hold_back
from batch_issuer.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What reading and planning a file gives, without sending or recording anything."""

    name: str
    """What messages call the file."""
    checked: Checked
    plan: Plan
    refusal: str
    form: str
    """How the file is written, in words."""
    warnings: tuple[str, ...] = ()


def try_out(
    file: Path,
    settings: Settings,
    options: IssueOptions,
    *,
    progress: Progress,
    on_frame: Callable[[CheckedFrame], None] = lambda _: None,
) -> DryRun:
    """Check and plan a file in place. Raises InputRefused and UsageError."""
    check_file(file, max_bytes=settings.max_file_bytes)
    source = open_source(
        file, input_options({**settings.public(), **asdict(options.sheet), "map": options.mapped})
    )
    checked = Checked()
    for frame in _frames(check_rows(source), checked):
        on_frame(frame)
        progress.rows_checked(len(frame.raw.numbers))
    plan = plan_requests(checked.rows.table(), chunk_size=settings.chunk_size)
    return DryRun(
        name=source.name,
        checked=checked,
        plan=plan,
        refusal=refuse_invalid(checked, options),
        form=source.sheet.form,
        warnings=source.sheet.warnings,
    )


async def leave_to_other_batches(tried: DryRun, settings: Settings) -> DryRun:
    """Leave out what other batches hold, as `issue` would; no ledger is made where there is none yet."""
    if settings.base_url is None or tried.refusal or not ledger_exists(settings.ledger_url):
        return tried
    base_url, org_id = normal_url(settings.base_url), settings.org_id or ""
    async with open_ledger(settings.ledger_url) as ledger:
        plan = await ledger.read(hold_back, tried.plan, base_url=base_url, org_id=org_id)
    return replace(tried, plan=plan)


def _frames(frames: Iterator[CheckedFrame], checked: Checked) -> Iterator[CheckedFrame]:
    while (frame := next_frame(frames, checked)) is not None:
        yield frame
