"""What every engine keeps: results in order, few at a time, errors as they are, an end when asked for."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from batch_issuer import errors
from batch_issuer.batch.ids import BatchId
from batch_issuer.engine import Engine, each
from batch_issuer.errors import BatchIssuerError
from tests.contract.engine.works import (
    Note,
    double,
    fail,
    fail_in_turn,
    fail_strangely,
    go_on_for_ever,
)

FACTS: dict[str, Any] = {
    "problems": ["PASSWORD is missing", "LEDGER: is wrong"],
    "names": ["password"],
    "batch": BatchId("20260302-044500-abcdef"),
    "earlier": BatchId("20260302-044500-abcdef"),
    "at": "2026-03-02T04:45:00Z",
    "folder": Path("output"),
    "file": Path("in.csv"),
    "batches": ["20260302-044500-abcdef"],
    "ledger": "sqlite:///ledger.db",
    "seconds": 3.0,
    "is_known_to_run": True,
}
EVERY_ERROR = sorted(
    (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BatchIssuerError)),
    key=lambda kind: kind.__name__,
)


def made(kind: type[BatchIssuerError]) -> BatchIssuerError:
    """Make an error of a kind, with something to say."""
    if kind.__init__ is BatchIssuerError.__init__:
        return kind("something went wrong; try again")
    wanted = list(inspect.signature(kind).parameters.values())
    values = {parameter.name: FACTS.get(parameter.name, f"some {parameter.name}") for parameter in wanted}
    by_place = [values[one.name] for one in wanted if one.kind is not inspect.Parameter.KEYWORD_ONLY]
    named = {one.name: values[one.name] for one in wanted if one.kind is inspect.Parameter.KEYWORD_ONLY}
    return kind(*by_place, **named)


async def test_work_is_done_and_its_result_returned(engine: Engine, tmp_path: Path) -> None:
    assert engine.width >= 1
    assert await engine.run(double, Note(path=tmp_path / "notes", number=21)) == 42


async def test_results_come_in_the_order_of_the_items_whichever_is_there_first(
    engine: Engine, tmp_path: Path
) -> None:
    notes = [Note(path=tmp_path / "notes", number=n, seconds=0.3 if n == 0 else 0) for n in range(12)]
    assert [result async for result in each(engine, double, notes)] == [2 * n for n in range(12)]
    assert sorted(notes[0].left(), key=int) == [str(n) for n in range(12)]


async def test_few_items_are_taken_before_their_turn(engine: Engine, tmp_path: Path) -> None:
    taken = given = 0

    def take() -> Iterator[Note]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield Note(path=tmp_path / "notes", number=number)

    async with aclosing(each(engine, double, take())) as results:
        async for _ in results:
            assert taken - given <= 2 * engine.width
            given += 1
            if given == 20:
                break


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
async def test_each_of_our_errors_arrives_as_it_was_raised(
    engine: Engine, kind: type[BatchIssuerError]
) -> None:
    error = made(kind)
    with pytest.raises(BatchIssuerError) as raised:
        await engine.run(fail, error)
    assert type(raised.value) is kind
    assert str(raised.value) == str(error)
    assert vars(raised.value) == vars(error)


async def test_an_error_of_the_program_arrives_with_its_words(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError, match="by nothing"):
        await engine.run(fail, ZeroDivisionError("by nothing"))
    with pytest.raises(Exception, match="code 7"):
        await engine.run(fail_strangely, 7)


async def test_of_several_that_fail_the_first_in_order_is_told(engine: Engine, tmp_path: Path) -> None:
    notes = [Note(path=tmp_path / "notes", number=n, seconds=0.3 - n / 10) for n in range(4)]
    with pytest.raises(ValueError, match="number 1"):
        [result async for result in each(engine, fail_in_turn, notes)]


@pytest.mark.parametrize("waits", [False, True])
async def test_work_that_is_given_up_stops(engine: Engine, tmp_path: Path, *, waits: bool) -> None:
    note = Note(path=tmp_path / "notes")
    working = asyncio.create_task(engine.run(go_on_for_ever, note, waits=waits))
    await until(lambda: note.left() == ["begun"])
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    await until(lambda: note.left() == ["begun", "ended"])


async def test_work_that_mostly_waits_takes_no_place_of_other_work(engine: Engine, tmp_path: Path) -> None:
    notes = [Note(path=tmp_path / str(number)) for number in range(engine.width + 1)]
    waiting = [asyncio.create_task(engine.run(go_on_for_ever, note, waits=True)) for note in notes]
    await until(lambda: all(note.left() == ["begun"] for note in notes))
    assert await engine.run(double, Note(path=tmp_path / "notes", number=21)) == 42
    for work in waiting:
        work.cancel()
    await asyncio.wait(waiting)
    await until(lambda: all(note.left() == ["begun", "ended"] for note in notes))


async def test_what_is_under_way_stops_when_nobody_asks_for_results_any_more(
    engine: Engine, tmp_path: Path
) -> None:
    notes = [Note(path=tmp_path / str(number)) for number in range(engine.width)]

    async def work() -> None:
        async for _ in each(engine, go_on_for_ever, notes):
            raise AssertionError("it goes on for ever")

    working = asyncio.create_task(work())
    await until(lambda: all(note.left() == ["begun"] for note in notes))
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    await until(lambda: all(note.left() == ["begun", "ended"] for note in notes))


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so that other processes do."""
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 - what other processes do is no event here
            await asyncio.sleep(0.02)
