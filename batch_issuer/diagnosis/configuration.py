"""Checks of the settings: what is wrong, what is missing to send, and who can read the secrets."""

import difflib
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from batch_issuer.diagnosis.findings import Finding, Findings, not_checked, ok, problem, warning
from batch_issuer.diagnosis.survey import Survey
from batch_issuer.errors import SettingsError
from batch_issuer.gateway import sending_access
from batch_issuer.settings import PREFIX, Settings, beats_profile, secret_names, unknown_variables
from batch_issuer.settings_file import Section, read_sections

_LOGIN: Final = ("username", "password", "client_key", "client_secret")
_SENDING: Final = (
    *("base_url", "allow_http", *_LOGIN),
    *("till_id", "store_id", "zone_id", "concept_id", "intouch_authorization", "intouch_hostname"),
)


def check_settings(survey: Survey) -> Findings:
    """Check what can be told without any server, folder or ledger."""
    settings = survey.settings
    findings = [problem("settings", text) for text in survey.problems]
    findings += _unknown_variables(survey)
    if settings is not None:
        findings += _beaten_profile(survey, settings)
    if not findings:
        findings.append(ok("settings", "all are understood"))
    if settings is not None and settings.profile:
        findings.insert(0, ok("settings", f"profile {settings.profile} is chosen"))
    if settings is None:
        return [*findings, not_checked("sending", "the settings can't be read")]
    return [*findings, *_check_sending(survey, settings), _check_secrets(survey)]


def _unknown_variables(survey: Survey) -> Iterator[Finding]:
    for name in unknown_variables(survey.environ):
        known = [PREFIX + field.upper() for field in Settings.model_fields]
        near = difflib.get_close_matches(name, known, n=1)
        advice = f"did you mean {near[0]}?" if near else "remove it"
        yield warning("settings", f"{name} is no setting and is ignored", advice)


def _beaten_profile(survey: Survey, settings: Settings) -> Iterator[Finding]:
    for name in beats_profile(settings, survey.environ):
        found = f"{name} of the environment beats profile {settings.profile}"
        yield warning("settings", found, "unset it: it counts for every profile")


def _check_sending(survey: Survey, settings: Settings) -> Iterator[Finding]:
    lacking = survey.lacks(*_SENDING)
    if lacking:
        yield not_checked("sending", lacking)
        return
    try:
        sending_access(settings)
    except SettingsError as exc:
        yield from (problem("sending", text) for text in exc.problems)
        return
    missing = [name.upper() for name in ("org_id", "ui_auth_token") if not getattr(settings, name)]
    if missing:
        names = " and ".join(missing)
        advice = (
            "set them, unless your platform needs none" if missing[1:] else "set it, unless none is needed"
        )
        yield warning("sending", f"{names} not set; the platform may refuse requests without", advice)
    else:
        yield ok("sending", "all that a request needs is set")


def _check_secrets(survey: Survey) -> Finding:
    """Name the files with secrets that every user of this machine can read."""
    files = dict(_secret_files(survey))
    exposed = [f"{name} {path}" for name, path in files.items() if is_open_to_all(path)]
    if exposed:
        advice = "let its owner alone read it (chmod 600); in a container of one user it may stay"
        return warning("secrets", f"every user can read {', '.join(exposed)}", advice)
    count = len(files)
    return ok("secrets", f"{count} in files that not everybody can read" if count else "none is in a file")


def _secret_files(survey: Survey) -> Iterator[tuple[str, Path]]:
    with suppress(SettingsError):  # that is a line of its own
        sections = read_sections(survey.config, survey.settings.profile or "" if survey.settings else "")
        for name in sorted(secret_names()):
            setting = f"{name.upper()}_FILE"
            yield from ((f"{name.upper()} in", part.path) for part in sections if _is_text(part, name))
            named = [part.values.get(f"{name}_file") for part in sections]
            for path in (*named, survey.environ.get(PREFIX + setting)):
                if isinstance(path, str) and path:
                    yield setting, Path(path)


def _is_text(section: Section, name: str) -> bool:
    return isinstance(section.values.get(name), str)


def is_open_to_all(path: Path) -> bool:
    """Tell whether any user can read a file: it, and all folders above it, are open to others."""
    try:
        real = path.resolve()
        is_readable = bool(real.stat().st_mode & stat.S_IROTH)
        return is_readable and all(folder.stat().st_mode & stat.S_IXOTH for folder in real.parents)
    except (OSError, ValueError):
        return False
