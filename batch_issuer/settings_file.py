"""The file of settings: what holds for all, and profiles, of which one may be chosen."""

import difflib
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from batch_issuer.engine_settings import PROFILE_NAME
from batch_issuer.errors import SettingsError, UnknownProfile

DEFAULT_CONFIG: Final = Path("batch_issuer.toml")
_PROFILES: Final = "profiles"
_FILE: Final = "_file"
_LOGINS: Final = tuple(
    (
        frozenset({f"{whose}username", f"{whose}password"}),
        frozenset({f"{whose}client_key", f"{whose}client_secret"}),
    )
    for whose in ("", "checker_")
)
_INNER: Final = "intouch_authorization"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Settings of a file as they stand there: those above all profiles, or those of one."""

    path: Path
    values: Mapping[str, Any]
    profile: str = ""
    """Its name; none for what holds for all."""

    @property
    def names(self) -> frozenset[str]:
        """The settings that it gives, a secret also where a file of its own holds it."""
        return frozenset({*self.values, *(name.removesuffix(_FILE) for name in self.values)})

    def without(self, names: Iterable[str]) -> "Section":
        """Leave settings out, in whichever form they stand there."""
        left_out = {form for name in names for form in (name, name + _FILE)}
        return replace(
            self, values={name: value for name, value in self.values.items() if name not in left_out}
        )


def read_config(config: Path | None) -> tuple[Path, dict[str, Any]]:
    """Read the file of settings, by default the one that may stand here. Raises SettingsError."""
    path = config or DEFAULT_CONFIG
    if config is None and not path.is_file():
        return path, {}
    try:
        return path, tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise SettingsError([f"{path} can't be read ({reason})"]) from exc


def read_sections(config: Path | None, chosen: object = None) -> list[Section]:
    """Read what counts of the file: what holds for all, then the profile that is chosen, here or in the file.

    What the profile gives, or takes the place of, is left out of what holds for all; other profiles are not
    looked at. An empty name chooses none. Raises UnknownProfile and SettingsError.
    """
    path, values = read_config(config)
    profiles = values.pop(_PROFILES, {})
    common = Section(path=path, values=values)
    name = common.values.get("profile", "") if chosen is None else chosen
    if not name:
        return [common]
    profile = _find(profiles, name, path)
    return [common.without(replaced_by(profile.names)), profile]


def replaced_by(names: Collection[str]) -> frozenset[str]:
    """Say which settings don't count any more beside these: the same, and what would go with another login.

    A login has two forms, and the inner call's Authorization belongs to it: of one who gives a login none of
    that may come from somebody else.
    """
    replaced = set(names)
    for basic, oauth in _LOGINS:
        replaced |= oauth if basic & set(names) else set()
        replaced |= basic if oauth & set(names) else set()
    if any(form & set(names) for form in _LOGINS[0]):
        replaced.add(_INNER)
    return frozenset(replaced)


def _find(profiles: object, name: object, path: Path) -> Section:
    if not isinstance(name, str):
        raise SettingsError(["PROFILE must be text; a profile is a table like [profiles.north]"])
    if not isinstance(profiles, Mapping):
        raise SettingsError([f"{path}: profiles are tables like [profiles.north]"])
    known = sorted(known for known in profiles if PROFILE_NAME.fullmatch(known))
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise UnknownProfile(name, path=path, known=known, near=near[0] if near else "")
    if not isinstance(profiles[name], Mapping):
        raise SettingsError([f"{path}: a profile is a table like [profiles.{name}]"])
    return Section(path=path, values=profiles[name], profile=name)


def with_secrets(
    values: Mapping[str, Any], files: Mapping[str, Any], *, where: str, without: Collection[str]
) -> dict[str, Any]:
    """Add the secrets that stand in files of their own. Raises SettingsError."""
    found = dict(values)
    problems = {}
    for name, path in files.items():
        if not path or name in without:
            continue
        secret = _read_secret(path)
        if name in values:
            problems[name] = f"{where} gives both {name.upper()} and {name.upper()}_FILE; keep one of them"
        elif secret is None:
            problems[name] = f"{name.upper()}_FILE names {path}, which can't be read, or is empty"
        else:
            found[name] = secret
    if problems:
        raise SettingsError([*problems.values()], names=problems)
    return found


def _read_secret(path: object) -> str | None:
    try:
        return Path(str(path)).read_text("utf-8-sig").strip() or None
    except (OSError, ValueError):
        return None
