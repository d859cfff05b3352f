"""Progress bars on standard error: rows checked, then requests with their rate and the time left."""

from typing import Any

from tqdm import tqdm


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
