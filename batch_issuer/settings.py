"""Settings: an option beats the environment, which beats the TOML file."""

import difflib
import os
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from batch_issuer.addresses import check_ledger, check_url, password_of, without_password
from batch_issuer.clock import parse_span
from batch_issuer.console_settings import ConsoleSettings
from batch_issuer.engine_settings import EngineSettings
from batch_issuer.errors import SettingsError
from batch_issuer.notify_settings import Threshold, check_addresses, check_time_of_day, secrets_in
from batch_issuer.settings_file import Section, read_sections, replaced_by, with_secrets

PREFIX: Final = "BATCH_ISSUER_"
WORKFLOW_PATH: Final = "/v2/api_gateway/v2/request-workflow"


class Settings(ConsoleSettings, EngineSettings):
    """All settings, checked; `docs/reference/settings.md` explains each."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    allow_http: bool = Field(default=False, description="allow plain http to other hosts than this machine")
    base_url: str | None = Field(None, description="https://host of the API")
    workflow_path: str = Field(WORKFLOW_PATH, description="base path for submitting")
    requests_path: str | None = Field(
        None, description="base path for reading and deciding; as WORKFLOW_PATH by default"
    )
    username: str | None = Field(None, description="till id for Basic authentication")
    password: SecretStr | None = Field(None, description="password for Basic authentication, sent as given")
    client_key: SecretStr | None = Field(None, description="OAuth client key, instead of Basic")
    client_secret: SecretStr | None = Field(None, description="OAuth client secret")
    org_id: str | None = Field(None, description="organisation id (X-CAP-API-AUTH-ORG-ID)")
    ui_auth_token: SecretStr | None = Field(None, description="the maker's token (X-CAP-UI-AUTH-TOKEN)")
    till_id: str | None = Field(None, description="entityInfo, needed to send")
    store_id: str | None = Field(None, description="entityInfo, needed to send")
    zone_id: str | None = Field(None, description="entityInfo, needed to send")
    concept_id: str | None = Field(None, description="entityInfo, needed to send")
    intouch_hostname: str | None = Field(None, description="hostname of the inner call; BASE_URL by default")
    intouch_authorization: SecretStr | None = Field(
        None, description="Authorization of the inner call; Basic from USERNAME and PASSWORD by default"
    )
    checker_username: str | None = Field(None, description="the checker's till id, for `decide`")
    checker_password: SecretStr | None = Field(None, description="the checker's password, sent as given")
    checker_client_key: SecretStr | None = Field(None, description="the checker's OAuth client key")
    checker_client_secret: SecretStr | None = Field(None, description="the checker's OAuth client secret")
    checker_ui_auth_token: SecretStr | None = Field(None, description="the checker's token, for `decide`")
    source: str | None = Field(None, description="`source` beside the inner body, where it is needed")
    chunk_size: int = Field(100, ge=1, le=100_000, description="customers in one request at most")
    concurrency: int = Field(8, ge=1, le=1_000, description="requests under way at once")
    rate: float = Field(100, ge=0, le=1_000_000, description="API calls a minute; 0 = unlimited")
    timeout: float = Field(30, gt=0, le=3_600, description="seconds for one exchange")
    max_attempts: int = Field(5, ge=1, le=100, description="attempts for one request")
    settle: float = Field(5, ge=0, le=3_600, description="seconds until a request shows in the server's list")
    badge_meta_id: str | None = Field(None, description="badge for a whole file")
    owner_type: str | None = Field(None, description="owner type for a whole file")
    reference_id: str | None = Field(None, description="reference for a whole file")
    issue_event_date: str | None = Field(None, description="event date for a whole file")
    badge_pattern: str = Field("[0-9a-f]{24}", description="what a badge id looks like")
    timezone: str = Field("UTC", description="zone of dates that name none")
    max_file_bytes: int = Field(2 * 1024**3, ge=1, description="size of an input file at most")
    max_rows: int = Field(50_000_000, ge=1, le=4_000_000_000, description="data rows at most")
    max_cell_chars: int = Field(4096, ge=32, le=100_000, description="characters in a cell at most")
    ledger: SecretStr | None = Field(
        None, description="sqlite:///PATH or postgresql://USER@HOST/NAME; OUTPUT/ledger.db by default"
    )
    output: Path = Field(Path("output"), description="folder for the batches' files")
    notify: SecretStr | None = Field(None, description="addresses of channels that are told what matters")
    notify_checkers: SecretStr | None = Field(None, description="channels told of approvals that wait")
    notify_failed: str = Field("1", description="failed rows, or their share, from which a batch is told")
    notify_pending_hours: float = Field(24, ge=0, le=8_784, description="approvals older than this are told")
    notify_no_file_by: str | None = Field(None, description="HH:MM by which an inbox expects a file")
    notify_digest_at: str | None = Field(None, description="HH:MM from which the day's digest is told")
    notify_attach: bool = Field(default=True, description="attach rejects.csv or failed.csv to notices")
    metrics_file: Path | None = Field(None, description="where each run leaves its metrics, for Prometheus")
    retention: str | None = Field(None, description="how old what `prune` removes must be, like 90d")
    _config: Path | None = PrivateAttr(default=None)
    _of_profile: frozenset[str] = PrivateAttr(default=frozenset())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from the call alone: `load_settings` merges the sources, so the order shows."""
        return (init_settings,)

    @field_validator("*")
    @classmethod
    def _printable(cls, value: object) -> object:
        """Refuse line breaks and the like, which a header or an address can't carry."""
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(text, str) and any(unicodedata.category(char) in {"Cc", "Cs"} for char in text):
            raise ValueError("holds a control character, perhaps a line break; type it again")
        return value

    @field_validator("badge_pattern")
    @classmethod
    def _compilable(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as exc:
            raise ValueError(f"{pattern!r} is no regular expression ({exc})") from exc
        return pattern

    @field_validator("workflow_path", "requests_path")
    @classmethod
    def _plain_path(cls, path: str | None) -> str | None:
        if path is not None and re.fullmatch(r"/[A-Za-z0-9._~/-]*", path) is None:
            raise ValueError(f"write it as a path like {WORKFLOW_PATH}")
        return path

    @field_validator("retention")
    @classmethod
    def _span(cls, retention: str | None) -> str | None:
        if retention is not None:
            parse_span(retention)
        return retention

    @field_validator("ledger")
    @classmethod
    def _durable(cls, ledger: SecretStr | None) -> SecretStr | None:
        if ledger is not None:
            check_ledger(ledger.get_secret_value())
        return ledger

    @field_validator("notify", "notify_checkers", mode="before")
    @classmethod
    def _on_one_line(cls, value: object) -> object:
        """Let a file hold one address on each line."""
        return " ".join(value.split()) if isinstance(value, str) else value

    @field_validator("notify", "notify_checkers")
    @classmethod
    def _addresses(cls, value: SecretStr | None) -> SecretStr | None:
        check_addresses("" if value is None else value.get_secret_value())
        return value

    @field_validator("notify_failed")
    @classmethod
    def _threshold(cls, text: str) -> str:
        Threshold.parse(text)
        return text

    @field_validator("notify_no_file_by", "notify_digest_at")
    @classmethod
    def _time_of_day(cls, text: str | None) -> str | None:
        if text is not None:
            check_time_of_day(text)
        return text

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as exc:
            raise ValueError(f"{name!r} is no time zone; write it like Europe/Berlin") from exc
        return name

    @field_validator("base_url", "intouch_hostname")
    @classmethod
    def _safe_address(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is not None:
            check_url(url, allow_http=info.data.get("allow_http", True))
        return url

    @property
    def config(self) -> Path | None:
        """The file that they were read from, where there was one: others may have to read it, too."""
        return self._config

    @property
    def of_profile(self) -> frozenset[str]:
        """The settings that the chosen profile gives."""
        return self._of_profile

    @property
    def ledger_url(self) -> str:
        """Where the ledger is: beside the batches' files unless a setting says otherwise."""
        if self.ledger is None:
            return f"sqlite:///{self.output / 'ledger.db'}"
        return self.ledger.get_secret_value()

    def secrets(self) -> Iterator[str]:
        """Yield every secret, for the redactor."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr) and name != "ledger":  # a path is none, and stands in messages
                yield value.get_secret_value()
        for channels in (self.notify, self.notify_checkers):
            yield from secrets_in("" if channels is None else channels.get_secret_value())
        password = password_of(self.ledger_url)
        if password:
            yield from {password, unquote(password)}
        if self.username and self.password:
            yield f"{self.username}:{self.password.get_secret_value()}"
        if self.checker_username and self.checker_password:
            yield f"{self.checker_username}:{self.checker_password.get_secret_value()}"

    def public(self) -> dict[str, object]:
        """Return what may be shown and stored: every setting but the secrets and the user names."""
        shown = self.model_dump(mode="json", exclude_none=True, exclude={"username", "checker_username"})
        public = {
            name: value for name, value in shown.items() if not isinstance(getattr(self, name), SecretStr)
        }
        return public if self.ledger is None else {**public, "ledger": without_password(self.ledger_url)}


def secret_names() -> frozenset[str]:
    """Name the settings that hold secrets, and so have a `_FILE` form."""
    fields = Settings.model_fields.items()
    return frozenset(name for name, field in fields if "SecretStr" in str(field.annotation))


def load_settings(
    *,
    config: Path | None = None,
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    without: Collection[str] = (),
) -> Settings:
    """Merge file, environment and options into checked settings, as if those `without` were not given.

    Of the file a profile counts that is chosen there, or by the environment or an option; an empty name
    chooses none. Raises SettingsError with every problem in one line; no value of a secret is part of it.
    """
    environ = os.environ if environ is None else environ
    given = {name: value for name, value in (options or {}).items() if value is not None}
    around = {**_from_environment(environ, without), **given}
    sections = read_sections(config, around.get("profile"))
    chosen = sections[-1].profile
    parts = [_from_section(section, without) for section in sections]
    from_file = {name: value for part in parts for name, value in part.items()}
    merged = {**from_file, **around, "profile": chosen or None}
    try:
        settings = Settings(**{name: value for name, value in merged.items() if name not in without})
    except ValidationError as exc:
        of_profile = parts[-1].keys() - around.keys() if chosen else frozenset()
        raise _refusal(exc, dict.fromkeys(of_profile, chosen)) from None
    path = sections[0].path
    settings._config = path.absolute() if path.is_file() else None  # noqa: SLF001 - its maker
    settings._of_profile = sections[-1].names if chosen else frozenset()  # noqa: SLF001 - its maker
    return settings


def _refusal(exc: ValidationError, profiles: Mapping[object, str]) -> SettingsError:
    """Say everything that is wrong with settings; some of them are given by a profile."""
    errors = exc.errors(include_url=False)
    problems = [
        _said_of(profiles.get(error["loc"][0], ""), _explain(error["loc"], error["msg"])) for error in errors
    ]
    return SettingsError(problems, names={str(error["loc"][0]) for error in errors})


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Name variables that look like settings and are none: probably misspelt."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known |= {PREFIX + name.upper() + "_FILE" for name in secret_names()}
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in known)


def beats_profile(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Name variables that count in place of what the chosen profile gives: they hold for every profile."""
    given = replaced_by(settings.of_profile) & set(Settings.model_fields)
    variables = [PREFIX + name.upper() for name in sorted(given - {"profile"})]
    secret = {PREFIX + name.upper() for name in secret_names()}
    forms = [form for name in variables for form in (name, *([f"{name}_FILE"] if name in secret else []))]
    return [name for name in forms if environ.get(name)]


def _from_environment(environ: Mapping[str, str], without: Collection[str]) -> dict[str, Any]:
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): value for name, value in environ.items() if value != ""}
    files = {name: environ.get(f"{PREFIX}{name.upper()}_FILE") for name in secret_names()}
    return with_secrets(source(), files, where="the environment", without=without)


