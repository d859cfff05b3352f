"""The list of requests: what a query may say, and which requests it finds."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from batch_issuer.sandbox.answers import MAKER_USER_ID, start_of_cluster_day
from batch_issuer.sandbox.records import Record, State
from batch_issuer.sandbox.refusals import BreachError

OUR_TYPE = "ISSUE-BADGE"
_TYPES = (
    OUR_TYPE,
    "EARN-BADGE",
    "GOODWILL-POINTS",
    "POINTS-REDEMPTION",
    "CUSTOMER-STATUS-CHANGE",
    "RETRO-TRANSACTION",
)
_ENTITIES = ("tillId", "storeId", "zoneId", "conceptId")
_PARAMETERS = {
    "requestType",
    "states",
    "startDate",
    "endDate",
    "limit",
    "PageNo",
    "sortBy",
    "sortOrder",
    "userId",
    *_ENTITIES,
}
_DEFAULT_LIMIT = 10
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")
_DAY_SECONDS = 24 * 60 * 60
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a list call asks for; requests accepted from `since` on and before `until` count."""

    request_type: str | None = None
    states: frozenset[State] = frozenset(State)
    since: float = -math.inf
    until: float = math.inf
    limit: int = _DEFAULT_LIMIT
    page: int = 0
    sort_by: str = "startDate"
    ascending: bool = False
    user_id: int | None = None
    entity: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_wire(cls, parameters: Iterable[tuple[str, str]]) -> "Query":
        """Read the parameters of a list call; raise BreachError for one that makes no sense."""
        given = dict(_distinct(parameters))
        query = cls(
            request_type=_choice(given, "requestType", _TYPES),
            states=_states(given),
            since=_start_of_day(given, "startDate", default=-math.inf),
            until=_start_of_day(given, "endDate", default=math.inf) + _DAY_SECONDS,
            limit=_number(given, "limit", at_least=1, default=_DEFAULT_LIMIT),
            page=_number(given, "PageNo", at_least=0, default=0),
            sort_by=_choice(given, "sortBy", ("startDate", "endDate")) or "startDate",
            ascending=_choice(given, "sortOrder", ("asc", "desc")) == "asc",
            user_id=_number(given, "userId", at_least=0, default=0) if "userId" in given else None,
            entity={name: given[name] for name in _ENTITIES if name in given},
        )
        if query.since >= query.until:
            raise BreachError("startDate lies after endDate")
        return query

    def matches(self, record: Record) -> bool:
        """Say whether a request is among those asked for."""
        return (
            self.request_type in (None, OUR_TYPE)
            and record.state in self.states
            and self.user_id in (None, MAKER_USER_ID)
            and all(record.entity[name] == value for name, value in self.entity.items())
            and self.since <= record.accepted_at < self.until
        )


def find(records: Iterable[Record], query: Query) -> list[Record]:
    """Give all records that are asked for, in the order asked for."""
    found = [record for record in records if query.matches(record)]
    if query.sort_by == "startDate":
        found.sort(key=lambda record: (record.accepted_at, record.number), reverse=not query.ascending)
    else:
        found.sort(key=_by_end, reverse=not query.ascending)
    return found


def _by_end(record: Record) -> tuple[bool, float, int]:
    # What has not ended yet will end after everything that has.
    return record.ended_at is None, record.ended_at or 0.0, record.number


def _distinct(parameters: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for name, value in parameters:
        if name not in _PARAMETERS:
            raise BreachError(f"{name} is not a parameter of the list")
        if name in seen:
            raise BreachError(f"{name} is given twice")
        seen.add(name)
        yield name, value


def _choice(given: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str | None:
    value = given.get(name)
    if value is not None and value not in choices:
        raise BreachError(f"{name} must be one of {', '.join(choices)}")
    return value


def _states(given: Mapping[str, str]) -> frozenset[State]:
    if "states" not in given:
        return frozenset(State)
    try:
        return frozenset(State(word) for word in given["states"].split(","))
    except ValueError as error:
        raise BreachError(f"states must be from {', '.join(State)}, with commas between them") from error


def _start_of_day(given: Mapping[str, str], name: str, *, default: float) -> float:
    value = given.get(name)
    if value is None:
        return default
    breach = f"{name} must be a day, YYYY-MM-DD"
    if _DAY.fullmatch(value) is None:
        raise BreachError(breach)
    try:
        return start_of_cluster_day(date.fromisoformat(value))
    except (ValueError, OverflowError) as error:
        raise BreachError(breach) from error


def _number(given: Mapping[str, str], name: str, *, at_least: int, default: int) -> int:
    value = given.get(name)
    if value is None:
        return default
    if _WHOLE_NUMBER.fullmatch(value) is None or int(value) < at_least:
        raise BreachError(f"{name} must be a whole number from {at_least}")
    return int(value)
