"""Rows: their numbers, ragged ones, quotes, and files that are refused as a whole."""

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake import Limits, check_rows, open_source
from batch_issuer.intake.blocks import BLOCK_ROWS

from .sheets import BADGE, HEADER, as_csv, check, check_text, options, write

ROWS = f"1,{BADGE}\n2,{BADGE}\n"


def refusal(folder: Path, content: str | bytes, limits: Limits | None = None) -> str:
    with pytest.raises(InputRefused) as refused:
        check_text(folder, content, options(limits=limits))
    message = str(refused.value)
    assert message.isprintable()
    return message


def test_a_blank_line_keeps_its_row_number(tmp_path: Path) -> None:
    checked = check_text(tmp_path, f"{HEADER}\n\n1,{BADGE}\n , \n,,,\n\n2,{BADGE}\n\n")

    assert checked.customers == {3: 1, 7: 2}
    assert not checked.problems


def test_a_line_of_quoted_nothing_is_blank(tmp_path: Path) -> None:
    assert check_text(tmp_path, f'{HEADER}\n"",""\n"\n",\n1,{BADGE}\n').customers == {4: 1}


def test_a_quoted_newline_does_not_count_as_a_row(tmp_path: Path) -> None:
    text = f'customer_id,note,badge\n1,"two\nlines",{BADGE}\n2,"three\r\nmore\rlines",{BADGE}\n3,,{BADGE}\n'

    assert check_text(tmp_path, text).customers == {2: 1, 3: 2, 4: 3}


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_one_row(tmp_path: Path, line_end: str) -> None:
    lines = [HEADER, f"1,{BADGE}", "", f"2,{BADGE}"]

    assert check_text(tmp_path, line_end.join(lines)).customers == {2: 1, 4: 2}
    assert check_text(tmp_path, line_end.join([*lines, ""])).customers == {2: 1, 4: 2}


@pytest.mark.parametrize("char", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_exotic_line_separators_are_part_of_a_cell(tmp_path: Path, char: str) -> None:
    checked = check_text(tmp_path, f"customer_id,note,badge\n1,a{char}b,{BADGE}\n2,,{BADGE}\n")

    assert checked.customers == {2: 1, 3: 2}


def test_a_short_row_lacks_what_it_lacks(tmp_path: Path) -> None:
    assert check_text(tmp_path, f"{HEADER},note\n1\n2,{BADGE}\n").rules == {2: ["missing"]}


def test_surplus_empty_fields_are_none(tmp_path: Path) -> None:
    assert check_text(tmp_path, f"{HEADER},,\n1,{BADGE},,, ,\n").customers == {2: 1}


def test_surplus_filled_fields_are_an_error_of_that_row_alone(tmp_path: Path) -> None:
    checked = check_text(tmp_path, f"{HEADER}\n1,{BADGE},oops\n2,{BADGE}\n3,{BADGE},,x\n")

    assert checked.rules == {2: ["surplus_fields"], 4: ["surplus_fields"]}
    assert checked.customers == {3: 2}


@pytest.mark.parametrize(
    "line",
    [
        f'2,"{BADGE}',
        f'"2,{BADGE}',
        f'2,"bad"ge,{BADGE}',
        f'2,"{BADGE}" ',
    ],
)
def test_a_quote_that_could_swallow_rows_refuses_the_file_and_names_the_row(
    tmp_path: Path, line: str
) -> None:
    message = refusal(tmp_path, f"{HEADER}\n1,{BADGE}\n\n{line}\n3,{BADGE}\n")

    assert "row 4" in message
    assert "quote" in message


def test_a_quote_within_an_unquoted_cell_is_text(tmp_path: Path) -> None:
    checked = check_text(tmp_path, f'customer_id,note,badge\n1,5" disk,{BADGE}\n2,"5"" disk",{BADGE}\n')

    assert checked.customers == {2: 1, 3: 2}


def test_utf_8_with_and_without_byte_order_mark_is_read(tmp_path: Path) -> None:
    text = f"customer_id,badge,N\u00e4me\n1,{BADGE},J\u00f6rg \U0001f600\n"

    assert check_text(tmp_path, text.encode()).customers == {2: 1}
    assert check_text(tmp_path, text.encode("utf-8-sig")).customers == {2: 1}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\x03\x04rest", "no Excel workbook that can be read"),
        (b"\xd0\xcf\x11\xe0rest", "old Excel workbook (.xls)"),
        (b"%PDF-1.7", "PDF"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (b"\xff\xd8\xff\xe0", "picture"),
        (f"{HEADER}\n{ROWS}".encode("utf-16-le"), "UTF-16"),
        (b"\x00" * 5000, "no text file"),
        (b"", "row 1 is empty"),
        (b"\xef\xbb\xbf", "row 1 is empty"),
        (f"\n{HEADER}\n{ROWS}".encode(), "row 1 is empty"),
        (f",,\n{HEADER}\n{ROWS}".encode(), "row 1 is empty"),
        (HEADER.encode(), "no data rows"),
        (f"{HEADER}\n\n,,\n \n".encode(), "no data rows"),
    ],
)
def test_a_file_that_is_no_filled_sheet_is_refused_with_what_to_do(
    tmp_path: Path, content: bytes, told: str
) -> None:
    assert told in refusal(tmp_path, content)