def _from_section(section: Section, without: Collection[str]) -> dict[str, Any]:
    """Take what a section gives, its secrets from their files. Raises SettingsError naming its profile."""
    try:
        return _taken(section, without)
    except SettingsError as exc:
        problems = [_said_of(section.profile, problem) for problem in exc.problems]
        raise SettingsError(problems, names=exc.names) from None


def _taken(section: Section, without: Collection[str]) -> dict[str, Any]:
    values = dict(section.values)
    files = {name: values.pop(f"{name}_file", None) for name in secret_names()}
    unknown = [name for name in values if name not in {*Settings.model_fields, *without}]
    if unknown:
        raise SettingsError([_unknown(name, section.path) for name in unknown], names=unknown)
    if section.profile and "profile" in values:
        raise SettingsError(["a profile can't choose a profile"])
    return with_secrets(values, files, where=str(section.path), without=without)


def _said_of(profile: str, problem: str) -> str:
    return f"profile {profile}: {problem}" if profile else problem


def _unknown(name: str, path: Path) -> str:
    known = [*Settings.model_fields, *(f"{secret}_file" for secret in secret_names())]
    near = difflib.get_close_matches(name.lower().removeprefix(PREFIX.lower()), known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{path} has an unknown setting {name!r}{hint}"


def _explain(location: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ")
    if text == "Input should be a valid string":
        text = "must be text; in a TOML file put it in quotes"
    name = str(location[0]).upper()
    return f"{name} {text}" if text.startswith(("must ", "is ", "holds ")) else f"{name}: {text}"
