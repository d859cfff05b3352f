"""A file that is checked and planned in parts ends as it does in one piece."""

import asyncio
import csv
import io
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batch_issuer.engine import Engine, Sizes
from batch_issuer.errors import InputRefused
from tests.intake.workbooks import save
from tests.pipeline.world import BADGES
from tests.postgresql import Databases

from .both_ways import ALL, TINY, accept_file, open_place, outcome_of, staged
from .engines import Elsewhere, Forgetful, Twice, Watched

HEADER = ("customer_id", "badge_meta_id", "owner_type", "reference_id", "note")
Row = tuple[str, ...]

ids = st.one_of(st.integers(1, 12).map(str), st.sampled_from(("x", "", "007", "'5", " 6 ", "7.0")))
badges = st.sampled_from((*BADGES[:3], BADGES[0].upper(), "no badge"))
owners = st.sampled_from((("", ""), ("Loyalty", "r1"), ("loyalty", "r2"), ("Loyalty", ""), ("Nobody", "r")))
notes = st.sampled_from(("", "a\nb", 'say "so"', "a,b", "\r\n", "ü" * 9))
rows_of_groups = st.builds(
    lambda customer, badge, owner, note: (customer, badge, *owner, note), ids, badges, owners, notes
)
one_group = st.builds(lambda customer, note: (customer, BADGES[0], "", "", note), ids, notes)
files = st.one_of(
    st.lists(rows_of_groups, min_size=1, max_size=40), st.lists(one_group, min_size=1, max_size=60)
)
sizes = st.builds(
    Sizes,
    part_bytes=st.integers(1, 400),
    unit_rows=st.integers(1, 12),
    slice_bytes=st.integers(20, 3000),
    left_rows=st.integers(1, 6),
)
engines = st.sampled_from((Elsewhere, Twice, Forgetful))


def text_of(rows: Sequence[Row], *, line_end: str = "\r\n") -> bytes:
    written = io.StringIO()
    csv.writer(written, lineterminator=line_end).writerows([HEADER, *rows])
    return written.getvalue().encode()


async def ends_alike(
    folder: Path, ledgers: Sequence[str], content: bytes, earlier: bytes | None, engine: Engine, **how: Any
) -> Any:
    """Accept a file both ways, after another batch that may hold its customers, and compare what there is."""
    file, before = folder / "customers.csv", folder / "earlier.csv"
    file.write_bytes(content)
    before.write_bytes(earlier or b"")
    found = []
    for at, ledger in enumerate(ledgers):
        place = folder / str(at)
        chunk_size, options = how["chunk_size"], how.get("options", {})
        async with open_place(
            place, ledger, engine=engine if at else None, sizes=how.get("sizes", TINY), chunk_size=chunk_size
        ) as services:
            if earlier is not None:
                await accept_file(services, before, on_invalid="skip", max_invalid=ALL)
                await services.clock.sleep(1)
            found.append(await outcome_of(services, file, **options))
    assert found[1] == found[0]
    return found[1][-1]


def ledgers_in(folder: Path, migrated: Path) -> list[str]:
    """Make two empty ledgers."""
    paths = [folder / f"ledger-{at}.db" for at in range(2)]
    for path in paths:
        shutil.copyfile(migrated, path)
    return [f"sqlite:///{path}" for path in paths]


REPEATED = [(str(n % 7 + 1), BADGES[n % 2], "", "", "a\nb" * (n % 3)) for n in range(40)]
OTHERS = [(str(n), BADGES[0], "", "", "") for n in range(3, 12)]


