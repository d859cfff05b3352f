"""A count of rows, or a percentage of them: as people write a limit."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Self

WHOLE: Final = 100
_FORM: Final = re.compile(r"([0-9]{1,12})|([0-9]{1,12}(?:\.[0-9]{1,12})?) ?%")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A count of rows, or a percentage of them; the percentage is exact, so that its border is."""

    count: int | None = None
    percent: Decimal | None = None

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read `25` or `10%`; None where it is neither."""
        form = _FORM.fullmatch(text.strip())
        if form is not None and form[1]:
            return cls(count=int(form[1]))
        if form is not None and Decimal(form[2]) <= WHOLE:
            return cls(percent=Decimal(form[2]))
        return None
