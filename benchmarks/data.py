"""Generated input: files of customers, from a seed."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

_BADGES: Final = 50
_FIRST: Final = 10**11
_HEADER: Final = "customer_id,badge_meta_id,owner_type,reference_id\n"
_WRONG: Final[tuple[Callable[[int, str], str], ...]] = (
    lambda n, badge: f"{n % 9 + 1}.{n % 100000:05}E+11,{badge},,\n",
    lambda n, badge: f'"{_FIRST + n:,}",{badge},,\n',
    lambda n, badge: f"00{n},{badge},,\n",
    lambda n, badge: f"-{n + 1},{badge},,\n",
    lambda n, badge: f"{n}.5,{badge},,\n",
    lambda _, badge: f",{badge},,\n",
    lambda n, badge: f"member {n},{badge},,\n",
    lambda n, badge: f"{_FIRST + n},{badge[:-1]},,\n",
    lambda n, badge: f"{_FIRST + n},{badge},Loyality,spring\n",
    lambda n, badge: f"{_FIRST + n},{badge},Loyalty,\n",
)
"""What spreadsheets and people make of a row."""


def badges() -> list[str]:
    """Return the ids of some badges, the same each time."""
    chance = random.Random(1)  # noqa: S311 - invented data
    return [f"{chance.randrange(16**24):024x}" for _ in range(_BADGES)]


def write_customers(path: Path, rows: int, *, first: int = _FIRST) -> None:
    """Write a file of customers, their badges taking turns."""
    known = badges()
    with path.open("w") as file:
        file.write("customer_id,badge_meta_id\n")
        file.writelines(f"{first + n},{known[n % _BADGES]}\n" for n in range(rows))


def write_right(path: Path, rows: int) -> None:
    """Write rows with all columns, all of them right."""
    known = badges()
    with path.open("w") as file:
        file.write(_HEADER)
        file.writelines(f"{_FIRST + n},{known[n % _BADGES]},,\n" for n in range(rows))


def write_wrong(path: Path, rows: int) -> None:
    """Write rows of which each is wrong, in ten ways by turns."""
    known = badges()
    with path.open("w") as file:
        file.write(_HEADER)
        file.writelines(_WRONG[n % len(_WRONG)](n, known[n % _BADGES]) for n in range(rows))


def write_groups(path: Path, rows: int) -> None:
    """Write rows of which each is a group of its own."""
    known = badges()
    with path.open("w") as file:
        file.write(_HEADER)
        file.writelines(f"{_FIRST + n},{known[n % _BADGES]},Loyalty,member-{n}\n" for n in range(rows))
