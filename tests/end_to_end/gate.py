"""A gate in front of a server: it notes when each call came, and may turn some away."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_TOO_MANY_REQUESTS = 429


@dataclass(slots=True, kw_only=True)
class Gate:
    """What came, and which call is told to come again."""

    server: str
    turned_away: int
    """The call, counted from 1, that is answered 429."""
    retry_after: int
    url: str = ""
    times: list[float] = field(default_factory=list)
    """When each call came."""
    told_at: float = 0.0
    """When that call was answered."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def let_in(self) -> bool:
        """Note a call, and tell whether it may pass."""
        with self._lock:
            self.times.append(time.monotonic())
            if len(self.times) != self.turned_away:
                return True
            self.told_at = time.monotonic()
            return False


@contextmanager
def open_gate(server: str, *, turned_away: int, retry_after: int) -> Iterator[Gate]:
    """Open a gate on loopback in front of a server."""
    gate = Gate(server=server, turned_away=turned_away, retry_after=retry_after)

    class Handler(_Handler):
        passing = gate

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        gate.url = f"http://127.0.0.1:{listener.server_port}"
        serving = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield gate
        finally:
            listener.shutdown()
            serving.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    passing: Gate

    def pass_on(self) -> None:
        """Answer as the server behind does, or that it is too much."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.passing.let_in():
            status, headers, answer = self._ask(body)
        else:
            status, headers, answer = _TOO_MANY_REQUESTS, {"Retry-After": str(self.passing.retry_after)}, b""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = pass_on  # noqa: N815 - the names that the base class looks for

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection(urlsplit(self.passing.server).netloc, timeout=20)
        try:
            connection.request(self.command, self.path, body=body, headers=dict(self.headers.items()))
            answer = connection.getresponse()
            kind = {"Content-Type": answer.headers.get_content_type()}
            return answer.status, kind, answer.read()
        finally:
            connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
        """Say nothing."""
