"""Writes metrics as the text that Prometheus reads."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from batch_issuer import __version__
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.metrics import families as f
from batch_issuer.metrics.families import Family, Kind
from batch_issuer.metrics.figures import OTHER, STATES, LedgerFigures
from batch_issuer.metrics.measurements import BOUNDS, Durations, Measurements
from batch_issuer.metrics.runs import RunEnd

NO_ANSWER: Final = "none"
BUCKETS: Final = (*(repr(bound) for bound in BOUNDS), "+Inf")
Sample = tuple[tuple[str, ...], float]
Metric = GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily


def render_metrics(
    *,
    figures: LedgerFigures | None,
    runs: Mapping[str, RunEnd],
    measurements: Measurements,
    now: datetime,
) -> bytes:
    """Write how the batches stand (where that could be read), how commands ended, and what was measured."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected([*_all(figures, runs, measurements, now)]))
    return generate_latest(registry)


class _Collected(Collector):
    """Hands metrics that are complete to a registry."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _all(
    figures: LedgerFigures | None, runs: Mapping[str, RunEnd], measurements: Measurements, now: datetime
) -> Iterator[Metric]:
    yield _metric(f.BUILD, [((__version__,), 1)])
    if figures is not None:
        yield from _of_the_ledger(figures, now)
    ends = sorted(runs.items())
    yield _metric(f.LAST_RUN, (((command,), end.at) for command, end in ends))
    yield _metric(f.LAST_CODE, (((command,), end.code) for command, end in ends))
    yield _metric(f.LAST_SECONDS, (((command,), end.seconds) for command, end in ends))
    yield _metric(f.PACE, _one(measurements.pace))
    yield _metric(f.RESPONSES, _responses(measurements))
    yield _durations(measurements)


def _of_the_ledger(figures: LedgerFigures, now: datetime) -> Iterator[Metric]:
    since, success = figures.pending_since, figures.last_success
    states = (*STATES, OTHER)
    yield _metric(f.ROWS, (((one.value,), figures.rows.get(one, 0)) for one in Outcome))
    yield _metric(f.REQUESTS, (((state,), figures.requests.get(state, 0)) for state in states))
    yield _metric(f.STATUSES, (((str(status),), n) for status, n in sorted(figures.statuses.items())))
    yield _metric(f.ATTEMPTS, _one(figures.attempts))
    yield _metric(f.UNFINISHED, _one(figures.unfinished))
    yield _metric(f.PENDING_SECONDS, _one(max((now - since).total_seconds(), 0) if since else 0))
    yield _metric(f.PENDING_SINCE, _one(since.timestamp() if since else None))
    yield _metric(f.LAST_SUCCESS, _one(success.timestamp() if success else None))


def _one(value: float | None) -> list[Sample]:
    return [] if value is None else [((), value)]


def _metric(family: Family, samples: Iterable[Sample]) -> Metric:
    kind = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for labels, value in samples:
        metric.add_metric(labels, value)
    return metric


def _responses(measurements: Measurements) -> list[Sample]:
    counted = measurements.responses.items()
    return sorted(
        ((operation.value, NO_ANSWER if status is None else str(status)), count)
        for (operation, status), count in counted
    )


def _durations(measurements: Measurements) -> HistogramMetricFamily:
    metric = HistogramMetricFamily(f.DURATION.name, f.DURATION.help, labels=f.DURATION.labels)
    for operation, durations in measurements.durations.items():
        metric.add_metric([operation.value], _buckets(durations), durations.seconds)
    return metric


def _buckets(durations: Durations) -> list[tuple[str, float]]:
    return list(zip(BUCKETS, accumulate(durations.counts), strict=True))
