"""The files that the user gets, one module for each; written from the ledger, replaced whole."""

from batch_issuer.reports.figures import summarise
from batch_issuer.reports.lock import reports_lock
from batch_issuer.reports.page import OUTCOME_WORDS
from batch_issuer.reports.pruned import figures_of, summary_of_pruned
from batch_issuer.reports.requests_file import shown_state
from batch_issuer.reports.row_files import original_line, original_rows_file, problem_text
from batch_issuer.reports.row_search import FoundRows, RowFilter, find_rows
from batch_issuer.reports.summary import ProblemTally, Summary, problem_json
from batch_issuer.reports.writing import Ending, write_reports

__all__ = [
    "OUTCOME_WORDS",
    "Ending",
    "FoundRows",
    "ProblemTally",
    "RowFilter",
    "Summary",
    "figures_of",
    "find_rows",
    "original_line",
    "original_rows_file",
    "problem_json",
    "problem_text",
    "reports_lock",
    "shown_state",
    "summarise",
    "summary_of_pruned",
    "write_reports",
]
