"""Parquet files: columns of any type become the rows that people would have typed, or are refused."""

import decimal
import io
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow.parquet import encryption

from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake import Limits, Source, check_rows, open_source
from batch_issuer.intake.copying import stage_input
from batch_issuer.intake.corrected import WRITTEN_AS, write_corrected
from batch_issuer.intake.parquet.metadata import read_metadata
from batch_issuer.intake.sheets import SheetOptions

from .sheets import BADGE, Checked, check, options, write

Columns = Mapping[str, Any]


def save(folder: Path, columns: Columns, *, name: str = "in.parquet", **how: Any) -> Path:
    """Write columns; those of one value hold it in each row."""
    count = max(len(column) for column in columns.values() if not isinstance(column, str))
    filled = {title: [cells] * count if isinstance(cells, str) else cells for title, cells in columns.items()}
    pq.write_table(pa.table(filled), folder / name, **how)
    return folder / name


def check_columns(folder: Path, columns: Columns, **how: Any) -> Checked:
    return check(save(folder, {"badge": BADGE, **columns}), options(**how))


@pytest.mark.parametrize(
    "customers",
    [
        pa.array([1, 7, 2**63 - 1], pa.int64()),
        pa.array([1, 7, 2**63 - 1], pa.uint64()),
        pa.array(["1", " 7 ", str(2**63 - 1)]),
        pa.array(["1", "7", str(2**63 - 1)], pa.large_string()),
        pa.array(["1", "7", str(2**63 - 1)]).dictionary_encode(),
        pa.array([1, 7, 2**63 - 1], pa.int64()).dictionary_encode(),
        pa.array([decimal.Decimal(1), decimal.Decimal(7), decimal.Decimal(2**63 - 1)], pa.decimal128(19, 0)),
        pa.array([decimal.Decimal(1), decimal.Decimal(7), decimal.Decimal(2**63 - 1)], pa.decimal128(38, 4)),
        pa.array([decimal.Decimal(1), decimal.Decimal(7), decimal.Decimal(2**63 - 1)], pa.decimal256(50, 9)),
    ],
    ids=lambda column: str(column.type),
)
def test_customers_are_exact_whatever_the_type_of_their_column(tmp_path: Path, customers: pa.Array) -> None:
    checked = check_columns(tmp_path, {"customer": customers})

    assert checked.customers == {2: 1, 3: 7, 4: 2**63 - 1}
    assert not checked.problems


@pytest.mark.parametrize(
    ("cells", "rules"),
    [
        (pa.array([2.0**53, 12.5, 2.0**60]), {3: ["fraction"], 4: ["digits_lost"]}),
        (pa.array([-5.0, None, float("nan")]), {2: ["sign"], 3: ["missing"], 4: ["missing"]}),
        (pa.array([7, float("inf")]), {3: ["not_a_number"]}),
        (pa.array(np.array([2**24, 2**24 + 2], np.float32)), {3: ["digits_lost"]}),
        (pa.array(np.array([2048, 4096], np.float16)), {3: ["digits_lost"]}),
        (pa.array([7, 2**64 - 1], pa.uint64()), {3: ["out_of_range"]}),
        (pa.array([7, -5, 0]), {3: ["sign"], 4: ["out_of_range"]}),
        (pa.array([decimal.Decimal("7.00"), decimal.Decimal("12.50")]), {3: ["fraction"]}),
        (pa.array(["7", "1.13461E+08", None]), {3: ["digits_lost"], 4: ["missing"]}),
    ],
)  # fmt: skip
def test_numbers_that_are_no_customers_are_told_apart_as_in_a_workbook(
    tmp_path: Path, cells: pa.Array, rules: dict[int, list[str]]
) -> None:
    checked = check_columns(tmp_path, {"customer": cells})

    assert checked.rules == rules
    assert len(checked.valid) == len(cells) - len(rules)


OPAQUE = [
    pa.array([[7], None]),
    pa.array([{"id": 7}, None]),
    pa.array([b"7", None]),
    pa.array([b"7777", None], pa.binary(4)),
    pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
]
MISLEADING = [
    *((column, "it holds a list, a record or bytes") for column in OPAQUE),
    (pa.array([date(2026, 3, 8), None]), "the spreadsheet made a date of it"),
    (
        pa.array([datetime(2026, 3, 8, 1, tzinfo=UTC), None], pa.timestamp("ns")),
        "the spreadsheet made a date of it",
    ),
    (pa.array([time(8, 15), None]), "the spreadsheet made a date of it"),
]


