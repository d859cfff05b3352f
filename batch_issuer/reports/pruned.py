"""The figures of a batch that was pruned: kept as they stood, for its rows can't be counted any more."""

from pathlib import Path
from typing import Any

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.ledger import Batch
from batch_issuer.reports.summary import Summary


def figures_of(summary: Summary) -> dict[str, Any]:
    """Return what is kept of a summary."""
    return {
        "counts": {outcome.value: count for outcome, count in summary.counts.items() if count},
        "states": dict(summary.states),
        "requests": summary.requests,
        "rows_out": summary.rows_out,
        "in_vain": summary.in_vain,
        "exit_code": int(summary.exit_code),
    }


def summary_of_pruned(batch: Batch, folder: Path) -> Summary:
    """Return the summary of a pruned batch: its figures as they stood, and no problems."""
    kept = batch.figures
    return Summary(
        batch=batch,
        folder=folder,
        counts={Outcome(word): count for word, count in kept["counts"].items()},
        states=kept["states"],
        requests=kept["requests"],
        rows_out=kept["rows_out"],
        in_vain=kept["in_vain"],
        exit_code=ExitCode(kept["exit_code"]),
        next_command="",
        message=(
            f"Pruned at {batch.pruned_at}: its files and details are gone; "
            "what it issued, and its content, are still guarded."
        ),
    )
