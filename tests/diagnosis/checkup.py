"""A check-up of settings against a sandbox, in real time shifted by as much as a test wants."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from ssl import SSLContext

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.clock import Clock
from batch_issuer.diagnosis import Finding, State, examine, exit_code_of, survey_settings
from batch_issuer.sandbox import Credentials, Sandbox, Scenario
from tests.conftest import KNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a check-up found."""

    findings: list[Finding]

    @property
    def exit_code(self) -> ExitCode:
        return exit_code_of(self.findings)

    @property
    def states(self) -> dict[str, State]:
        """Give the state of each check, the last where it has several lines."""
        return {finding.check: finding.state for finding in self.findings}

    def of(self, check: str) -> Finding:
        """Give the only line of a check."""
        (finding,) = (finding for finding in self.findings if finding.check == check)
        return finding

    def lines(self, check: str) -> str:
        """Give all that is said of a check."""
        return "\n".join(f"{f.state}: {f.found}; {f.advice}" for f in self.findings if f.check == check)

    def not_ok(self) -> set[str]:
        """Name the checks that found anything but good."""
        return {finding.check for finding in self.findings if finding.state is not State.OK}


@dataclass(slots=True, kw_only=True)
class Checkup:
    """Settings as somebody may have them."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    config: Path | None = None
    shift: timedelta = timedelta()
    trusted: SSLContext | None = None
    spare_seconds: float = 2

    @property
    def output(self) -> Path:
        return self.folder / "output"

    def environ(self, **variables: str) -> dict[str, str]:
        """Return the environment; an empty value takes a variable away."""
        facts = {**self.variables, "output": str(self.output), **variables}
        return {f"BATCH_ISSUER_{name.upper()}": value for name, value in facts.items()}

    async def run(self, **variables: str) -> Result:
        survey = survey_settings(config=self.config, options={}, environ=self.environ(**variables))
        findings = await examine(
            survey, clock=self._clock(), trusted=self.trusted, spare_seconds=self.spare_seconds
        )
        return Result(findings=findings)

    def _clock(self) -> Clock:
        return Clock(now=lambda: datetime.now(UTC) + self.shift, random=lambda: 0.0)


def names_in(folder: Path) -> list[str]:
    """Name what a folder holds."""
    return sorted(path.name for path in folder.iterdir())


def maker_variables(url: str, known: Credentials = KNOWN) -> dict[str, str]:
    """Return the settings of a maker."""
    return {
        "base_url": url,
        "username": known.maker_username,
        "password": known.maker_password,
        "org_id": known.org_id,
        "ui_auth_token": known.maker_ui_token,
        **{f"{name}_id": "1" for name in ("till", "store", "zone", "concept")},
        "rate": "0",
        "timeout": "5",
    }


def oauth_variables(known: Credentials = KNOWN) -> Mapping[str, str]:
    """Return what turns a maker's settings to OAuth."""
    return {
        "username": "",
        "password": "",
        "client_key": known.maker_key,
        "client_secret": known.maker_secret,
        "intouch_authorization": "Basic bWFrZXI6cGFzcw==",
    }


@asynccontextmanager
async def open_checkup(
    folder: Path, scenario: Scenario | None = None
) -> AsyncIterator[tuple[Checkup, Sandbox]]:
    """Open a sandbox, and settings for it."""
    async with Sandbox(scenario=scenario, credentials=KNOWN) as sandbox:
        yield Checkup(folder=folder, variables=maker_variables(sandbox.url)), sandbox
