"""Which notices are due: facts and rules in, notices out; each is told once for its key."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.ledger import BatchStage
from batch_issuer.notices import wording
from batch_issuer.notices.facts import Facts, Kind, RefusedFile, Rules
from batch_issuer.notices.wording import Text
from batch_issuer.reports import Summary

ABOUT_RUN: Final = "run"
"""What a notice is about that is about no batch."""
_INCOMPLETE: Final = frozenset({ExitCode.NOT_FINISHED, ExitCode.NO_PERMISSION})
_WEEK: Final = timedelta(days=7)
_DAY: Final = timedelta(days=1)
_HALF_A_DAY: Final = timedelta(hours=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell."""

    kind: Kind
    key: str
    text: Text
    about: str = ""
    figure: int = 0
    attachment: Path | None = None
    lasts: timedelta = _WEEK
    """So long it is tried where a channel does not take it; then it is no news."""


def due_notices(facts: Facts, rules: Rules) -> Iterator[Notice]:
    """Yield what is to be told now."""
    for summary in facts.run.summaries:
        yield from _about_batch(facts, rules, summary)
    for file in facts.run.refused:
        yield _refused_file(facts, file)
    yield from _about_run(facts)
    yield from _late(facts, Kind.WAITING)
    yield from _late(facts, Kind.TO_DECIDE)
    yield from _no_file(facts, rules)
    yield from _digest(facts)


def digest_is_due(facts: Facts, rules: Rules) -> bool:
    """Tell whether the day's digest is still to be made."""
    if rules.digest_at is None or facts.now.time() < rules.digest_at:
        return False
    return not any(made.key == _daily(facts, Kind.DIGEST) for made in facts.made)


def _daily(facts: Facts, kind: Kind) -> str:
    return f"{kind}/{facts.today}"


def _about_batch(facts: Facts, rules: Rules, summary: Summary) -> Iterator[Notice]:
    batch = summary.batch.batch
    if summary.batch.stage is BatchStage.REFUSED:
        yield Notice(
            kind=Kind.REFUSED,
            key=f"{Kind.REFUSED}/{batch}",
            about=batch,
            text=wording.refused_batch(summary),
            attachment=_file(summary, "rejects.csv"),
        )
        return
    failed = wording.failed_count(summary)
    is_worse = failed > _worst(facts, batch)
    if is_worse and rules.failed.is_reached(failed=failed, rows=summary.batch.rows):
        yield Notice(
            kind=Kind.FAILED,
            key=f"{Kind.FAILED}/{batch}/{failed}",
            about=batch,
            figure=failed,
            text=wording.failed_rows(summary, failed),
            attachment=_file(summary, "failed.csv", "rejects.csv"),
        )
    if summary.exit_code in _INCOMPLETE and (summary.message or not _is_known_incomplete(facts, batch)):
        text = wording.incomplete_batch(summary)
        yield _incomplete(facts, batch, str(summary.exit_code.value), summary.message, text)
    elif summary.exit_code not in _INCOMPLETE:
        yield from _complete(facts, batch, wording.complete_batch(summary))


def _file(summary: Summary, *names: str) -> Path | None:
    """Return the first of some files that there is."""
    paths = (summary.folder / name for name in names)
    return next((path.absolute() for path in paths if path.is_file()), None)


def _worst(facts: Facts, batch: str) -> int:
    figures = (made.figure for made in facts.made if made.kind == Kind.FAILED and made.about == batch)
    return max(figures, default=0)


def _refused_file(facts: Facts, file: RefusedFile) -> Notice:
    event = file.event or facts.now.isoformat()
    return Notice(
        kind=Kind.REFUSED,
        key=f"{Kind.REFUSED}/{_digest_of(file.name, event)}",
        text=wording.refused_file(file),
        attachment=file.attachment,
    )


def _about_run(facts: Facts) -> Iterator[Notice]:
    if facts.run.error:
        # what lasts for days is told each day: nobody else speaks up for a run that does nothing
        yield _incomplete(
            facts, ABOUT_RUN, facts.today, facts.run.error, wording.incomplete_run(facts.run.error)
        )
    elif facts.run.is_inbox_pass or facts.run.summaries:
        yield from _complete(facts, ABOUT_RUN, wording.complete_run())


def _incomplete(facts: Facts, about: str, case: str, why: str, text: Text) -> Notice:
    episode = _episode(facts, about)
    without_figures = re.sub("[0-9]+", "", why)
    return Notice(
        kind=Kind.INCOMPLETE,
        key=f"{Kind.INCOMPLETE}/{about}/{episode}/{_digest_of(case, without_figures)}",
        about=about,
        figure=episode,
        text=text,
    )


def _complete(facts: Facts, about: str, text: Text) -> Iterator[Notice]:
    """Give the all-clear where something was told to be incomplete, once."""
    if _is_known_incomplete(facts, about):
        episode = _episode(facts, about)
        key = f"{Kind.COMPLETE}/{about}/{episode}"
        yield Notice(kind=Kind.COMPLETE, key=key, about=about, figure=episode, text=text)


def _is_known_incomplete(facts: Facts, about: str) -> bool:
    episode = _episode(facts, about)
    return any(
        made.kind == Kind.INCOMPLETE and made.about == about and made.figure == episode for made in facts.made
    )


def _episode(facts: Facts, about: str) -> int:
    """Count the all-clears so far: what goes wrong after one is told anew."""
    return len({m.key for m in facts.made if m.kind == Kind.COMPLETE and m.about == about})


def _late(facts: Facts, kind: Kind) -> Iterator[Notice]:
    """Tell once a day of each batch whose approvals are late, of several in one notice."""
    today = _daily(facts, kind)
    told = {one for made in facts.made if made.key.startswith(f"{today}/") for one in made.about.split()}
    late = [one for one in facts.late if one.batch not in told]
    if late:
        words = wording.to_decide if kind is Kind.TO_DECIDE else wording.late_approvals
        about = " ".join(one.batch for one in late)
        key = f"{today}/{_digest_of(about)}"
        yield Notice(kind=kind, key=key, about=about, text=words(late, facts.now), lasts=_HALF_A_DAY)


def _no_file(facts: Facts, rules: Rules) -> Iterator[Notice]:
    by = rules.no_file_by
    if by is None or not facts.run.is_inbox_pass or facts.now.time() < by:
        return
    if not (facts.file_came or facts.run.refused):
        text = wording.no_file(facts.now, f"{by:%H:%M}")
        yield Notice(kind=Kind.NO_FILE, key=_daily(facts, Kind.NO_FILE), text=text, lasts=_HALF_A_DAY)


def _digest(facts: Facts) -> Iterator[Notice]:
    if facts.day is not None:
        text = wording.digest(facts.day, facts.now)
        yield Notice(kind=Kind.DIGEST, key=_daily(facts, Kind.DIGEST), text=text, lasts=_DAY)


def _digest_of(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode(errors="surrogateescape")).hexdigest()[:16]
