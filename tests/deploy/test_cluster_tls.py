"""A scheduler and a worker as the recipe starts them, with the certificates that the page makes."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, Security

from tests.deploy.command_lines import DEPLOY, HOW_TO, blocks
from tests.deploy.manifests import documents

pytestmark = pytest.mark.cluster

RECIPE = DEPLOY / "kubernetes" / "cluster"
(MAKE_CERTIFICATES,) = (
    block for block in blocks((HOW_TO / "cluster.md").read_text(), "sh") if "openssl" in block
)
_SECONDS = 60
_SOON = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A scheduler and a worker that run."""

    folder: Path
    address: str
    health: Sequence[str]


def make_certificates(folder: Path) -> Path:
    """Do what the page says, and return the folder of the certificates."""
    folder.mkdir()
    shell = ["bash", "-euo", "pipefail", "-c", MAKE_CERTIFICATES]
    done = subprocess.run(shell, cwd=folder, capture_output=True, text=True, check=False, timeout=_SECONDS)
    assert done.returncode == 0, done.stderr
    return folder


def security(folder: Path) -> Security:
    """Return what a client says that has the certificates of a folder."""
    return Security(  # type: ignore[no-untyped-call]  # Dask is typed in parts
        tls_ca_file=str(folder / "ca.crt"),
        tls_client_cert=str(folder / "tls.crt"),
        tls_client_key=str(folder / "tls.key"),
        require_encryption=True,
    )


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


def arguments(file: str, replaced: dict[str, str]) -> list[str]:
    """Return the arguments of a container in the recipe, with places of this machine."""
    (deployment,) = (d for d in documents(RECIPE / file) if d["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    found = container["args"]
    for theirs, ours in replaced.items():
        assert any(theirs in word for word in found), theirs
        found = [word.replace(theirs, ours) for word in found]
    return [*found, "--host=127.0.0.1"]


@contextmanager
def running(words: Sequence[str], log: Path) -> Iterator[None]:
    """Run a command of Dask with the recipe's settings; it must end in order when it is asked to."""
    dask = Path(sys.executable).with_name("dask")
    (settings,) = (
        d["data"] for d in documents(RECIPE / "settings.yaml") if d["metadata"]["name"] == "batch-issuer-dask"
    )
    with log.open("w") as file:
        process = subprocess.Popen(
            [dask, *words],
            env=os.environ | settings,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield
            process.terminate()
            process.wait(timeout=_SECONDS)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    assert process.returncode in {0, 128 + signal.SIGTERM}, log.read_text()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    place = tmp_path_factory.mktemp("cluster")
    folder = make_certificates(place / "tls")
    port, health, worker, nanny, worker_health = map(str, free_ports(5))
    tls = {"/run/secrets/tls": str(folder)}
    scheduler = arguments("scheduler.yaml", {**tls, "8786": port, ":8787": f"127.0.0.1:{health}"})
    replaced = {
        "=/tmp": f"={place / 'worker'}",
        **tls,
        "batch-issuer-scheduler": "127.0.0.1",
        "8786": port,
        ":8787": f"127.0.0.1:{worker_health}",
        "=8788": f"={worker}",
        "=8789": f"={nanny}",
    }
    with (
        running(scheduler, place / "scheduler.log"),
        running(arguments("workers.yaml", replaced), place / "worker.log"),
    ):
        yield Cluster(
            folder=folder,
            address=f"127.0.0.1:{port}",
            health=[f"http://127.0.0.1:{health}", f"http://127.0.0.1:{worker_health}"],
        )


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    async with connect(f"tls://{cluster.address}", security(cluster.folder), _SECONDS) as found:
        await found.wait_for_workers(1, timeout=_SECONDS)
        yield found


def connect(address: str, secured: Security | None, seconds: float) -> Client:
    return Client(address, security=secured, asynchronous=True, set_as_default=False, timeout=seconds)  # type: ignore[no-untyped-call]


async def refusal(address: str, secured: Security | None) -> str:
    """Return why a connection came to nothing."""
    found = connect(address, secured, _SOON)
    with pytest.raises((OSError, RuntimeError, TypeError)) as raised:
        await found
    await found.close(timeout=_SOON)  # type: ignore[no-untyped-call]
    return f"{type(raised.value).__name__} {raised.value}"


async def test_whoever_has_a_certificate_has_work_done(client: Client) -> None:
    done: Any = client.submit(os.getpid, pure=False)
    assert await done.result() != os.getpid()
    threads = await client.nthreads()  # type: ignore[no-untyped-call]
    assert list(threads.values()) == [2]
    assert all(address.startswith("tls://") for address in threads)


async def test_nobody_else_gets_in(client: Client, cluster: Cluster, tmp_path: Path) -> None:
    others = make_certificates(tmp_path / "others")
    (others / "ca.crt").write_text((cluster.folder / "ca.crt").read_text())
    assert "SSL" in await refusal(f"tls://{cluster.address}", security(others))
    (worker,) = await client.nthreads()  # type: ignore[no-untyped-call]
    for address in (cluster.address, worker.removeprefix("tls://")):
        assert await refusal(f"tcp://{address}", None)


async def test_by_http_they_say_that_they_are_well_and_nothing_else(client: Client, cluster: Cluster) -> None:
    def ask(address: str) -> int:
        try:
            with urllib.request.urlopen(address, timeout=_SOON) as answer:  # noqa: S310 - http, of our own
                status: int = answer.status
        except urllib.error.HTTPError as exc:
            with exc:
                status = exc.code
        return status

    assert await client.nthreads()  # type: ignore[no-untyped-call]
    for server in cluster.health:
        statuses = [
            await asyncio.to_thread(ask, f"{server}/{page}")
            for page in ("health", "info/main/workers.html", "json/identity.json", "metrics", "status")
        ]
        assert statuses == [200, 404, 404, 404, 404]
