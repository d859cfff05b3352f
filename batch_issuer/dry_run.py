"""What `validate` and `plan` do: read and plan a file in place; send and record nothing."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import SecretStr

from batch_issuer.acceptance import Checked, IssueOptions, input_options, next_rows, refuse_invalid
from batch_issuer.assembly import Progress, open_api, open_services
from batch_issuer.batch.badges import BadgeBook
from batch_issuer.clock import Clock
from batch_issuer.errors import SettingsError
from batch_issuer.gateway import normal_url, read_access
from batch_issuer.intake import CheckedRows, check_rows, open_source
from batch_issuer.intake.copying import check_file
from batch_issuer.ledger import ledger_exists, open_ledger
from batch_issuer.planning import Plan, plan_requests
from batch_issuer.preflight import look_up_badges
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
    badges: Mapping[str, str] = field(default_factory=dict)
    """The names of its badges by their ids, as far as the server told them."""


def try_out(  # noqa: PLR0913 - what is known of a file comes from several places
    file: Path,
    settings: Settings,
    options: IssueOptions,
    *,
    name: str | None = None,
    book: BadgeBook | None = None,
    on_rows: Callable[[CheckedRows], None] = lambda _: None,
) -> DryRun:
    """Check and plan a file in place, with what is known of its badges. Raises InputRefused, UsageError.

    Messages call it `name`, which is its own name by default.
    """
    check_file(file, max_bytes=settings.max_file_bytes)
    source = open_source(file, input_options({**settings.public(), **options.reading()}), name=name)
    source = source if book is None else source.knowing(book)
    checked = Checked()
    for rows in _counted(check_rows(source), checked):
        on_rows(rows)
    plan = plan_requests(checked.rows.take(), chunk_size=settings.chunk_size)
    return DryRun(
        name=source.name,
        checked=checked,
        plan=plan,
        refusal=refuse_invalid(checked, options),
        form=source.sheet.form,
        warnings=source.sheet.warnings,
    )


async def look_up(tried: DryRun, settings: Settings, progress: Progress) -> BadgeBook:
    """Look the badges of a file up, at the pace that all commands share; nothing is recorded but that.

    Where the settings name no server or no credentials the book is empty, and its warning says why.
    """
    clock = Clock()
    try:
        access = read_access(settings)
    except SettingsError as exc:
        reason = str(exc).removeprefix("settings: ")
        return BadgeBook(today=clock.now(), warning=f"the badges were not looked up: {reason}")
    with tempfile.TemporaryDirectory(prefix="batch-issuer-") as folder:
        if not ledger_exists(settings.ledger_url):  # a plan makes none
            passing = SecretStr(f"sqlite:///{folder}/ledger.db")
            settings = settings.model_copy(update={"ledger": passing})
        stopping = asyncio.Event()
        async with (
            open_services(settings, clock=clock, stopping=stopping, progress=progress) as services,
            open_api(services, access) as api,
        ):
            return await look_up_badges(api, tried.checked.badges)


async def leave_to_other_batches(tried: DryRun, settings: Settings) -> DryRun:
    """Leave out what other batches hold, as `issue` would; no ledger is made where there is none yet."""
    if settings.base_url is None or tried.refusal or not ledger_exists(settings.ledger_url):
        return tried
    base_url, org_id = normal_url(settings.base_url), settings.org_id or ""
    async with open_ledger(settings.ledger_url) as ledger:
        plan = await ledger.read(hold_back, tried.plan, base_url=base_url, org_id=org_id)
    return replace(tried, plan=plan)


def _counted(blocks: Iterator[CheckedRows], checked: Checked) -> Iterator[CheckedRows]:
    while (rows := next_rows(blocks, checked)) is not None:
        yield rows