@pytest.mark.parametrize("as_columns", [True, False])
@pytest.mark.parametrize(("column", "hint"), MISLEADING, ids=lambda value: str(getattr(value, "type", "")))
def test_what_is_no_id_makes_its_row_invalid_and_no_other(
    tmp_path: Path, column: pa.Array, hint: str, *, as_columns: bool
) -> None:
    cells = {"customer": pa.array([7, 8]), "owner_type": ["Loyalty", ""], "reference_id": column}
    # without a column for customers each row is read cell by cell
    cells |= {} if as_columns else {"row": [1, 2], "problem": ["", ""]}

    references = check_columns(tmp_path, cells)
    customers = check_columns(tmp_path, {**cells, "reference_id": ["a", ""], "customer": column})
    badges = check_columns(tmp_path, {**cells, "reference_id": ["a", ""], "badge": column})

    assert [problem.hint for problem in references.problems] == [hint]
    assert list(references.valid) == [3]
    assert customers.rules == {2: ["not_a_number"], 3: ["missing"]}
    assert badges.rules == {2: ["pattern"], 3: ["missing"]}
    assert customers.problems[0].hint == badges.problems[0].hint == hint


def test_a_truth_is_no_customer(tmp_path: Path) -> None:
    checked = check_columns(tmp_path, {"customer": pa.array([True, None])})
    assert checked.rules == {2: ["not_a_number"], 3: ["missing"]}
    assert checked.problems[0].value == "TRUE"


@pytest.mark.parametrize(
    ("dates", "sent"),
    [
        (pa.array([date(2026, 1, 31), None]), "2026-01-31T00:00:00Z"),
        (pa.array([date(2026, 1, 31), None], pa.date64()), "2026-01-31T00:00:00Z"),
        *(
            (pa.array([datetime(2026, 1, 31, 8, 15), None], pa.timestamp(unit)), "2026-01-31T08:15:00Z")  # noqa: DTZ001 - a cell has no zone
            for unit in ("s", "ms", "us", "ns")
        ),
        (
            pa.array([1_769_843_700_000_000, None]).view(pa.timestamp("us", "Europe/Berlin")),
            "2026-01-31T07:15:00Z",
        ),
        (
            pa.array([datetime(2026, 1, 31, 8, 15, 0, 250_000, UTC), None], pa.timestamp("ns", "UTC")),
            "2026-01-31T08:15:00.250000Z",
        ),
        (pa.array(["2026-01-31", ""]), "2026-01-31T00:00:00Z"),
        (pa.array([20260131, None]), "2026-01-31T00:00:00Z"),
    ],
)
def test_dates_and_moments_are_read_as_such_and_zones_as_utc(
    tmp_path: Path, dates: pa.Array, sent: str
) -> None:
    checked = check_columns(tmp_path, {"customer": [7, 8], "issue_event_date": dates})

    assert not checked.problems
    assert [row["issue_event_date"] for row in checked.valid.values()] == [sent, ""]


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.timestamp("ms", "UTC"), pa.timestamp("ns")])
def test_moments_that_no_calendar_knows_are_no_dates(tmp_path: Path, kind: pa.DataType) -> None:
    dates = pa.array([-(2**63) + 1, 2**63 - 1, 0], pa.int64()).view(kind)
    checked = check_columns(tmp_path, {"customer": [7, 8, 9], "issue_event_date": dates})
    assert 4 in checked.valid
    assert kind.unit == "ns" or checked.rules == {2: ["not_a_date"], 3: ["not_a_date"]}


def test_old_moments_of_twelve_bytes_are_read(tmp_path: Path) -> None:
    dates = pa.array([datetime(2026, 1, 31, 8, 15), datetime(2400, 1, 1)], pa.timestamp("us"))  # noqa: DTZ001 - as above
    path = save(
        tmp_path,
        {"customer": [7, 8], "badge": BADGE, "issue_event_date": dates},
        use_deprecated_int96_timestamps=True,
    )
    sent = [row["issue_event_date"] for row in check(path).valid.values()]
    assert sent == ["2026-01-31T08:15:00Z", "2400-01-01T00:00:00Z"]


def test_other_columns_may_hold_anything_and_survive_as_text(tmp_path: Path) -> None:
    others = {
        "score": pa.array([12.5, None]),
        "tags": pa.array([["a", "é"], None]),
        "raw": pa.array([b"\xff\x00", b""]),
        "since": pa.array([date(2026, 3, 8), None]),
        "day": pa.array([timedelta(days=1), None]),
        "vector": pa.array([[0.5] * 5_000, []]),
        "nothing": pa.nulls(2),
    }
    path = save(tmp_path, {"customer": ["x", "y"], "badge": BADGE, **others})

    source = open_source(path, options())
    (checked,) = check_rows(source)

    assert checked.invalid == 2
    first, second = checked.raw.cells
    assert first[2:6] == ["12.5", '["a", "é"]', "ff00", "2026-03-08"]
    assert first[7].startswith("[0.5, 0.5")
    assert len(first[7]) == 4096
    assert first[8] == ""
    assert second[2:6] == ["", "", "", ""]
    by_cell = next(source.sheet.blocks())
    assert by_cell.cells == [first, second]


