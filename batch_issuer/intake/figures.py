"""The figures of checked rows, which add up over the blocks of a file, and over its parts."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from batch_issuer.batch.badges import BadgeUse
from batch_issuer.intake.checking import CheckedRows


@dataclass(slots=True, kw_only=True)
class Figures:
    """How many rows were checked, and what was found."""

    repairs: Counter[str] = field(default_factory=Counter)
    total: int = 0
    invalid: int = 0
    spoiled: set[BadgeUse] = field(default_factory=set)
    """How the invalid rows use badges."""

    def count(self, rows: CheckedRows | Self) -> None:
        """Add those of some rows."""
        self.repairs += rows.repairs
        self.total += rows.total
        self.invalid += rows.invalid
        self.spoiled |= rows.spoiled