def test_bad_bytes_far_down_refuse_the_file(tmp_path: Path) -> None:
    content = f"{HEADER},gr\u00fc\u00dfe\n".encode() + f"1,{BADGE}\n".encode() * 30_000 + b"2,\xe9\n"

    message = refusal(tmp_path, content)

    assert "not UTF-8" in message
    assert "row 30002" in message


@pytest.mark.parametrize(
    ("row", "content"),
    [
        (1, b"\xc3\xa9\xe9,badge\n1,2\n"),
        (2, b'customer,badge,\xc3\xa9\n"\xe9'),
        (3, b"customer,\xc3\xa9\n\n\xff"),
        (3, b"\xef\xbb\xbfcustomer,badge\n\n\xff"),
    ],
)
def test_bad_bytes_are_found_beside_blank_lines_and_open_quotes(
    tmp_path: Path, row: int, content: bytes
) -> None:
    assert f"row {row}" in refusal(tmp_path, content)


def test_a_file_over_the_row_limit_is_refused_and_one_at_it_is_not(tmp_path: Path) -> None:
    limits = Limits(max_rows=2)

    assert "more than 2 data rows" in refusal(tmp_path, f"{HEADER}\n{ROWS}3,{BADGE}\n", limits)
    assert check_text(tmp_path, f"{HEADER}\n\n{ROWS}\n", options(limits=limits)).customers == {3: 1, 4: 2}


@pytest.mark.parametrize("size", [41, 200_000])
def test_a_cell_over_the_limit_is_refused_with_its_row(tmp_path: Path, size: int) -> None:
    limits = Limits(max_cell_chars=40)
    row = f"1,{BADGE},"

    assert "row 3 has a cell of more than" in refusal(
        tmp_path, f"{HEADER},note\n{row}\n{row}{'x' * size}\n", limits
    )
    assert check_text(tmp_path, f"{HEADER},note\n{row}{'x' * 40}\n", options(limits=limits)).valid


def test_a_missing_file_and_a_folder_are_wrong_usage(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(UsageError, match="can't be read"):
            open_source(path, options())


def test_rows_keep_their_numbers_over_the_edge_of_a_block(tmp_path: Path) -> None:
    rows = BLOCK_ROWS + 3
    text = f"{HEADER}\n\n" + "".join(f"{n},{BADGE}\n" for n in range(1, rows + 1))

    blocks = list(check_rows(open_source(write(tmp_path, text), options())))

    assert [block.total for block in blocks] == [BLOCK_ROWS, 3]
    assert blocks[1].rows.tolist() == [BLOCK_ROWS + n for n in (3, 4, 5)]
    assert blocks[1].customers.tolist() == [BLOCK_ROWS + n for n in (1, 2, 3)]


IDS = st.one_of(
    st.integers(1, 2**63 - 1).map(str),
    st.sampled_from(["", " ", "0", "-1", "1.5", "1.0", "'3", "1E+8", "0012", "\u0661", "9" * 19, "\u00a04"]),
    st.text("0123456789.,'+-eE \t\u00a0\u2028\x00\n\r\"", max_size=8),
)
BADGES = st.sampled_from([BADGE, BADGE.upper(), "", " ", "zz", f" {BADGE}", '"', "a,b"])
OTHERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
RECORDS = st.one_of(
    st.tuples(IDS, BADGES).map(list),
    st.tuples(IDS, BADGES, OTHERS).map(list),
    st.tuples(IDS, BADGES, OTHERS, OTHERS).map(list),
    IDS.map(lambda cell: [cell]),
    st.sampled_from([[], ["", ""], [" ", "\t", "\n"]]),
)


def is_blank(record: Sequence[str]) -> bool:
    return not any(cell.strip() for cell in record)


@settings(deadline=None, max_examples=150)
@given(
    records=st.lists(RECORDS, max_size=12),
    quote_all=st.booleans(),
    line_end=st.sampled_from(["\r\n", "\n", "\r"]),
    with_mark=st.booleans(),
)
def test_every_row_that_is_not_blank_is_valid_or_has_problems_under_its_own_number(
    records: list[list[str]], *, quote_all: bool, line_end: str, with_mark: bool
) -> None:
    # Python's writer quotes a lone CR only where it is told to, so mixed line ends need quotes
    quote_all = quote_all or line_end != "\r\n"
    text = as_csv([["customer_id", "badge", "note"], *records], quote_all=quote_all, line_end=line_end)
    expected = [number for number, record in enumerate(records, start=2) if not is_blank(record)]
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), text.encode("utf-8-sig" if with_mark else "utf-8"))
        if not expected:
            with pytest.raises(InputRefused, match="no data rows"):
                check(path)
            return
        checked = check(path)
    assert not checked.valid.keys() & checked.rules.keys()
    assert sorted([*checked.valid, *checked.rules]) == expected
    assert list(checked.valid) == sorted(checked.valid)
    for row, customer in checked.customers.items():
        cell = records[row - 2][0].strip().removeprefix("'").strip().removesuffix(".0")
        assert cell == str(customer)
        assert 1 <= customer < 2**63


@settings(deadline=None, max_examples=300)
@given(
    start=st.sampled_from([b"", f"{HEADER}\n".encode(), f"{HEADER}\n1,{BADGE}\n".encode()]), rest=st.binary()
)
@example(start=b"", rest=b'"')
@example(start=f"{HEADER}\n".encode(), rest=b'\x00"\x00\n')
def test_arbitrary_bytes_are_checked_or_refused_and_nothing_else(start: bytes, rest: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), start + rest)
        with contextlib.suppress(InputRefused, UsageError):
            check(path)
