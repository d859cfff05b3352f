"""Notices in plain words: a subject and a short text, with figures, and never a cell of the input."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from batch_issuer.batch.exit_codes import NEED_A_LOOK
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.batch.problems import WORDING
from batch_issuer.ledger.waiting import Waiting
from batch_issuer.notices.facts import Day, RefusedFile
from batch_issuer.reports import OUTCOME_WORDS, Summary

_MARKUP: Final = frozenset("<>&*`|[]~@$;\\")
"""Characters that mean something to a channel that renders markup, or to a shell."""
_BATCH_OR_NUMBER: Final = re.compile(r"(?<![0-9-])([0-9]{8}-[0-9]{6}-[0-9a-f]{6})(?![0-9a-f])|[0-9]{4,}")
_QUOTED: Final = re.compile(r"'[^']*'")
_SHOWN: Final = 200
_LISTED: Final = 20
_HOURS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What a notice says."""

    subject: str
    body: str


def shown(text: str) -> str:
    """Write a name so that it can't break a line, act as markup or hide what it is."""
    spelled = (
        f"%{ord(char):02X}" if char in _MARKUP else char if char.isprintable() else ascii(char)[1:-1]
        for char in text[:_SHOWN]
    )
    return "".join(spelled) + ("…" if len(text) > _SHOWN else "")


def reason(text: str) -> str:
    """Write what a program or a server said, without what may be a cell of the input: quotes and numbers."""
    kept = _QUOTED.sub("'…'", " ".join(text.split()))
    return shown(_BATCH_OR_NUMBER.sub(lambda found: found[1] or "…", kept).replace("`", "'"))


