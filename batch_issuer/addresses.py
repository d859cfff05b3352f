"""Addresses of the API and of ledgers: which may be used, and how they are shown."""

import ipaddress
import re
from urllib.parse import parse_qs, urlsplit


def check_url(url: str, *, allow_http: bool) -> None:
    """Raise ValueError for an address of the API that must not be used."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is no address; write it as https://host") from None
    if parts.scheme not in {"http", "https"} or not host or re.search(r"[\s\\]", url):
        raise ValueError("must be https://host")
    if "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be https://host alone; paths belong in WORKFLOW_PATH and REQUESTS_PATH")
    if parts.scheme == "http" and not (allow_http or is_loopback(host)):
        raise ValueError("must use https (plain http only for this machine, or with ALLOW_HTTP=true)")


def check_ledger(url: str) -> None:
    """Raise ValueError for a ledger that would not last, or whose password would show."""
    path = url.removeprefix("sqlite:///")
    if url.startswith("postgresql://"):
        try:
            parts = urlsplit(url)
        except ValueError:
            raise ValueError("is no address; write it as postgresql://USER@HOST/NAME") from None
        if "password" in parse_qs(parts.query):
            raise ValueError("must hold its password before the @: postgresql://USER:PASSWORD@HOST/NAME")
    # SQLite keeps a nameless ledger, or one of these, in memory: it would be lost with the process
    elif path in {url, ""} or path.startswith((":memory:", "file:")) or "?" in path:
        raise ValueError("must be sqlite:///PATH or postgresql://USER@HOST/NAME")


def password_of(url: str) -> str:
    """Return the password in a ledger's URL, as it stands there."""
    return (urlsplit(url).password or "") if url.startswith("postgresql://") else ""


def without_password(url: str) -> str:
    """Return a ledger's URL as it may be shown."""
    password = password_of(url)
    return url.replace(f":{password}@", ":***@", 1) if password else url


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address can only be this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"  # names below it are asked of a name server here and there
