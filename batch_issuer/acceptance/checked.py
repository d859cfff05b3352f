"""A checked file in figures, and whether it may be sent."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from batch_issuer.acceptance.options import IssueOptions
from batch_issuer.batch.badges import BadgeUse, use_of
from batch_issuer.intake import CheckedRows, Figures
from batch_issuer.planning import RowCollector


@dataclass(slots=True, kw_only=True)
class Checked(Figures):
    """The figures of a checked file, and its valid rows."""

    rows: RowCollector = field(default_factory=RowCollector)

    def add(self, rows: CheckedRows) -> None:
        """Take the rows of one block."""
        self.rows.add(rows)
        self.count(rows)

    def badge_uses(self) -> set[BadgeUse]:
        """Return how the rows use badges, each use once."""
        return {use_of(group) for group in self.rows.groups()} | self.spoiled

    @property
    def badges(self) -> set[str]:
        """The badges of all rows, each once."""
        return {badge for badge, _, _ in self.badge_uses()}


def next_rows(blocks: Iterator[CheckedRows], checked: Checked) -> CheckedRows | None:
    """Check the next rows and count them, or return None after the last."""
    rows = next(blocks, None)
    if rows is not None:
        checked.add(rows)
    return rows


def refuse_invalid(checked: Figures, options: IssueOptions) -> str:
    """Say why invalid rows keep the whole file from being sent, or nothing where they do not."""
    if not checked.invalid:
        return ""
    rows = "row" if checked.total == 1 else "rows"
    found = (
        f"{checked.invalid:,} of {checked.total:,} {rows} {'is' if checked.invalid == 1 else 'are'} invalid"
    )
    if checked.invalid == checked.total:
        return f"{found}, and none is left to send: correct them and issue the file again"
    if options.on_invalid == "stop":
        return f"{found}: correct them and issue the file again, or add --on-invalid skip to send the others"
    if not options.max_invalid.allows(invalid=checked.invalid, rows=checked.total):
        allowed = f"--max-invalid {options.max_invalid} allows"
        return f"{found}, more than {allowed}: correct them and issue the file again"
    return ""