def age(length: timedelta) -> str:
    """Write how long something has waited: `2 days 3 hours`."""
    days, hours = divmod(int(length.total_seconds()) // 3_600, _HOURS)
    parts = [_count(days, "day")] if days else []
    if hours:
        parts.append(_count(hours, "hour"))
    return " ".join(parts) or "under an hour"


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _rows(count: int) -> str:
    return _count(count, "row")


def title(name: str, input_name: str) -> str:
    """Name a batch for people: by its file, and the name that somebody gave it."""
    return shown(f"{input_name} ({name})" if name else input_name)


def refused_batch(summary: Summary) -> Text:
    """Tell that the rows of a file were not taken."""
    batch = summary.batch
    problems = [
        f"- {count:,} x {WORDING[rule][0]}: {WORDING[rule][1]}"
        for rule, count in summary.problems.counts.most_common(_LISTED)
    ]
    what = f"{_rows(batch.invalid)} of {batch.rows:,} can't be issued as they are. Nothing was sent."
    return Text(
        subject=f"{title(batch.name, batch.input_name)} was refused: nothing was sent",
        body=_text([what, *problems], _batch_lines(summary)),
    )


def refused_file(file: RefusedFile) -> Text:
    """Tell that a file could not be taken at all."""
    where = [f"More: {_place(file.attachment)}"] if file.attachment else []
    return Text(
        subject=f"{shown(file.name)} was refused: nothing was sent",
        body=_text([reason(file.problem)], [*where, *_next(file.next_command)]),
    )


def failed_rows(summary: Summary, failed: int) -> Text:
    """Tell that rows of a batch were not issued."""
    batch = summary.batch
    return Text(
        subject=f"{failed:,} of {_rows(batch.rows)} failed in {title(batch.name, batch.input_name)}",
        body=_text(_outcomes(summary.counts), _batch_lines(summary)),
    )


def failed_count(summary: Summary) -> int:
    """Count the rows of a batch that were not issued and won't be by themselves."""
    return sum(summary.counts.get(outcome, 0) for outcome in NEED_A_LOOK)


def incomplete_batch(summary: Summary) -> Text:
    """Tell that a batch is not finished."""
    batch = summary.batch
    why = reason(summary.message) or "Requests are not sent, or their answers are not known yet."
    return Text(
        subject=f"{title(batch.name, batch.input_name)} is not finished",
        body=_text([why, *_outcomes(summary.counts)], _batch_lines(summary)),
    )


def complete_batch(summary: Summary) -> Text:
    """Tell that a batch which was not finished is so now."""
    batch = summary.batch
    return Text(
        subject=f"{title(batch.name, batch.input_name)} is complete now",
        body=_text(_outcomes(summary.counts), _batch_lines(summary)),
    )


def incomplete_run(error: str) -> Text:
    """Tell that a run could not do its work."""
    return Text(
        subject="batch-issuer could not do its work",
        body=_text([reason(error)], ["Next: batch-issuer batches"]),
    )


def complete_run() -> Text:
    """Tell that a run did its work again."""
    return Text(subject="batch-issuer works again", body=_text(["The last run did its work."], []))


def late_approvals(late: Sequence[Waiting], now: datetime) -> Text:
    """Tell makers what has waited for a checker for too long."""
    return _late(late, now, "batch-issuer refresh")


def to_decide(late: Sequence[Waiting], now: datetime) -> Text:
    """Tell checkers what waits for them."""
    return _late(late, now, "batch-issuer decide", 'approve --message "WHY"   (or reject)')


def _late(late: Sequence[Waiting], now: datetime, command: str, tail: str = "") -> Text:
    oldest = age(now - min(one.since for one in late))
    what = f"{_rows(sum(one.rows for one in late))} of {_count(len(late), 'file')}"
    lines = []
    for one in late[:_LISTED]:
        some = f"{_rows(one.rows)} in {_count(one.requests, 'request')}"
        waits = f"waiting for {age(now - one.since)} (last looked at {one.seen_at or 'never'})"
        lines.append(f"- {title(one.name, one.input_name)}: {some}, {waits}")
        lines.append(f"Next: {command} {one.batch} {tail}".rstrip())
    if len(late) > _LISTED:
        lines.append(f"and {len(late) - _LISTED:,} batches more: batch-issuer batches --pending-over 0")
    return Text(
        subject=f"waiting for a checker: {what}, the oldest for {oldest}",
        body=_text(lines, []),
    )


def no_file(now: datetime, by: str) -> Text:
    """Tell that a file which was expected did not come."""
    return Text(
        subject=f"no file came by {by}",
        body=_text(
            [f"No file was accepted or refused on {now.date()} until {now:%H:%M} ({now.tzname()})."],
            ["Next: look whether the file was exported, then batch-issuer batches"],
        ),
    )


def digest(day: Day, now: datetime) -> Text:
    """Tell what a day brought."""
    when = now.date().isoformat()
    if not (day.batches or day.refused or day.counts or day.waiting or day.unfinished):
        return Text(
            subject=f"{when}: nothing happened", body=_text(["No file came, and nothing is open."], [])
        )
    issued = day.counts.get(Outcome.ISSUED, 0)
    waiting = [
        f"- {title(one.name, one.input_name)}: {_rows(one.rows)} for {age(now - one.since)} ({one.batch})"
        for one in day.waiting[:_LISTED]
    ]
    unfinished = [f"- batch-issuer resume {batch}" for batch in day.unfinished[:_LISTED]]
    lines = [
        f"Since {day.since:%Y-%m-%d %H:%M}: {_count(day.batches, 'file')} accepted, {day.refused:,} refused.",
        *(["New files, and older ones that were looked at again:"] if day.counts else []),
        *_outcomes(day.counts),
        *([f"Waiting for a checker: {len(day.waiting):,} (files)", *waiting] if waiting else []),
        *([f"Not finished: {len(day.unfinished):,} (files)", *unfinished] if unfinished else []),
    ]
    subject = f"{when}: {_count(day.batches, 'file')}, {_rows(issued)} issued"
    return Text(subject=subject, body=_text(lines, ["Next: batch-issuer batches"]))


def _outcomes(counts: Mapping[Outcome, int]) -> list[str]:
    return [
        f"- {counts[outcome]:,} {outcome.value}: {words}"
        for outcome, words in OUTCOME_WORDS.items()
        if counts.get(outcome)
    ]


def _batch_lines(summary: Summary) -> list[str]:
    return [
        f"Batch: {summary.batch.batch}",
        f"Files: {_place(summary.folder)}",
        *_next(summary.next_command),
    ]


def _place(path: Path) -> str:
    return shown(str(path.absolute()))


def _next(command: str) -> list[str]:
    return [f"Next: {shown(command)}"] if command else []


def _text(lines: Iterable[str], facts: Iterable[str]) -> str:
    parts = ("\n".join(part) for part in (list(lines), list(facts)) if part)
    return "\n\n".join(parts)
