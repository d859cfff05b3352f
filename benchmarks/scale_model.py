"""A model of large runs on a cluster: where the time goes, what the database bears, and what breaks first.

It knows what one piece of each kind of work costs its resources (client, workers, database, API), as measured
by `benchmarks/cluster.py`, and says how long a stage takes: as long as its busiest resource, for the others
work meanwhile. Nothing waits for chance in it, so it tells the least time that a run can take.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_MILLION: Final = 1_000_000
_MINUTE: Final = 60.0


class Resource(StrEnum):
    """What work waits for."""

    CLIENT = "client"
    WORKERS = "workers"
    DATABASE = "database"
    API = "API"
    CORES = "cores of the one machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Seconds of one core that a piece of work takes, by whose core it is."""

    copy: float
    """Client, for a million rows: copy the input, synced, and digest it."""
    cut: float
    """Client, for a million rows: find the borders of parts."""
    check: float
    """A worker, for a million rows: read, validate, stage."""
    check_database: float
    """The database, for a million rows: take what is staged."""
    plan: float
    """A worker, for a million rows: find duplicates, count groups."""
    plan_database: float
    record: float
    """A worker, for a request: cut it and record it."""
    record_database: float
    send: float
    """A worker, for a request: claim, turn, POST, answer."""
    send_database: float
    pace_database: float
    """The database, for one call: its turn in the pace, in one row that all lanes of a key wait for."""
    report: float
    """Client, for a million rows: write the files."""
    report_database: float
    """The database, for a million rows of requests of a hundred."""


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

    @property
    def seconds(self) -> float:
        """The time of the busiest."""
        return max(self.busy.values())

    @property
    def bound_by(self) -> Resource:
        """The busiest."""
        return max(self.busy, key=lambda resource: self.busy[resource])

    def share(self, resource: Resource) -> float:
        """How much of the stage's time a resource is busy."""
        return self.busy.get(resource, 0.0) / self.seconds if self.seconds else 0.0


def predict(costs: Costs, cluster: Cluster, load: Load) -> list[StageTime]:
    """Say how long each stage of a load takes."""
    millions, requests = load.rows / _MILLION, load.requests
    return [
        _stage("copy the input", cluster, client=costs.copy * millions),
        _stage("cut it into parts", cluster, client=costs.cut * millions),
        _stage(
            "check the parts",
            cluster,
            workers=costs.check * millions,
            database=costs.check_database * millions,
        ),
        _stage("plan", cluster, workers=costs.plan * millions, database=costs.plan_database * millions),
        _stage("record", cluster, workers=costs.record * requests, database=costs.record_database * requests),
        _stage(
            "send",
            cluster,
            workers=costs.send * requests,
            database=(costs.send_database + costs.pace_database) * requests,
            # the row of a key's pace serves one call at a time
            api=max(_api_seconds(cluster, requests), costs.pace_database * requests / cluster.keys),
        ),
        _stage(
            "report",
            cluster,
            client=costs.report * millions,
            database=costs.report_database * millions,
        ),
    ]


def _api_seconds(cluster: Cluster, requests: float) -> float:
    if not cluster.calls_a_minute:
        return 0.0
    return requests / cluster.keys / cluster.calls_a_minute * _MINUTE / 0.99


def _stage(  # noqa: PLR0913 - one keyword for each resource
    name: str,
    cluster: Cluster,
    *,
    client: float = 0.0,
    workers: float = 0.0,
    database: float = 0.0,
    api: float = 0.0,
) -> StageTime:
    busy = {
        Resource.CLIENT: client / cluster.clients,
        Resource.WORKERS: workers / cluster.workers,
        Resource.DATABASE: database / cluster.database_cores,
        Resource.API: api,
    }
    if cluster.shared_cores is not None:
        busy[Resource.CORES] = (client + workers + database) / cluster.shared_cores
    return StageTime(name=name, busy=busy)