def test_rows_that_hold_nothing_are_no_rows_and_keep_their_numbers(tmp_path: Path) -> None:
    checked = check(
        save(tmp_path, {"customer": pa.array([7, None, 8]), "badge": pa.array([BADGE, None, BADGE])})
    )
    assert checked.customers == {2: 7, 4: 8}
    assert not checked.problems


def test_a_value_for_the_whole_file_fills_what_is_missing(tmp_path: Path) -> None:
    path = save(
        tmp_path, {"customer": [7, 8], "owner_type": pa.nulls(2), "reference_id": pa.array([None, "x"])}
    )
    how = options(defaults={"badge_meta_id": BADGE, "owner_type": "Loyalty", "reference_id": "gold"})
    references = [row["reference_id"] for row in check(path, how).valid.values()]
    assert references == ["gold", "x"]


def test_a_corrected_copy_finds_the_same_problems(tmp_path: Path) -> None:
    path = save(
        tmp_path,
        {
            "customer": pa.array([7.0, 2.0**60, 12.5, None]),
            "badge": [BADGE, BADGE, "x", BADGE],
            "owner_type": ["Loyalty"] * 4,
            "reference_id": pa.array([[1], [2], None, None]),
            "issue_event_date": pa.array([{"a": 1}, None, {"a": 2}, None]),
        },
    )
    copy = tmp_path / "copy.csv"

    write_corrected(open_source(path, options()), copy, {})

    found = [(p.row, p.column, p.rule, p.hint) for p in check(path).problems]
    copied = [
        (p.row, p.column, p.rule, p.hint) for p in check(copy, options(how_written=WRITTEN_AS)).problems
    ]
    assert found == copied
    assert {rule.value for _, _, rule, _ in found} >= {"digits_lost", "fraction", "missing", "not_a_date"}


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (SheetOptions(encoding="utf-8"), "--encoding and --delimiter are for text files"),
        (SheetOptions(delimiter=","), "--encoding and --delimiter are for text files"),
        (SheetOptions(sheet="a"), "--sheet is for Excel workbooks"),
    ],
)
def test_options_for_other_kinds_are_wrong_usage(tmp_path: Path, how: SheetOptions, told: str) -> None:
    path = save(tmp_path, {"customer": [7], "badge": BADGE})
    with pytest.raises(UsageError, match=f"{told}; in.parquet is a Parquet file"):
        open_source(path, options(how_written=how))


def refusal(path: Path, **how: Any) -> str:
    with pytest.raises(InputRefused) as refused:
        check(path, options(**how))
    assert str(refused.value).isprintable()
    return str(refused.value)


def test_what_passes_a_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = save(tmp_path, {"customer": [7] * 3, "badge": BADGE})
    assert refusal(path, limits=Limits(max_rows=2)) == "in.parquet has more than 2 data rows; split the file"

    path = save(tmp_path, {"customer": [7] * 3, "badge": BADGE, "note": ["a", "b" * 200, "c"]})
    assert "row 3 has a cell of more than 150 characters" in refusal(path, limits=Limits(max_cell_chars=150))

    path = save(
        tmp_path, {"customer": [7] * 3, "badge": BADGE, "note": ["x" * 500_000] * 3}, use_dictionary=False
    )
    assert "the column 'note' has cells of more than 4,096 characters" in refusal(path)


def test_one_long_text_that_many_cells_share_is_refused_without_writing_it_out(tmp_path: Path) -> None:
    rows, long = 20_000, "x" * 1_000_000
    note = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([long]))
    path = save(tmp_path, {"customer": range(rows), "badge": BADGE, "note": note})
    assert path.stat().st_size < 400_000

    before = pa.total_allocated_bytes()
    assert "has a cell of more than 4,096 characters" in refusal(path)
    assert pa.default_memory_pool().max_memory() - before < 1 << 30


def test_without_columns_or_rows_there_is_nothing_to_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({}), tmp_path / "none.parquet")
    assert "row 1 is empty" in refusal(tmp_path / "none.parquet")

    path = save(tmp_path, {"customer": pa.array([], pa.int64()), "badge": pa.array([], pa.string())})
    assert refusal(path) == "in.parquet has a header, but no data rows"


def test_text_that_is_no_utf_8_names_its_row_and_column(tmp_path: Path) -> None:
    notes = pa.array([b"a", b"\xff"]).view(pa.string())
    path = save(tmp_path, {"customer": [7, 8], "badge": BADGE, "note": notes})
    assert "row 3, column 'note': the text is not UTF-8" in refusal(path)