@settings(max_examples=15)
@given(
    rows=files,
    earlier=st.none() | files,
    sizes=sizes,
    chunk_size=st.integers(1, 5),
    engine=engines,
    line_end=st.sampled_from(("\n", "\r\n")),
    options=st.sampled_from(({"on_invalid": "skip", "max_invalid": ALL}, {}, {"again": True})),
)
@example(rows=REPEATED, earlier=OTHERS, sizes=TINY, chunk_size=2, engine=Elsewhere, line_end="\n", options={})
@example(rows=REPEATED, earlier=None, sizes=TINY, chunk_size=3, engine=Twice, line_end="\r\n", options={})
@example(rows=[], earlier=None, sizes=TINY, chunk_size=3, engine=Twice, line_end="\n", options={})
def test_whatever_its_rows_and_its_parts_the_ledger_and_the_files_are_the_same(  # noqa: PLR0917 - drawn
    migrated: Path,
    rows: list[Row],
    earlier: list[Row] | None,
    sizes: Sizes,
    chunk_size: int,
    engine: type[Elsewhere],
    line_end: str,
    options: dict[str, Any],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        content = text_of(rows, line_end=line_end)
        before = None if earlier is None else text_of([*earlier, ("99", BADGES[5], "", "", "")])
        how = {"sizes": sizes, "chunk_size": chunk_size, "options": options}
        asyncio.run(ends_alike(folder, ledgers_in(folder, migrated), content, before, engine(), **how))


@pytest.mark.postgres
@settings(max_examples=3)
@given(rows=files, sizes=sizes, engine=engines)
@example(rows=REPEATED, sizes=TINY, engine=Twice)
def test_on_a_server_they_are_the_same_as_well(
    postgres_databases: Databases, rows: list[Row], sizes: Sizes, engine: type[Elsewhere]
) -> None:
    ledgers = [postgres_databases.new_database() for _ in range(2)]
    try:
        with tempfile.TemporaryDirectory() as name:
            content, before = text_of(rows), text_of([*OTHERS, *rows[:5]])
            how = {"sizes": sizes, "chunk_size": 2, "options": {"on_invalid": "skip", "max_invalid": ALL}}
            asyncio.run(ends_alike(Path(name), ledgers, content, before, engine(), **how))
    finally:
        for ledger in ledgers:
            postgres_databases.drop(ledger)


async def test_a_workbook_is_one_part_and_ends_alike(tmp_path: Path, migrated: Path) -> None:
    file = save(
        tmp_path / "book.xlsx",
        [HEADER[:2], *([n % 7 + 1, BADGES[n % 2]] for n in range(20)), [True, BADGES[0]]],
        lambda book, _sheet: book.add_worksheet("Another"),
    )
    how = {"chunk_size": 2, "options": {"on_invalid": "skip"}}
    found = await ends_alike(
        tmp_path, ledgers_in(tmp_path, migrated), file.read_bytes(), None, Twice(), **how
    )
    assert "--sheet" in found["batch"].warnings[0]


async def test_a_parquet_file_is_parted_by_its_row_groups_and_ends_alike(
    tmp_path: Path, migrated: Path
) -> None:
    table = pa.table(
        {
            "customer_id": pa.array([*(n % 7 + 1 for n in range(40)), -5], pa.int64()),
            "badge_meta_id": [BADGES[n % 2] for n in range(41)],
            "note": [None if n % 3 else "a\nb" for n in range(41)],
        }
    )
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=6)
    ledgers, watched = ledgers_in(tmp_path, migrated), Watched()
    how = {"chunk_size": 2, "options": {"on_invalid": "skip"}}
    content = (tmp_path / "in.parquet").read_bytes()
    await ends_alike(tmp_path, ledgers, content, None, watched, **how)
    assert [work.__name__ for work, _ in watched.done].count("check_one_part") == 7


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        (text_of([]), {}),
        (text_of([("1", BADGES[0], "", "", "")] * 9), {"max_rows": 8}),
        (text_of(REPEATED) + b'1,"' + BADGES[0].encode() + b"\n2,b\n", {}),
        (text_of([*REPEATED, ("1", BADGES[0], "", "", "ü")]) + b"1,\xff\xfe\xe4\n", {}),
        (text_of([*REPEATED, ("1", BADGES[0], "", "", "n" * 50)]), {"max_cell_chars": 32}),
    ],
    ids=["no rows", "too many rows", "an open quote", "no text", "a large cell"],
)
async def test_a_file_that_can_not_be_read_is_refused_in_the_same_words_and_leaves_nothing(
    tmp_path: Path, migrated: Path, content: bytes, facts: dict[str, Any]
) -> None:
    file = tmp_path / "customers.csv"
    file.write_bytes(content)
    found = []
    for at, ledger in enumerate(ledgers_in(tmp_path, migrated)):
        engine = Elsewhere() if at else None
        async with open_place(tmp_path / str(at), ledger, engine=engine, **facts) as services:
            found.append(await outcome_of(services, file))
            assert await services.ledger.read(staged) == [0, 0, 0]
    assert found[0] == found[1]
    kind, _, *left = found[1]
    assert kind is InputRefused
    assert left == [[], []]
