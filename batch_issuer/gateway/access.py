"""Where the API is and who asks: the settings that an exchange needs, checked for their purpose."""

import base64
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from batch_issuer.errors import SettingsError
from batch_issuer.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicLogin:
    """Till id and password, sent as given."""

    username: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def authorization(self) -> str:
        """The value of the Authorization header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """Client key and secret, exchanged for access tokens."""

    key: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One API, one organisation, one caller."""

    base_url: str
    workflow_path: str
    requests_path: str
    org_id: str
    ui_auth_token: str = field(repr=False)
    login: BasicLogin | OAuthClient


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerCall:
    """What a request carries besides its customers: entity and inner call (contract, IntouchTask)."""

    till_id: str
    store_id: str
    zone_id: str
    concept_id: str
    hostname: str
    authorization: str = field(repr=False)
    source: str | None = None


_ENTITY: Final = ("till_id", "store_id", "zone_id", "concept_id")


def read_access(settings: Settings) -> Access:
    """Take what reading states needs from the settings. Raises SettingsError naming all that is missing."""
    return _access(settings, _login(settings), settings.ui_auth_token)


def checker_access(settings: Settings) -> Access:
    """Take what deciding needs from the settings: the checker's own credentials, never the maker's.

    Raises SettingsError naming all that is missing, or that the maker has as well.
    """
    shared = [
        name
        for name in ("username", "client_key", "ui_auth_token")
        if getattr(settings, name) and getattr(settings, name) == getattr(settings, f"checker_{name}")
    ]
    if shared:
        names = ", ".join(f"CHECKER_{name.upper()}" for name in shared)
        raise SettingsError([f"{names} is the maker's as well; who makes a request may not decide it"])
    return _access(settings, _checker_login(settings), settings.checker_ui_auth_token)


def sending_access(settings: Settings) -> tuple[Access, InnerCall]:
    """Take what submitting needs from the settings. Raises SettingsError naming all that is missing."""
    problems = []
    access: Access | None = None
    try:
        access = read_access(settings)
    except SettingsError as exc:
        problems.append(str(exc).removeprefix("settings: "))
    missing = [name.upper() for name in _ENTITY if not getattr(settings, name)]
    if missing:
        problems.append(f"{', '.join(missing)} missing; a request needs all four entity ids")
    authorization = _inner_authorization(settings)
    if access is not None and not authorization:
        problems.append(
            "INTOUCH_AUTHORIZATION is missing; with OAuth it must be given, for it is used at approval, "
            "when an access token has expired"
        )
    if access is None or problems:
        raise SettingsError(problems)
    entity = {name: getattr(settings, name) for name in _ENTITY}
    hostname = normal_url(settings.intouch_hostname or access.base_url)
    inner = InnerCall(**entity, hostname=hostname, authorization=authorization, source=settings.source)
    return access, inner


def normal_url(url: str) -> str:
    """Write scheme and host in one way, so that one server is one server."""
    parts = urlsplit(url)
    default_port = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in {None, default_port} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def other_path_form(path: str) -> str:
    """Name the other form of a base path: with or without the leading /v2 (contract, "Oddities")."""
    return path.removeprefix("/v2") if path.startswith("/v2/api_gateway") else f"/v2{path}"


def _access(
    settings: Settings, login: BasicLogin | OAuthClient | str, ui_auth_token: SecretStr | None
) -> Access:
    problems = []
    if settings.base_url is None:
        problems.append("BASE_URL is missing; set BATCH_ISSUER_BASE_URL to https://host of the API")
    if isinstance(login, str):
        problems.append(login)
    if settings.base_url is None or isinstance(login, str):
        raise SettingsError(problems)
    return Access(
        base_url=normal_url(settings.base_url),
        workflow_path=_path(settings.workflow_path),
        requests_path=_path(settings.requests_path or settings.workflow_path),
        org_id=settings.org_id or "",
        ui_auth_token=ui_auth_token.get_secret_value() if ui_auth_token else "",
        login=login,
    )


def _login(settings: Settings) -> BasicLogin | OAuthClient | str:
    """Choose the maker's login, or say what is missing."""
    basic = (settings.username, settings.password)
    return _choose_login(basic, (settings.client_key, settings.client_secret), prefix="")


def _checker_login(settings: Settings) -> BasicLogin | OAuthClient | str:
    """Choose the checker's login, or say what is missing."""
    basic = (settings.checker_username, settings.checker_password)
    oauth = (settings.checker_client_key, settings.checker_client_secret)
    return _choose_login(basic, oauth, prefix="CHECKER_")


def _choose_login(
    basic: tuple[str | None, SecretStr | None],
    oauth: tuple[SecretStr | None, SecretStr | None],
    *,
    prefix: str,
) -> BasicLogin | OAuthClient | str:
    """Choose OAuth where its key or secret is given, else Basic; or say what is missing."""
    username, password = basic
    key, secret = oauth
    pair = f"{prefix}CLIENT_KEY and {prefix}CLIENT_SECRET"
    if key or secret:
        if not (key and secret):
            return f"{pair} go together"
        return OAuthClient(key=key.get_secret_value(), secret=secret.get_secret_value())
    if not (username and password):
        return f"{prefix}USERNAME and {prefix}PASSWORD (or {pair}) are missing"
    return BasicLogin(username=username, password=password.get_secret_value())


def _inner_authorization(settings: Settings) -> str:
    if settings.intouch_authorization:
        return settings.intouch_authorization.get_secret_value()
    login = _login(settings)
    return login.authorization if isinstance(login, BasicLogin) else ""


def _path(path: str) -> str:
    return f"/{path.strip('/')}".rstrip("/")
