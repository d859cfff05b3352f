"""Every rule of the input with an example, as the table in `docs/reference/input.md`.

`python -m tests.intake.rule_table` writes it again: the words come from the very messages that users get.
"""

import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from batch_issuer.batch.badges import BadgeBook
from batch_issuer.batch.problems import WORDING, InputProblem, Rule
from tests.intake.sheets import BADGE, FULL_HEADER, as_csv, check_text, options

PAGE: Final = Path(__file__).parent.parent.parent / "docs" / "reference" / "input.md"
BEGIN, END = "<!-- rules: begin -->", "<!-- rules: end -->"
_SHOWN: Final = 40
UNKNOWN: Final = "5f3a1c2b4d5e6f7a8b9c0d1f"
_BOOK: Final = BadgeBook(badges={UNKNOWN: None}, today=datetime(2026, 1, 31, tzinfo=UTC))

EXAMPLES: Final[Mapping[Rule, Mapping[str, str]]] = {
    Rule.MISSING: {"customer_id": ""},
    Rule.NOT_A_NUMBER: {"customer_id": "gold member"},
    Rule.DIGITS_LOST: {"customer_id": "1.13461E+08"},
    Rule.SEPARATORS: {"customer_id": "113,460,811"},
    Rule.LEADING_ZERO: {"customer_id": "0012345"},
    Rule.SIGN: {"customer_id": "+113460811"},
    Rule.FRACTION: {"customer_id": "12.5"},
    Rule.OUT_OF_RANGE: {"customer_id": "9223372036854775808"},
    Rule.NON_ASCII_DIGITS: {"customer_id": "\u0661\u0662\u0663"},
    Rule.CONTROL_CHARACTER: {"customer_id": "1134\u200b60811"},
    Rule.PATTERN: {"badge_meta_id": "5f3a1c2b4d5e6f7a8b9c0d1"},
    Rule.UNKNOWN_OWNER_TYPE: {"owner_type": "Loyality", "reference_id": "gold-tier"},
    Rule.OWNER_WITHOUT_REFERENCE: {"owner_type": "Loyalty"},
    Rule.REFERENCE_WITHOUT_OWNER: {"reference_id": "gold-tier"},
    Rule.TOO_LONG: {"owner_type": "Loyalty", "reference_id": "r" * 129},
    Rule.NOT_A_DATE: {"issue_event_date": "3/8/26"},
    Rule.SURPLUS_FIELDS: {"customer_id": "7", "surplus": "one more"},
    Rule.BADGE: {"badge_meta_id": UNKNOWN},
}
"""For each rule the cells of a row that is fine besides."""


def problems_of(rule: Rule) -> list[InputProblem]:
    """Check a row with the example of a rule."""
    cells = {"customer_id": "7", "badge_meta_id": BADGE, **EXAMPLES[rule]}
    names = FULL_HEADER.split(",")
    row = [cells.get(name, "") for name in names]
    row += [cell for name, cell in cells.items() if name not in names]
    with tempfile.TemporaryDirectory() as folder:
        return check_text(Path(folder), as_csv([names, row]), options(badges=_BOOK)).problems


def table() -> str:
    """Write the table."""
    return "\n".join(["| rule | for example | what is wrong | what to do |", "|---|---|---|---|", *_lines()])


def page() -> str:
    """Return the page as it should be."""
    text = PAGE.read_text("utf-8")
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n{table()}\n{END}", text)


def _lines() -> Iterator[str]:
    for rule in Rule:
        problem = next(problem for problem in problems_of(rule) if problem.rule is rule)
        example = _example(problem.column, problem.value)
        yield f"| `{rule.value}` | {example} | {WORDING[rule][0]} | {problem.advice} |"


def _example(column: str, value: str) -> str:
    if not column:
        return "a row with a field too many"
    if not value:
        return f"`{column}` is empty"
    shown = value if len(value) <= _SHOWN else f"{value[:10]}… ({len(value)} characters)"
    visible = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in shown)
    return f"`{column}`: `{visible}`"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.exit(0)
