"""A model of large runs on a cluster: where the time goes, what the database bears, and what breaks first.

It knows how long each kind of work keeps the client, the workers and the database busy, as measured by
`benchmarks/cluster.py`, and says between what a stage takes: as long as its busiest resource, where the
others work meanwhile, and as long as all of them one after the other. Nothing waits for chance in it.

`python -m benchmarks.scale_model` prints what it says of what was measured, and of a billion rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from batch_issuer.planning import estimate_seconds

_MILLION: Final = 1_000_000


class Resource(StrEnum):
    """What work waits for."""

    CLIENT = "client"
    WORKERS = "workers"
    DATABASE = "database"
    PACE = "the pace's row"
    API = "API"
    CORES = "cores of the one machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Seconds of one core that a piece of work takes, by whose core it is."""

    copy: float
    """Client, for a million rows: copy the input, synced, digest it, and find the borders of parts."""
    check: float
    """A worker, for a million rows: read, validate, stage."""
    check_database: float
    plan: float
    """A worker, for a million rows: find duplicates, count groups."""
    plan_database: float
    record: float
    """A worker, for a request: cut it and record it."""
    record_database: float
    send: float
    """A worker, for a request: claim, turn, POST, answer."""
    send_database: float
    turn: float
    """From one turn in the pace of a key to the next, at least: they wait for one row."""
    report: float
    """Client, for a million rows: write the files."""
    report_database: float


MEASURED: Final = Costs(
    copy=0.096,
    check=0.336,
    check_database=0.108,
    plan=0.121,
    plan_database=0.096,
    record=55e-6,
    record_database=70e-6,
    send=2.1e-3,
    send_database=0.9e-3,
    turn=3.8e-3,
    report=0.64,
    report_database=0.37,
)
"""On two cores; docs/explanation/scale.md says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What there is to work with."""

    workers: int
    database_cores: int
    clients: int = 1
    keys: int = 1
    calls_a_minute: float = 0
    """What each key allows; 0 is unlimited."""
    shared_cores: int | None = None
    """How many cores all of it has together, where it is one machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is to be issued: over all keys, in equal shares."""

    rows: int
    chunk_size: int = 100

    @property
    def requests(self) -> float:
        """How many requests that takes, of full chunks."""
        return self.rows / self.chunk_size


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """How long a stage takes, and why."""

    name: str
    busy: Mapping[Resource, float] = field(default_factory=dict)
    """Seconds for which each resource is busy, all of it."""

    one_by_one: float = 0.0
    """Seconds that pass where a piece of work waits for each of its resources in turn."""

    @property
    def least(self) -> float:
        """The time of the busiest."""
        return max(self.busy.values())

    @property
    def most(self) -> float:
        """The time where nothing is done meanwhile."""
        return max(self.least, self.one_by_one)

    @property
    def bound_by(self) -> Resource:
        """The busiest."""
        return max(self.busy, key=lambda resource: self.busy[resource])


def predict(costs: Costs, cluster: Cluster, load: Load) -> list[StageTime]:
    """Say how long each stage of a load takes."""
    millions, requests = load.rows / _MILLION, load.requests
    copied, checked, planned = (
        _stage("copy and cut", cluster, client=costs.copy * millions),
        _stage("check", cluster, workers=costs.check * millions, database=costs.check_database * millions),
        _stage("plan", cluster, workers=costs.plan * millions, database=costs.plan_database * millions),
    )
    recorded = _stage(
        "record", cluster, workers=costs.record * requests, database=costs.record_database * requests
    )
    sent = _stage("send", cluster, workers=costs.send * requests, database=costs.send_database * requests)
    limits = {
        Resource.PACE: costs.turn * requests / cluster.keys,
        Resource.API: _api_seconds(cluster, requests),
    }
    reported = _stage(
        "report", cluster, client=costs.report * millions, database=costs.report_database * millions
    )
    return [copied, checked, planned, recorded, replace(sent, busy={**sent.busy, **limits}), reported]


def _api_seconds(cluster: Cluster, requests: float) -> float:
    if not cluster.calls_a_minute:
        return 0.0
    return estimate_seconds(int(requests / cluster.keys), rate=cluster.calls_a_minute)


def _stage(
    name: str, cluster: Cluster, *, client: float = 0.0, workers: float = 0.0, database: float = 0.0
) -> StageTime:
    busy = {
        Resource.CLIENT: client / cluster.clients,
        Resource.WORKERS: workers / cluster.workers,
        Resource.DATABASE: database / cluster.database_cores,
    }
    places = cluster.workers if workers else cluster.clients
    one_by_one = (client + workers + database) / places
    if cluster.shared_cores is not None:
        busy[Resource.CORES] = (client + workers + database) / cluster.shared_cores
    return StageTime(name=name, busy=busy, one_by_one=one_by_one)


HERE: Final = (
    (
        "one worker, 10 million rows",
        Cluster(workers=1, database_cores=2, shared_cores=2),
        Load(rows=10 * _MILLION),
    ),
    (
        "two workers, 10 million rows",
        Cluster(workers=2, database_cores=2, shared_cores=2),
        Load(rows=10 * _MILLION),
    ),
)
LARGE: Final = (
    (
        f"a billion rows, 100 workers, 10 keys of {calls:,} calls a minute",
        Cluster(workers=100, database_cores=16, clients=10, keys=10, calls_a_minute=calls),
        Load(rows=1000 * _MILLION),
    )
    for calls in (100, 1_000, 10_000)
)


def main() -> None:
    """Print what the model says."""
    for name, cluster, load in (*HERE, *LARGE):
        print(f"\n{name}\n")  # noqa: T201 - its answer
        for stage in predict(MEASURED, cluster, load):
            busy = ", ".join(f"{which} {seconds:,.1f} s" for which, seconds in stage.busy.items() if seconds)
            print(f"{stage.name:<13} {stage.least:>12,.1f} to {stage.most:>12,.1f} s  ({busy})")  # noqa: T201


if __name__ == "__main__":
    main()
