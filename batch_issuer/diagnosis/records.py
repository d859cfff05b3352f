"""Checks of the ledger: is it there, sound, of this version, and the one that knows what was sent."""

import asyncio
from typing import Final

from batch_issuer.addresses import without_password
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.diagnosis.findings import Finding, Findings, not_checked, ok, problem, warning
from batch_issuer.errors import ForeignBatches, LedgerUnavailable, UsageError
from batch_issuer.ledger import Examined, Ledger, examine_ledger, open_ledger
from batch_issuer.ledger.batches import list_batches
from batch_issuer.settings import Settings
from batch_issuer.submission.sent_folders import sent_folders

READING_SECONDS: Final = 5.0
"""So long a file is read to find damage; 300 MB take that long from a slow disk."""


async def check_ledger(settings: Settings) -> tuple[Findings, bool]:
    """Check the ledger without making or changing it, and tell whether it can be used as it is."""
    name = without_password(settings.ledger_url)
    try:
        examined = await asyncio.to_thread(examine_ledger, settings.ledger_url, seconds=READING_SECONDS)
        is_usable = examined.exists and examined.is_current
        findings = [_judge(examined, name), await _check_batches(settings, examined, name)]
    except (UsageError, LedgerUnavailable) as exc:
        findings = [problem("ledger", str(exc), code=exc.exit_code)]
        return [*findings, not_checked("batches", "the ledger can't be read")], False
    except OSError as exc:
        findings = [problem("ledger", f"{name} can't be read ({exc.strerror})", "let it be read and written")]
        return [*findings, not_checked("batches", "the ledger can't be read")], False
    return findings, is_usable


def _judge(examined: Examined, name: str) -> Finding:
    what = f"{name} ({examined.kind})"
    if not examined.exists:
        return ok("ledger", f"{what} is not there yet; the first command makes it")
    others = "nobody else uses it" if examined.others == 0 else "others use it, too"
    if not examined.is_current:
        advice = "the next command brings them up to date: back the ledger up first"
        return warning("ledger", f"{what} has the tables of an earlier version; {others}", advice)
    whole = (
        "" if examined.is_whole else f"; no damage found in {READING_SECONDS:g} s, too large to read whole"
    )
    return ok("ledger", f"{what} is sound and up to date; {others}{whole}")


async def _check_batches(settings: Settings, examined: Examined, name: str) -> Finding:
    """Look for batches in the output folder that this ledger does not know: nobody knows what they sent."""
    sent = await asyncio.to_thread(sent_folders, settings.output)
    if examined.exists and not examined.is_current:
        return not_checked("batches", "the ledger has the tables of an earlier version")
    known = await _known_batches(settings.ledger_url) if examined.exists else set()
    foreign = [batch for batch in sent if batch not in known]
    if foreign:
        return problem("batches", str(ForeignBatches(settings.output, foreign, name)), code=ExitCode.USAGE)
    return ok("batches", f"{len(known):,} in the ledger; it knows all that {settings.output} holds")


async def _known_batches(url: str) -> set[str]:
    ledger: Ledger
    async with open_ledger(url) as ledger:
        return {batch.batch for batch in await ledger.read(list_batches)}
