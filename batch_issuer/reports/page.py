"""`report.html`: one self-contained page with a chart of outcomes and a table of problems."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from batch_issuer.batch.outcomes import Outcome, ServerError
from batch_issuer.ledger.request_columns import RequestColumns
from batch_issuer.reports.files import replaced_whole
from batch_issuer.reports.requests_file import shown_states
from batch_issuer.reports.row_files import told
from batch_issuer.reports.summary import Summary

OUTCOME_WORDS: Final[Mapping[Outcome, str]] = {
    Outcome.ISSUED: "the badge was issued",
    Outcome.PENDING: "submitted, waits for a checker",
    Outcome.ISSUE_FAILED: "the server refused this customer",
    Outcome.UNACCOUNTED: "executed, but the server's answer does not name this customer",
    Outcome.REJECTED: "a checker rejected the request",
    Outcome.FAILED: "the whole request failed",
    Outcome.IN_DOUBT: "sent, and the server's answer is not known yet",
    Outcome.NOT_SENT: "planned, and not sent yet",
    Outcome.INVALID: "an input error: see what to do",
    Outcome.DUPLICATE: "repeats an earlier row, and was not sent again",
    Outcome.ALREADY_ISSUED: "issued or under way in another batch, and not sent again",
}
"""Every outcome in plain words, in the order in which they are shown."""

FINE: Final = frozenset({Outcome.ISSUED, Outcome.PENDING, Outcome.ALREADY_ISSUED})
"""What deserves no look; a row that was left to another batch in vain does all the same."""

ROWS_ON_PAGE: Final = 200
REQUESTS_ON_PAGE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOnPage:
    """A row that deserves a look."""

    row: int
    customer_id: str
    outcome: Outcome
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOnPage:
    """A request as the page shows it."""

    request_id: str
    workflow_request_id: str
    badge_meta_id: str
    customers: int
    state: str
    message: str


def requests_on_page(requests: RequestColumns, most: int) -> Iterator[RequestOnPage]:
    """Take what the page shows of the first of some requests."""
    for at, state in enumerate(shown_states(requests)[:most]):
        error = ServerError(code=requests.error_code[at], message=requests.error_message[at])
        yield RequestOnPage(
            request_id=requests.request_id[at],
            workflow_request_id=requests.workflow_request_id[at],
            badge_meta_id=requests.badge_meta_id[at],
            customers=requests.customers[at],
            state=state,
            message=told(error),
        )


def write_page(summary: Summary, requests: Sequence[RequestOnPage], rows: Sequence[RowOnPage]) -> None:
    """Replace `report.html`."""
    template = _environment().get_template("report.html.j2")
    with replaced_whole(summary.folder / "report.html") as file:
        file.writelines(template.generate(**_context(summary, requests, rows)))


def _context(
    summary: Summary, requests: Sequence[RequestOnPage], rows: Sequence[RowOnPage]
) -> dict[str, Any]:
    most = max(summary.counts.values(), default=1)
    look = summary.in_vain + sum(n for outcome, n in summary.counts.items() if outcome not in FINE)
    return {
        "summary": summary,
        "batch": summary.batch,
        "outcomes": [
            (outcome.value, words, summary.counts[outcome], 100 * summary.counts[outcome] / most)
            for outcome, words in OUTCOME_WORDS.items()
            if summary.counts.get(outcome)
        ],
        "requests": requests,
        "rows": rows,
        "rows_in_all": look,
        "problems": summary.problems.as_json(),
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("batch_issuer.reports", "templates"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["thousands"] = lambda number: f"{number:,}"
    return environment
