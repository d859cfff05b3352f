"""Under which names the console is reached, and from where: what a request may say of both."""

import ipaddress
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from batch_issuer.addresses import is_loopback
from batch_issuer.console_settings import Network, networks_of
from batch_issuer.settings import Settings

_FORWARDED_FOR: Final = "X-Forwarded-For"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorway:
    """The address of the console, and the proxies that it believes."""

    host: str
    """The host and port of `CONSOLE_URL`, or nothing: then the console is for this machine alone."""
    is_secure: bool
    """Whether browsers come by https."""
    proxies: tuple[Network, ...]
    user_header: str

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Read it from the settings."""
        url = urlsplit(settings.console_url or "")
        return cls(
            host=url.netloc.lower(),
            is_secure=url.scheme == "https",
            proxies=networks_of(settings.console_proxies),
            user_header=settings.console_user_header or "",
        )

    def is_ours(self, host: str) -> bool:
        """Tell whether a browser that names this host means the console.

        Another name that leads here is somebody's trick to read our pages with theirs.
        """
        if self.host and host.lower() == self.host:
            return True
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return is_loopback(name)

    def is_same_origin(self, request: web.Request) -> bool:
        """Tell whether a page of the console sent this request, as far as the browser says."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            return False
        origin = request.headers.get(hdrs.ORIGIN)
        return origin is None or urlsplit(origin).netloc.lower() == request.host.lower()

    def comes_by_proxy(self, request: web.Request) -> bool:
        """Tell whether a trusted proxy hands this request on."""
        return self._is_proxy(request.remote or "")

    def visitor_address(self, request: web.Request) -> str:
        """Tell who asks: the last address in the chain that is no trusted proxy."""
        chain = [request.remote or ""]
        if self.comes_by_proxy(request):
            forwarded = ",".join(request.headers.getall(_FORWARDED_FOR, []))
            chain = [*(part.strip() for part in forwarded.split(",") if part.strip()), *chain]
        return next((one for one in reversed(chain) if not self._is_proxy(one)), chain[0])[:64]

    def _is_proxy(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.proxies)
