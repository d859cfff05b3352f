"""How a list misleads: late entries, entries that repeat, entries that slip past a caller who pages."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from batch_issuer.sandbox.fates import roll
from batch_issuer.sandbox.listing import Query
from batch_issuer.sandbox.records import Record
from batch_issuer.sandbox.scenario import Scenario

_MISSING_SWEEPS = 0.5


class ListLies:
    """Lies as the scenario says; `pagination` still tells the truth about what the list knows."""

    def __init__(self, *, scenario: Scenario, clock: Callable[[], float]) -> None:
        self._scenario = scenario
        self._clock = clock
        self._sweeps = 0

    def known(self, records: Iterable[Record]) -> Iterator[Record]:
        """Give the requests that the list knows of by now."""
        until = self._clock() - self._scenario.list_lag_seconds
        return (record for record in records if record.accepted_at <= until)

    def page(self, found: Sequence[Record], query: Query) -> list[Record]:
        """Give one page of what a query found; reading the first page begins a sweep."""
        if query.page == 0:
            self._sweeps += 1
        return [entry for record in self._shifted(found, query) for entry in self._repeated(record)]

    def _shifted(self, found: Sequence[Record], query: Query) -> Sequence[Record]:
        start = query.page * query.limit
        match self._scenario.list_shift:
            case "repeat" if query.limit > 1:
                # One new entry came in before each further page; with pages of one nobody would get on.
                start -= query.page
            case "miss" if 0 < start < len(found) and self._misses():
                # The first entry of this page went to an earlier one, whose last entry is pushed on to this.
                return [found[start - 1], *found[start + 1 : start + query.limit]]
        return found[start : start + query.limit]

    def _misses(self) -> bool:
        thrown = roll(self._scenario.seed, "sweep", self._sweeps)
        return self._sweeps <= 1 or thrown < _MISSING_SWEEPS

    def _repeated(self, record: Record) -> tuple[Record, ...]:
        repeats = roll(self._scenario.seed, "entry", record.number) < self._scenario.list_repeat_share
        return (record, record) if repeats else (record,)
