"""Progress bars on standard error: rows checked, then requests with their rate and the time left."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm


@contextmanager
def beside_bars() -> Iterator[None]:
    """Print lines without tearing a bar that stands there."""
    with tqdm.external_write_mode(file=sys.stderr):
        yield


class TerminalProgress:
    """One bar at a time, drawn only where somebody looks."""

    def __init__(self, *, is_shown: bool) -> None:
        """Draw nothing unless `is_shown`."""
        self._is_shown = is_shown
        self._bar: tqdm[Any] | None = None
        self._is_checking = False

    def rows_checked(self, count: int) -> None:
        """Count rows that were read and checked."""
        if self._bar is None or not self._is_checking:  # the bar of an earlier file
            self.close()
            self._is_checking = True
            self._bar = self._open(total=None, description="Checking", unit=" rows")
        self._bar.update(count)

    def requests_planned(self, count: int) -> None:
        """Say how many requests will be sent."""
        self.close()
        self._is_checking = False
        self._bar = self._open(total=count, description="Submitting", unit=" requests")

    def more_planned(self, count: int) -> None:
        """Add requests to those that will be sent."""
        if self._bar is not None:
            self._bar.total = (self._bar.total or 0) + count
            self._bar.refresh()

    def request_at_rest(self) -> None:
        """Count a request that needs nothing more now."""
        if self._bar is not None:
            self._bar.update(1)

    def close(self) -> None:
        """Leave the last bar as it is."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _open(self, *, total: int | None, description: str, unit: str) -> "tqdm[Any]":
        return tqdm(total=total, desc=description, unit=unit, disable=not self._is_shown, dynamic_ncols=True)


class SummedProgress:
    """One bar over several files: rows checked until the first is sent, then the requests of all."""

    def __init__(self, *, is_shown: bool) -> None:
        """Draw nothing unless `is_shown`."""
        self._bars = TerminalProgress(is_shown=is_shown)
        self._is_sending = False

    def rows_checked(self, count: int) -> None:
        """Count rows of any file, as long as none is sent."""
        if not self._is_sending:
            self._bars.rows_checked(count)

    def requests_planned(self, count: int) -> None:
        """Add the requests of one more file."""
        if self._is_sending:
            self._bars.more_planned(count)
        else:
            self._is_sending = True
            self._bars.requests_planned(count)

    def request_at_rest(self) -> None:
        """Count a request of any file that needs nothing more now."""
        self._bars.request_at_rest()

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bars.close()
