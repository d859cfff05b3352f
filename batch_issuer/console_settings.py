"""The settings of the console: where it listens, and whom it believes."""

import ipaddress
import re
from typing import Final, Literal, TypeAlias

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from batch_issuer.addresses import check_url

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Environment = Literal["test", "live"]
_HEADER: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


class ConsoleSettings(BaseSettings):
    """What `serve` alone needs."""

    console_host: str = Field("127.0.0.1", description="address that the console listens at")
    console_port: int = Field(8080, ge=0, le=65_535, description="port of the console; 0 takes a free one")
    console_url: str | None = Field(
        None, description="https://host under which people reach the console, needed off this machine"
    )
    console_proxies: str = Field("", description="addresses or networks of trusted reverse proxies")
    console_user_header: str | None = Field(
        None, description="header in which a trusted proxy names the user who signed in there"
    )
    environment: Environment | None = Field(
        None, description="test or live, shown large; by default live unless the API is on this machine"
    )

    @field_validator("console_url")
    @classmethod
    def _origin(cls, url: str | None) -> str | None:
        if url is not None:
            check_url(url, allow_http=False)
        return url

    @field_validator("console_proxies")
    @classmethod
    def _networks(cls, text: str) -> str:
        networks_of(text)
        return text

    @field_validator("console_user_header")
    @classmethod
    def _header_name(cls, name: str | None) -> str | None:
        if name is not None and _HEADER.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no name of a header; write it like X-Forwarded-User")
        return name


def networks_of(text: str) -> tuple[Network, ...]:
    """Read addresses and networks, parted by blanks or commas. Raises ValueError."""
    try:
        return tuple(ipaddress.ip_network(part, strict=False) for part in re.split(r"[\s,]+", text) if part)
    except ValueError as exc:
        raise ValueError(f"{exc}; write addresses like 10.0.0.7 or networks like 10.0.0.0/24") from exc
