"""Reads back what earlier runs left in a metrics file: its counters go on, and each command's end stays."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from batch_issuer.gateway import Operation
from batch_issuer.metrics import families as f
from batch_issuer.metrics.measurements import Durations, Measurements
from batch_issuer.metrics.rendering import BUCKETS, NO_ANSWER
from batch_issuer.metrics.runs import RunEnd

_LARGEST: Final = 1_000_000
"""Bytes; a file of ours has some thousands."""
_COMMAND: Final = re.compile("[a-z]{1,20}")
_STATUS: Final = re.compile("[1-9][0-9]{2}")
_OPERATIONS: Final = frozenset(Operation)
Values = Mapping[tuple[str, ...], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What earlier runs left."""

    runs: Mapping[str, RunEnd] = field(default_factory=dict)
    measurements: Measurements = field(default_factory=Measurements)


def read_earlier(path: Path) -> Earlier:
    """Read a metrics file; one that is not there, or is none of ours, holds nothing."""
    try:
        if path.stat().st_size > _LARGEST:
            return Earlier()
        samples = list(_samples(path.read_text("utf-8")))
        return Earlier(runs=_runs(samples), measurements=_measurements(samples))
    except (OSError, ValueError):
        return Earlier()


Sample = tuple[str, Mapping[str, str], float]


def _samples(text: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if 0 <= sample.value < math.inf:  # whatever else stands there is none of ours
                yield sample.name, sample.labels, sample.value


def _of(samples: list[Sample], name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """Return the values of one metric by its labels."""
    return {
        tuple(given.get(label, "") for label in labels): value
        for known, given, value in samples
        if known == name
    }


def _runs(samples: list[Sample]) -> dict[str, RunEnd]:
    at, codes, seconds = (_of(samples, family.name, "command") for family in f.OF_RUNS)
    return {
        command: RunEnd(at=at[key], code=int(codes[key]), seconds=seconds[key])
        for key in at.keys() & codes.keys() & seconds.keys()
        if _COMMAND.fullmatch(command := key[0])
    }


def _measurements(samples: list[Sample]) -> Measurements:
    found = Measurements()
    for (operation, status), count in _of(samples, f.RESPONSES.name, "operation", "http_status").items():
        if operation in _OPERATIONS and (status == NO_ANSWER or _STATUS.fullmatch(status)):
            number = None if status == NO_ANSWER else int(status)
            found.responses[Operation(operation), number] = int(count)
    buckets = _of(samples, f"{f.DURATION.name}_bucket", "operation", "le")
    sums = _of(samples, f"{f.DURATION.name}_sum", "operation")
    for one in Operation:
        _take_durations(found.durations[one], one, buckets, sums)
    found.pace = _of(samples, f.PACE.name).get(())
    return found


def _take_durations(into: Durations, operation: Operation, buckets: Values, sums: Values) -> None:
    """Take the durations of an operation, where they were counted in the buckets of today."""
    if all((operation, bound) in buckets for bound in BUCKETS):
        reached = [0, *(int(buckets[operation, bound]) for bound in BUCKETS)]
        counts = [after - before for before, after in pairwise(reached)]
        if min(counts) >= 0:
            into.counts, into.seconds = counts, sums.get((operation,), 0.0)
