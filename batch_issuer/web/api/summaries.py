"""One batch in figures, as the API answers it: the form of `summary.json`."""

from typing import Any

from batch_issuer.batch.outcomes import Outcome
from batch_issuer.web.api.answers import Answer, BatchName, Code, Count


class InputAnswer(Answer):
    """The file that a batch was made from."""

    name: str
    sha256: str
    rows: Count
    form: str


class TotalsAnswer(Answer):
    """Whether every row has its line."""

    rows_in: Count
    rows_out: Count
    balanced: bool


class ExampleAnswer(Answer):
    """One problem of one row."""

    row: Count
    column: str
    value: str
    rule: str
    advice: str
    message: str


class RuleAnswer(Answer):
    """A rule that rows of the input broke."""

    rule: str
    what: str
    count: Count
    advice: str
    examples: list[ExampleAnswer]


class SummaryAnswer(Answer):
    """One batch in figures: the form of `summary.json`."""

    schema_version: int
    batch: BatchName
    name: str
    input: InputAnswer
    warnings: list[str]
    badges: dict[str, str]
    counts: dict[Outcome, Count]
    states: dict[str, Count]
    requests: Count
    totals: TotalsAnswer
    problems: list[RuleAnswer]
    repairs: dict[str, Count]
    message: str
    started_at: str
    finished_at: str
    exit_code: Code
    next_command: str
    folder: str
    settings: dict[str, Any]
    pruned_at: str = ""
