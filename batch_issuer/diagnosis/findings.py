"""What a check found: one line each."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from batch_issuer.batch.exit_codes import ExitCode, first_held


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """Work can begin, but something is worth a look."""
    PROBLEM = "problem"
    NOT_CHECKED = "not_checked"
    """What it needs is missing, or no harmless way tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found, and what to do."""

    check: str
    state: State
    found: str
    advice: str = ""
    exit_code: ExitCode = ExitCode.DONE


Findings = list[Finding]

_RANKED: Final = (ExitCode.USAGE, ExitCode.NO_PERMISSION, ExitCode.NOT_FINISHED)
"""What is wrong here explains what the server refuses, and both explain more than a server that is away."""


def ok(check: str, found: str) -> Finding:
    """Nothing is to be done."""
    return Finding(check=check, state=State.OK, found=found)


def warning(check: str, found: str, advice: str) -> Finding:
    """Say what is worth a look."""
    return Finding(check=check, state=State.WARNING, found=found, advice=advice)


def problem(check: str, found: str, advice: str = "", *, code: ExitCode = ExitCode.USAGE) -> Finding:
    """Say what keeps batches from being sent; `found` may hold the advice already."""
    return Finding(check=check, state=State.PROBLEM, found=found, advice=advice, exit_code=code)


def not_checked(check: str, reason: str, advice: str = "") -> Finding:
    """Say why nothing is known."""
    return Finding(check=check, state=State.NOT_CHECKED, found=reason, advice=advice)


def exit_code_of(findings: Iterable[Finding]) -> ExitCode:
    """Choose the exit code: of several that hold, the first of 2, 6, 5, 0."""
    return first_held({finding.exit_code for finding in findings}, _RANKED)
