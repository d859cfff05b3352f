"""The list of requests: filters, order, pages, and nonsense refused."""

from collections.abc import Mapping

import pytest

from .api import Api
from .conftest import MovedClock
from .published import submission


async def ids(api: Api, **query: str) -> list[str]:
    reply = await api.list(**query)
    assert reply.status == 200
    return [one["details"]["IntouchAPITask-Payload"]["body"]["requestId"] for one in reply.data]


async def fill(api: Api, clock: MovedClock, count: int, *, apart_seconds: float = 60) -> None:
    for number in range(count):
        await api.submit(number + 1, request_id=f"r{number}")
        clock.advance(apart_seconds)


async def test_the_newest_come_first_unless_asked_otherwise(api: Api, clock: MovedClock) -> None:
    await fill(api, clock, 3)

    assert await ids(api) == ["r2", "r1", "r0"]
    assert await ids(api, sortBy="startDate", sortOrder="asc") == ["r0", "r1", "r2"]
    assert await ids(api, sortBy="startDate", sortOrder="desc") == ["r2", "r1", "r0"]


async def test_what_has_not_ended_sorts_after_what_has(api: Api, clock: MovedClock) -> None:
    await fill(api, clock, 3)
    for number in (2, 0):
        api.sandbox.decide(api.sandbox.requests[number].workflow_request_id, "rejected")
        clock.advance(1)

    assert await ids(api, sortBy="endDate", sortOrder="asc") == ["r2", "r0", "r1"]


async def test_pages_hold_ten_unless_asked_otherwise(api: Api, clock: MovedClock) -> None:
    await fill(api, clock, 12)

    first, second, third = await api.list(), await api.list(PageNo="1"), await api.list(PageNo="2")

    assert [len(page.data) for page in (first, second, third)] == [10, 2, 0]
    assert second.document["pagination"] == {
        "totalElements": 12,
        "totalPages": 2,
        "numberOfElements": 2,
        "number": 1,
    }
    assert third.document["pagination"]["totalElements"] == 12


async def test_paging_through_names_every_request_once(api: Api, clock: MovedClock) -> None:
    await fill(api, clock, 8, apart_seconds=0)

    pages = [await ids(api, limit="3", PageNo=str(page), sortOrder="asc") for page in range(3)]

    assert [len(page) for page in pages] == [3, 3, 2]
    assert [one for page in pages for one in page] == [f"r{number}" for number in range(8)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"startDate": "2026-03-03"}, ["r1", "r2"]),
        ({"endDate": "2026-03-03"}, ["r0", "r1"]),
        ({"startDate": "2026-03-03", "endDate": "2026-03-03"}, ["r1"]),
        ({"startDate": "2026-03-05"}, []),
        ({"endDate": "2026-03-01"}, []),
    ],
)
async def test_days_are_both_included_and_the_clusters_own(
    api: Api, clock: MovedClock, query: Mapping[str, str], found: list[str]
) -> None:
    clock.now += 13.5 * 3600  # 23:45 of 2 March in the cluster, 18:15 in UTC
    for number, pause in enumerate(
        (20 * 60, 24 * 3600, 0)
    ):  # the second is 3 March there, still the 2nd in UTC
        await api.submit(number + 1, request_id=f"r{number}")
        clock.advance(pause)

    assert await ids(api, sortOrder="asc", **query) == found


async def test_states_narrow_the_list(api: Api, clock: MovedClock) -> None:
    await fill(api, clock, 3)
    requests = api.sandbox.requests
    api.sandbox.decide(requests[0].workflow_request_id, "approved")
    api.sandbox.decide(requests[1].workflow_request_id, "rejected")

    assert await ids(api, states="approved") == ["r0"]
    assert await ids(api, states="AdminTask,rejected") == ["r2", "r1"]
    assert await ids(api, states="failed") == []


async def test_entity_maker_and_type_narrow_the_list(api: Api) -> None:
    document = submission()
    document["entityInfo"]["tillId"] = "20000004"
    await api.post(document)

    assert len(await ids(api, tillId="20000004", userId="900001", requestType="ISSUE-BADGE")) == 1
    assert await ids(api, tillId="10000004") == []
    assert len(await ids(api, storeId="10000003", zoneId="10000002", conceptId="10000001")) == 1
    assert await ids(api, conceptId="1") == []
    assert await ids(api, userId="900002") == []
    assert await ids(api, requestType="EARN-BADGE") == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "-1"},
        {"limit": "ten"},
        {"limit": "1.0"},
        {"limit": ""},
        {"PageNo": "-1"},
        {"PageNo": "first"},
        {"pageNo": "0"},
        {"states": "waiting"},
        {"states": ""},
        {"states": "approved,"},
        {"requestType": "issue-badge"},
        {"requestType": "NONSENSE"},
        {"startDate": "02-03-2026"},
        {"startDate": "2026-02-30"},
        {"endDate": "2026-03-02T00:00:00"},
        {"startDate": "2026-03-03", "endDate": "2026-03-02"},
        {"sortBy": "state"},
        {"sortOrder": "up"},
        {"userId": "maker"},
        {"colour": "red"},
    ],
)
async def test_nonsense_is_refused(api: Api, query: Mapping[str, str]) -> None:
    reply = await api.list(**query)

    assert reply.status == 400
    assert any(name in reply.message for name in query)


async def test_a_parameter_given_twice_is_refused(api: Api) -> None:
    path = f"{api.sandbox.scenario.base_path}/requests?limit=1&limit=2"

    reply = await api.call("GET", path, headers=api.maker())

    assert (reply.status, reply.message) == (400, "limit is given twice")
