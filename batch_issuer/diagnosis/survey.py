"""Takes the settings as far as they can be taken: what is wrong with some need not hide the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from batch_issuer.errors import SettingsError
from batch_issuer.settings import Settings, load_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The settings without those that are wrong, and what is wrong with these."""

    settings: Settings | None
    """None where their file can't be read at all."""
    config: Path | None
    environ: Mapping[str, str]
    problems: tuple[str, ...] = ()
    wrong: frozenset[str] = frozenset()

    def lacks(self, *needed: str) -> str:
        """Say which of some settings are wrong, so that what needs them can't be checked."""
        wrong = ", ".join(name.upper() for name in needed if name in self.wrong)
        return f"{wrong} is wrong" if wrong else ""


def survey_settings(
    *, config: Path | None, options: Mapping[str, object], environ: Mapping[str, str]
) -> Survey:
    """Load the settings; each problem leaves out what it is about, and the rest is looked at once more."""
    problems: list[str] = []
    wrong: frozenset[str] = frozenset()
    settings = None
    while settings is None:
        try:
            settings = load_settings(config=config, options=options, environ=environ, without=wrong)
        except SettingsError as exc:
            problems += exc.problems
            if exc.names <= wrong:
                break
            wrong |= exc.names
    return Survey(settings=settings, config=config, environ=environ, problems=tuple(problems), wrong=wrong)