DAMAGED = "is no Parquet file that can be read, or is damaged"


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content[:5],
        lambda content: content[:-8] + b"\xff\xff\xff\x7fPAR1",
        lambda content: content[:4] + b"\0" * 400 + content[404:],
        lambda content: content[:-60] + b"\xff" * 20 + content[-40:],
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = save(tmp_path, {"customer": range(500), "badge": BADGE})
    write(tmp_path, damage(path.read_bytes()), "broken.parquet")
    assert DAMAGED in refusal(tmp_path / "broken.parquet")


class _OpenKeys(encryption.KmsClient):  # type: ignore[misc]  # no types
    """Wraps no key."""

    def wrap_key(self, key_bytes: bytes, _: str) -> bytes:
        return key_bytes

    def unwrap_key(self, wrapped_key: bytes, _: str) -> bytes:
        return wrapped_key


@pytest.mark.parametrize("footer", ["shown", "hidden"])
def test_an_encrypted_file_is_refused_as_such(tmp_path: Path, footer: str) -> None:
    how = encryption.EncryptionConfiguration(
        footer_key="a", column_keys={"b": ["customer"]}, plaintext_footer=footer == "shown"
    )
    keys = encryption.CryptoFactory(lambda _: _OpenKeys()).file_encryption_properties(
        encryption.KmsConnectionConfig(), how
    )
    path = save(tmp_path, {"customer": [7], "badge": BADGE}, encryption_properties=keys)
    told = "in.parquet is an encrypted Parquet file; write it without encryption"
    assert refusal(path) == told


def test_a_column_is_seen_to_be_encrypted_where_the_file_tells_nothing_of_it() -> None:
    column = b"\x8c\x00" + b"\x00"  # field 8, a record without fields
    group = b"\x19\x1c" + column + b"\x00"
    footer = b"\x36\x02" + b"\x19\x1c" + group + b"\x00"
    assert read_metadata(footer).is_encrypted


def test_text_that_begins_like_a_parquet_file_is_text(tmp_path: Path) -> None:
    checked = check(write(tmp_path, f"PAR1,customer,badge\nx,7,{BADGE}\n"))
    assert checked.customers == {2: 7}


def test_the_copy_of_a_parquet_file_is_named_so(tmp_path: Path) -> None:
    path = save(tmp_path, {"customer": [7], "badge": BADGE}, name="whatever.csv")
    staged = stage_input(path, output=tmp_path / "out", max_bytes=10**6)
    assert staged.path.name == "input.parquet"
    assert check(staged.path).customers == {2: 7}


NAMED = {"customer_id": st.integers(1, 9), "note": st.sampled_from(["", "a", "b"])}


@given(
    rows=st.lists(st.fixed_dictionaries(NAMED), min_size=1, max_size=40),
    group_rows=st.integers(1, 9),
    part_bytes=st.integers(1, 2_000),
    by_cell=st.booleans(),
)
@settings(max_examples=40)
def test_any_parquet_file_in_parts_is_the_whole_file(
    rows: list[dict[str, Any]], group_rows: int, part_bytes: int, *, by_cell: bool
) -> None:
    content = io.BytesIO()
    added = {"row": 1, "problem": ""} if by_cell else {}
    table = pa.Table.from_pylist([{**row, "badge": BADGE, **added} for row in rows])
    pq.write_table(table, content, row_group_size=group_rows)
    with tempfile.TemporaryDirectory() as folder:
        source = open_source(write(Path(folder), content.getvalue()), options())
        spans = list(source.spans(part_bytes=part_bytes))
        assert read_all(*(source.within(span) for span in spans)) == read_all(source)
        assert sum(span.rows or 0 for span in spans) == len(rows) + 1
        at = source.columns.positions["customer_id"]
        assert [row["customer_id"] for row in rows] == [int(cells[at]) for cells in read_all(source).values()]


def read_all(*sources: Source) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for source in sources:
        for block in source.blocks():
            raw = block.raw(np.arange(len(block.rows)))
            found |= zip(raw.numbers, raw.cells, strict=True)
    return found


def test_an_altered_part_is_no_part_of_the_input(tmp_path: Path) -> None:
    path = save(tmp_path, {"customer": range(1, 900), "badge": BADGE}, row_group_size=300)
    source = open_source(path, options())
    spans = list(source.spans(part_bytes=1))
    assert len(spans) == 3
    content = path.read_bytes()

    path.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
    list(source.within(spans[2]).blocks())
    with pytest.raises(UsageError, match="is not the input that its parts were cut from"):
        list(source.within(spans[0]).blocks())
    path.write_bytes(content[:-40] + bytes(32) + content[-8:])
    with pytest.raises(UsageError, match="is not the input that its parts were cut from"):
        list(source.within(spans[2]).blocks())
