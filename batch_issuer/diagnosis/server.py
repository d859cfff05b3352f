"""Checks of the way to the server: its name, a connection, and its certificate."""

import ssl
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from batch_issuer.addresses import is_loopback
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.diagnosis.findings import Finding, Findings, not_checked, ok, problem, warning
from batch_issuer.gateway import Reach, Reached, reach

_SECONDS: Final = 10.0
_SOON: Final = timedelta(days=30)
_AUTHORITY: Final = "where your organisation signs its own, name its authority's file in SSL_CERT_FILE"
_WAYS: Final = {
    Reached.NO_NAME: ("no name server knows {host}", "check BASE_URL, and this machine's name servers"),
    Reached.NO_CONNECTION: ("{host} can't be connected to", "check BASE_URL, the network and the firewall"),
}
_CERTIFICATES: Final = {
    Reached.NO_TLS: (
        "{host} does not speak TLS there",
        "check the port in BASE_URL, and what stands between",
    ),
    Reached.EXPIRED: ("the certificate of {host} has expired", "ask whoever runs it to renew it"),
    Reached.NOT_YET_VALID: ("the certificate of {host} is not valid yet", "check this machine's clock"),
    Reached.OTHER_HOST: ("the certificate is another host's than {host}", "check BASE_URL"),
    Reached.SELF_SIGNED: ("the certificate of {host} is self-signed", _AUTHORITY),
    Reached.UNKNOWN_ISSUER: ("nobody this machine trusts signed the certificate of {host}", _AUTHORITY),
}


async def check_server(
    url: str, *, timeout_seconds: float, now: datetime, trusted: ssl.SSLContext | None = None
) -> tuple[Findings, bool]:
    """Check the way to the server, and tell whether it can be called."""
    seconds = min(_SECONDS, timeout_seconds / 2)
    met = await reach(url, seconds=seconds, trusted=trusted)
    host = urlsplit(url).netloc
    if met.reached in _WAYS:
        return [
            _lost("server", _WAYS, met, host),
            not_checked("certificate", "there is no connection"),
        ], False
    findings = [ok("server", f"{host} can be connected to")]
    if met.reached in _CERTIFICATES:
        return [*findings, _lost("certificate", _CERTIFICATES, met, host)], False
    return [*findings, _check_certificate(url, met, now)], True


def _lost(check: str, words: dict[Reached, tuple[str, str]], met: Reach, host: str) -> Finding:
    found, advice = words[met.reached]
    return problem(check, f"{found.format(host=host)} ({met.reason})", advice, code=ExitCode.NOT_FINISHED)


def _check_certificate(url: str, met: Reach, now: datetime) -> Finding:
    parts = urlsplit(url)
    if parts.scheme == "http":
        if is_loopback(parts.hostname or ""):
            return ok("certificate", "none, and none is needed: the server is on this machine")
        return warning("certificate", "calls and credentials go out without TLS", "use https in BASE_URL")
    if met.certificate_ends is None:
        return ok("certificate", "is valid")
    left = met.certificate_ends - now
    found = f"is valid until {met.certificate_ends:%Y-%m-%d}"
    if left < _SOON:
        advice = "ask whoever runs the server to renew it in time"
        return warning("certificate", f"{found}, {_days(left)} from now", advice)
    return ok("certificate", found)


def _days(left: timedelta) -> str:
    days = max(left.days, 0)
    return f"{days} {'day' if days == 1 else 'days'}"
