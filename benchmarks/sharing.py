"""Record a large batch while another one submits on the same ledger, and see what that one loses.

`python -m benchmarks.sharing --rows 10_000_000` takes a gigabyte of disk and some minutes. The small batch
is paced, so that what it loses is lost to the ledger, and not to the processor: its rate alone, and its rate
while the large one is checked and recorded, come from one run.
"""

import argparse
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

COMMAND = (sys.executable, "-m", "batch_issuer")
ROOT = Path(__file__).parent.parent
BADGES = tuple(f"{number:024x}" for number in range(1, 51))
_POLL = 0.25
_WARM_UP = 3.0


@dataclass(slots=True, kw_only=True)
class Measured:
    """What one run brought."""

    alone: float
    """Requests a second that the small batch submitted while nobody else worked."""
    beside: float
    """The same while the large batch was checked and recorded."""
    seconds: float
    """How long checking and recording took."""
    least_lease: float
    """Seconds that were left of the small batch's lease when it was nearest to its end."""
    leases: list[float] = field(default_factory=list)


def main() -> int:
    """Measure once and print a table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--rows", type=int, default=10_000_000, help="rows of the large batch")
    options.add_argument("--rate", type=int, default=3_000, help="requests a minute of the small batch")
    options.add_argument("--alone", type=float, default=20.0, help="seconds that the small batch is alone")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(Path(folder), rows=chosen.rows, rate=chosen.rate, alone=chosen.alone)
    lost = 1 - measured.beside / measured.alone
    print(f"small batch alone            {measured.alone:8.1f} requests/s")  # noqa: T201 - its answer
    print(f"beside {chosen.rows:>12,} rows   {measured.beside:8.1f} requests/s ({lost:+.1%} lost)")  # noqa: T201
    print(f"checked and recorded in      {measured.seconds:8.1f} s")  # noqa: T201
    print(f"least left of its lease      {measured.least_lease:8.1f} s")  # noqa: T201
    return 0


def measure(folder: Path, *, rows: int, rate: int, alone: float) -> Measured:
    """Run both batches against a sandbox."""
    _write_rows(folder / "small.csv", 500_000, first=1)
    _write_rows(folder / "large.csv", rows, first=10**12)
    with _sandbox() as settings:
        pace = ("--rate", str(rate), "--concurrency", "8", "--chunk-size", "10")
        with _command(folder, settings, "issue", "small.csv", *pace) as small:
            _wait_until(small, lambda: _submitted(folder) > 0)
            time.sleep(_WARM_UP)
            rate_alone = _rate_over(folder, alone)
            return _beside(folder, settings, rate_alone)


def _beside(folder: Path, settings: dict[str, str], rate_alone: float) -> Measured:
    """Measure the small batch while the large one is not accepted yet."""
    # of another organisation, so that it neither shares the small one's pace nor sends anything that counts
    other = {**settings, "BATCH_ISSUER_ORG_ID": "1"}
    begun, before = time.monotonic(), _submitted(folder)
    leases = []
    with _command(folder, other, "issue", "large.csv", "--rate", "1", "--no-check-badges") as large:
        while large.poll() is None and not _is_accepted(folder, "large.csv"):
            leases.append(_left_of_lease(folder))
            time.sleep(_POLL)
        seconds = time.monotonic() - begun
        rate_beside = (_submitted(folder) - before) / seconds
        if not _is_accepted(folder, "large.csv"):  # once it is, its end does not matter any more
            raise RuntimeError(f"the large batch ended with {large.returncode}")
    return Measured(
        alone=rate_alone, beside=rate_beside, seconds=seconds, least_lease=min(leases), leases=leases
    )


def _rate_over(folder: Path, seconds: float) -> float:
    begun, before = time.monotonic(), _submitted(folder)
    time.sleep(seconds)
    return (_submitted(folder) - before) / (time.monotonic() - begun)


def _write_rows(path: Path, rows: int, *, first: int) -> None:
    with path.open("w") as file:
        file.write("customer_id,badge_meta_id\n")
        file.writelines(f"{first + n},{BADGES[n % len(BADGES)]}\n" for n in range(rows))


def _environment(settings: dict[str, str]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BATCH_ISSUER_")}
    return {**clean, **settings, "PYTHONPATH": str(ROOT)}


@contextmanager
def _sandbox() -> Iterator[dict[str, str]]:
    """Start a sandbox that only takes requests in, and yield the settings for it."""
    process = subprocess.Popen(
        [*COMMAND, "sandbox", "--port", "0"], env=_environment({}), stdout=subprocess.PIPE, text=True
    )
    with process:
        settings: dict[str, str] = {}
        assert process.stdout is not None  # noqa: S101 - for the type alone: it is a pipe
        for line in process.stdout:
            if found := re.match(r"\s+export (\w+)=(\S+)", line):
                settings[found[1]] = found[2]
            elif settings:
                break
        try:
            yield settings
        finally:
            process.terminate()
            process.communicate(timeout=20)


@contextmanager
def _command(folder: Path, settings: dict[str, str], *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [*COMMAND, "-q", *arguments],
        cwd=folder,
        env=_environment(settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _wait_until(process: "subprocess.Popen[bytes]", holds: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the small batch does not send")
        time.sleep(_POLL)


def _submitted(folder: Path) -> int:
    """Count the requests of the small batch that the server has taken."""
    if not (folder / "output" / "ledger.db").exists():
        return 0
    with _ledger(folder) as connection:
        query = (
            "select count(*) from requests join batches using (batch)"
            " where input_name = 'small.csv' and requests.stage = 'submitted'"
        )
        try:
            return int(connection.execute(query).fetchone()[0])
        except sqlite3.OperationalError:  # no tables yet
            return 0


@contextmanager
def _ledger(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(
        sqlite3.connect(f"file:{folder}/output/ledger.db?mode=ro", uri=True, timeout=10)
    ) as connection:
        yield connection


def _is_accepted(folder: Path, name: str) -> bool:
    with _ledger(folder) as connection:
        query = "select stage from batches where input_name = ?"
        return bool(connection.execute(query, (name,)).fetchone() == ("accepted",))


def _left_of_lease(folder: Path) -> float:
    """Return the seconds that are left of the small batch's lease."""
    with _ledger(folder) as connection:
        query = (
            "select expires_uptime from leases join batches on batches.batch = leases.name"
            " where input_name = 'small.csv'"
        )
        (expires,) = connection.execute(query).fetchone()
    return float(expires / 1e6 - time.clock_gettime(time.CLOCK_BOOTTIME))


if __name__ == "__main__":
    sys.exit(main())
