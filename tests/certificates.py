"""Certificates for tests, made by the openssl command when they are needed: none is kept or grows old."""

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Signs certificates, and is trusted by those who are told to."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "authority.pem"

    def trusted(self) -> ssl.SSLContext:
        """Return what verifies a server's certificate by this authority alone."""
        return ssl.create_default_context(cafile=str(self.file))

    def serving(self, *, address: str = "127.0.0.1", days: int = 365) -> ssl.SSLContext:
        """Return what serves with a certificate that this authority signed for so many days from now."""
        folder = self.folder
        (folder / "names").write_text(f"subjectAltName=IP:{address}\n")
        _openssl(
            *("req", *_KEY, "-subj", "/CN=an invented server"),
            *("-keyout", str(folder / "server.key"), "-out", str(folder / "server.csr")),
        )
        _openssl(
            *("x509", "-req", "-in", str(folder / "server.csr"), "-days", str(days)),
            *("-CA", str(self.file), "-CAkey", str(folder / "authority.key"), "-CAcreateserial"),
            *("-extfile", str(folder / "names"), "-out", str(folder / "server.pem")),
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem", folder / "server.key")
        return context


def make_authority(folder: Path) -> Authority:
    """Make an authority that only a test knows."""
    authority = Authority(folder=folder)
    _openssl(
        *("req", "-x509", *_KEY, "-subj", "/CN=an invented authority", "-days", "3650"),
        *("-keyout", str(folder / "authority.key"), "-out", str(authority.file)),
    )
    return authority


def _openssl(*arguments: str) -> None:
    program = shutil.which("openssl")
    assert program, "needs the openssl command (on Debian and Ubuntu: apt install openssl)"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
