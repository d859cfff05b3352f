"""A list that lies: late, repeating, slipping and failing, while its totals tell the truth."""

from .api import Api
from .conftest import MovedClock, OpenSandbox
from .test_listing import fill, ids


async def sweep(api: Api, limit: int = 4) -> list[str]:
    """Page from the first page to an empty one."""
    found: list[str] = []
    for page in range(100):
        entries = await ids(api, limit=str(limit), PageNo=str(page), sortOrder="asc")
        if not entries:
            break
        found += entries
    return found


def names(count: int) -> set[str]:
    return {f"r{number}" for number in range(count)}


async def test_a_request_shows_up_late_in_lists_and_at_once_by_its_id(
    open_sandbox: OpenSandbox, clock: MovedClock
) -> None:
    api = await open_sandbox(list_lag_seconds=30)
    posted = await api.submit(request_id="late")

    assert (await api.read(posted.data["requestId"])).status == 200
    assert (await api.list()).document["pagination"]["totalElements"] == 0
    clock.advance(29)
    assert await ids(api) == []
    clock.advance(1)
    assert await ids(api) == ["late"]


async def test_entries_repeat_on_later_pages_and_all_turn_up(
    open_sandbox: OpenSandbox, clock: MovedClock
) -> None:
    api = await open_sandbox(list_shift="repeat")
    await fill(api, clock, 10)

    first, second = (
        await ids(api, limit="4", sortOrder="asc"),
        await ids(api, limit="4", PageNo="1", sortOrder="asc"),
    )
    found = await sweep(api)

    assert first[-1] == second[0]
    assert set(found) == names(10)
    assert len(found) > 10
    assert (await api.list(limit="4")).document["pagination"]["totalElements"] == 10


async def test_pages_of_one_get_to_the_end(open_sandbox: OpenSandbox, clock: MovedClock) -> None:
    api = await open_sandbox(list_shift="repeat")
    await fill(api, clock, 3)

    assert await sweep(api, limit=1) == ["r0", "r1", "r2"]


async def test_a_sweep_can_miss_entries_and_the_total_gives_it_away(
    open_sandbox: OpenSandbox, clock: MovedClock
) -> None:
    api = await open_sandbox(list_shift="miss")
    await fill(api, clock, 10)

    missed = await sweep(api)
    sweeps = [await sweep(api) for _ in range(12)]

    assert names(10) - set(missed) == {"r4", "r8"}
    assert (await api.list(limit="4")).document["pagination"]["totalElements"] == 10
    assert {"r4", "r8"} - set(missed)
    whole = [set(one) == names(10) for one in sweeps]
    assert any(whole)
    assert not all(whole)


async def test_a_list_of_one_page_misses_nothing(open_sandbox: OpenSandbox, clock: MovedClock) -> None:
    api = await open_sandbox(list_shift="miss")
    await fill(api, clock, 4)

    assert await sweep(api) == ["r0", "r1", "r2", "r3"]


async def test_sweeps_are_the_same_under_the_same_seed(open_sandbox: OpenSandbox, clock: MovedClock) -> None:
    runs = []
    for _ in range(2):
        api = await open_sandbox(list_shift="miss", list_repeat_share=0.3, seed=3)
        await fill(api, clock, 10)
        runs.append([await sweep(api) for _ in range(6)])

    assert runs[0] == runs[1]


async def test_entries_can_stand_twice_on_a_page(open_sandbox: OpenSandbox, clock: MovedClock) -> None:
    api = await open_sandbox(list_repeat_share=1)
    await fill(api, clock, 2)

    reply = await api.list()

    assert await ids(api) == ["r1", "r1", "r0", "r0"]
    assert reply.document["pagination"]["numberOfElements"] == 4
    assert reply.document["pagination"]["totalElements"] == 2


async def test_some_reads_of_the_list_fail_and_other_calls_do_not(open_sandbox: OpenSandbox) -> None:
    statuses = []
    for _ in range(2):
        api = await open_sandbox(list_failure_share=0.5, seed=2)
        posted = await api.submit()
        statuses.append([(await api.list()).status for _ in range(40)])
        reads = [(await api.read(posted.data["requestId"])).status for _ in range(40)]
        assert set(reads) == {200}

    assert statuses[0] == statuses[1]
    assert {200, 500, 502, 503, 504} == set(statuses[0])
