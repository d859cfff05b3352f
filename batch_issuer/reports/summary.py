"""`summary.json`: one batch in figures, and what to do next."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from batch_issuer.batch.commands import for_profile
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.batch.problem_columns import ProblemColumns
from batch_issuer.batch.problems import WORDING, InputProblem, Rule
from batch_issuer.ledger import Batch, BatchStage
from batch_issuer.reports.files import replaced_whole

SCHEMA_VERSION: Final = 1
_EXAMPLES: Final = 5


class ProblemTally:
    """Counts problems by rule, and keeps the first few of each."""

    def __init__(self) -> None:
        """Start with none."""
        self.counts: Counter[Rule] = Counter()
        self.examples: dict[Rule, list[InputProblem]] = {}

    def add(self, problem: InputProblem) -> None:
        """Take one problem."""
        self.counts[problem.rule] += 1
        kept = self.examples.setdefault(problem.rule, [])
        if len(kept) < _EXAMPLES:
            kept.append(problem)

    def add_all(self, problems: ProblemColumns) -> None:
        """Take many problems, without making an object of each."""
        for rule, count in problems.counts().items():
            self.counts[rule] += count
            kept = self.examples.setdefault(rule, [])
            if len(kept) < _EXAMPLES:
                kept.extend(problems.first_of(rule, _EXAMPLES - len(kept)))

    def as_json(self) -> list[dict[str, Any]]:
        """Write rules with counts and first examples, the most frequent first."""
        return [
            {
                "rule": rule.value,
                "what": WORDING[rule][0],
                "count": count,
                "advice": self.examples[rule][0].advice,
                "examples": [problem_json(problem) for problem in self.examples[rule]],
            }
            for rule, count in self.counts.most_common()
        ]


def problem_json(problem: InputProblem) -> dict[str, Any]:
    """Write one problem as a record."""
    return {
        "row": problem.row,
        "column": problem.column,
        "value": problem.value,
        "rule": problem.rule.value,
        "advice": problem.advice,
        "message": problem.message,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What became of a batch, as its files show it."""

    batch: Batch
    folder: Path
    counts: Mapping[Outcome, int]
    states: Mapping[str, int]
    requests: int
    rows_out: int
    in_vain: int = 0
    """Rows that were left to another batch, which has not issued them."""
    exit_code: ExitCode
    next_command: str
    message: str = ""
    """Why the batch stopped or was refused, where it did."""
    problems: ProblemTally = field(default_factory=ProblemTally)

    @property
    def is_balanced(self) -> bool:
        """Whether every row that was read has exactly one line."""
        return self.batch.rows == self.rows_out == sum(self.counts.values())

    def as_json(self) -> dict[str, Any]:
        """Write it in the form of `summary.json`."""
        batch = self.batch
        return {
            "schema_version": SCHEMA_VERSION,
            "batch": batch.batch,
            "name": batch.name,
            "input": {
                "name": batch.input_name,
                "sha256": batch.input_sha256,
                "rows": batch.rows,
                "form": batch.form,
            },
            "warnings": list(batch.warnings),
            "badges": dict(batch.badges),
            "counts": {outcome.value: self.counts.get(outcome, 0) for outcome in Outcome},
            "states": dict(self.states),
            "requests": self.requests,
            "totals": {"rows_in": batch.rows, "rows_out": self.rows_out, "balanced": self.is_balanced},
            "problems": self.problems.as_json(),
            "repairs": dict(batch.repairs),
            "message": self.message,
            "started_at": batch.started_at,
            "finished_at": batch.finished_at,
            "exit_code": int(self.exit_code),
            "next_command": self.next_command,
            "folder": str(self.folder),
            "settings": dict(batch.settings),
            **({"pruned_at": batch.pruned_at} if batch.pruned_at else {}),
        }


def next_command(batch: Batch, counts: Mapping[Outcome, int], folder: Path, *, retriable: int) -> str:
    """Say what to run next, under the batch's profile; nothing where all is done that can be from here."""
    return for_profile(_next_command(batch, counts, folder, retriable=retriable), batch.profile)


def _next_command(batch: Batch, counts: Mapping[Outcome, int], folder: Path, *, retriable: int) -> str:
    if batch.stage is BatchStage.REFUSED:
        return f"batch-issuer issue {quoted(batch.input_name)}"
    if any(counts.get(outcome, 0) for outcome in (Outcome.NOT_SENT, Outcome.IN_DOUBT)):
        return f"batch-issuer resume {batch.batch}"
    if counts.get(Outcome.PENDING, 0):
        return f"batch-issuer refresh {batch.batch}"
    if retriable:
        return f"batch-issuer retry {batch.batch}"
    if counts.get(Outcome.INVALID, 0):
        return f"batch-issuer issue {quoted(str(folder / 'rejects.csv'))}"
    return ""


def write_summary(summary: Summary) -> None:
    """Replace `summary.json`."""
    with replaced_whole(summary.folder / "summary.json") as file:
        file.write(orjson.dumps(summary.as_json(), option=orjson.OPT_INDENT_2).decode() + "\n")


def quoted(name: str) -> str:
    """Quote a file name for the command line where it needs that."""
    return f'"{name}"' if " " in name else name
