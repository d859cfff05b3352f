"""What the user decides about one file, and how a batch remembers it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from batch_issuer.intake import (
    COLUMNS,
    GROUP_COLUMNS,
    ColumnOptions,
    InputOptions,
    InputRules,
    Limits,
    SheetOptions,
)
from batch_issuer.intake.copying import Look
from batch_issuer.ledger import Batch
from batch_issuer.planning import MaxInvalid

OnInvalid = Literal["stop", "skip"]
_HOW_WRITTEN: Final = ("encoding", "delimiter", "sheet")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueOptions:
    """What the user decides about one file besides the settings."""

    name: str = ""
    sheet: SheetOptions = field(default_factory=SheetOptions)
    mapped: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    """Values for the whole file, by columns; they count before those of the settings."""
    on_invalid: OnInvalid = "stop"
    max_invalid: MaxInvalid = field(default_factory=lambda: MaxInvalid.parse("10%"))
    again: bool = False
    check_badges: bool = True
    """Look each badge up before anything is sent."""
    new_ledger: bool = False
    """Go on beside batches that were sent with another ledger."""
    inbox_file: str = ""
    """What the ledger calls the file, where it came through a watched folder."""
    issued_by: str = ""
    """Who issues it."""
    upload: str = ""
    """The upload that it was, where it came through the console."""
    file_name: str = ""
    """What the file was called where it came from; its own name by default."""
    look: Look | None = None
    """How the file must stand when it has been copied, where it may still be written to."""

    def reading(self) -> dict[str, Any]:
        """Return how the file is to be read, beside what the settings say."""
        return {**asdict(self.sheet), **self.values, "map": dict(self.mapped)}

    def decided(self) -> dict[str, Any]:
        """Return what is recorded with the batch, so that it can be finished or read again alike."""
        return {
            **self.reading(),
            "on_invalid": self.on_invalid,
            "max_invalid": str(self.max_invalid),
            "again": self.again,
            "check_badges": self.check_badges,
        }


def input_options(facts: Mapping[str, Any]) -> InputOptions:
    """Read how a file is to be read from settings, as they are or as a batch recorded them."""
    return InputOptions(
        sheet=SheetOptions(**{name: facts.get(name) for name in _HOW_WRITTEN}),
        columns=ColumnOptions(
            mapped=facts.get("map", {}),
            defaults={name: facts[name] for name in COLUMNS if facts.get(name)},
        ),
        rules=InputRules(badge_pattern=facts["badge_pattern"]),
        timezone=ZoneInfo(facts["timezone"]),
        limits=Limits(max_rows=facts["max_rows"], max_cell_chars=facts["max_cell_chars"]),
    )


def recorded_options(batch: Batch) -> IssueOptions:
    """Read back what the user decided about the file of a batch."""
    return decided_options(batch.settings, name=batch.name)


def decided_options(decided: Mapping[str, Any], *, name: str) -> IssueOptions:
    """Read back what `IssueOptions.decided` gave."""
    return IssueOptions(
        name=name,
        sheet=SheetOptions(**{name: decided.get(name) for name in _HOW_WRITTEN}),
        mapped=decided["map"],
        values={column: decided[column] for column in GROUP_COLUMNS if decided.get(column)},
        on_invalid=decided["on_invalid"],
        max_invalid=MaxInvalid.parse(decided["max_invalid"]),
        again=decided["again"],
        check_badges=decided.get("check_badges", False),
    )
