"""Reaches a server as far as TLS, without asking it anything, and says how far that went."""

import asyncio
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit


class Reached(StrEnum):
    """How far one came, or what was wrong with the certificate."""

    SERVER = "server"
    NO_NAME = "no_name"
    NO_CONNECTION = "no_connection"
    NO_TLS = "no_tls"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    OTHER_HOST = "other_host"
    SELF_SIGNED = "self_signed"
    UNKNOWN_ISSUER = "unknown_issuer"


_CERTIFICATES: Final = {  # OpenSSL's X509_V_ERR numbers
    9: Reached.NOT_YET_VALID,
    10: Reached.EXPIRED,
    18: Reached.SELF_SIGNED,
    62: Reached.OTHER_HOST,
    64: Reached.OTHER_HOST,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What reaching a server brought."""

    reached: Reached
    reason: str = ""
    """What the system says, where it went wrong."""
    certificate_ends: datetime | None = None


async def reach(url: str, *, seconds: float, trusted: ssl.SSLContext | None = None) -> Reach:
    """Resolve a server's name, connect, and verify its certificate; it takes some seconds at most.

    `trusted` is what verifies it, by default what verifies the certificate of every call.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    context = None if parts.scheme != "https" else trusted or ssl.create_default_context()
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    try:
        async with asyncio.timeout_at(until):
            await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        return Reach(reached=Reached.NO_NAME, reason=_reason(exc, seconds))
    try:
        async with asyncio.timeout_at(until):
            return await _connect(host, port, context)
    except ssl.SSLCertVerificationError as exc:
        reached = _CERTIFICATES.get(exc.verify_code, Reached.UNKNOWN_ISSUER)
        return Reach(reached=reached, reason=exc.verify_message)
    except ssl.SSLError as exc:
        return Reach(reached=Reached.NO_TLS, reason=exc.reason or "no TLS")
    except OSError as exc:
        return Reach(reached=Reached.NO_CONNECTION, reason=_reason(exc, seconds))


async def _connect(host: str, port: int, context: ssl.SSLContext | None) -> Reach:
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        certificate = writer.get_extra_info("peercert")
    finally:
        writer.transport.abort()  # nothing was asked: there is no goodbye to wait for
        with suppress(OSError):
            await writer.wait_closed()
    ends = None
    if certificate and "notAfter" in certificate:
        ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    return Reach(reached=Reached.SERVER, certificate_ends=ends)


def _reason(exc: Exception, seconds: float) -> str:
    if isinstance(exc, TimeoutError):
        return f"no answer within {seconds:g} s"
    return getattr(exc, "strerror", None) or type(exc).__name__
