"""However a text file is written, the same rows come out under the same numbers."""

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake import InputOptions, SheetOptions, open_source
from tests.intake.sheets import BADGE, HEADER, as_csv, check_text, options, write

ROWS = [["customer_id", "badge_meta_id", "note"], ["1", BADGE, "a"], ["2", BADGE, "b, c; d"]]
WORDS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}


def told(**how: str) -> InputOptions:
    return replace(options(), sheet=SheetOptions(**how))


def form_of(folder: Path, content: str | bytes, how: InputOptions | None = None) -> str:
    return open_source(write(folder, content), how or options()).sheet.form


def written(delimiter: str, rows: list[list[str]], line_end: str = "\r\n", *, quoted: bool = False) -> str:
    text = io.StringIO()
    quoting: Literal[0, 1] = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=quoting).writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize("delimiter", WORDS)
def test_the_separator_is_found_out(tmp_path: Path, delimiter: str) -> None:
    text = written(delimiter, ROWS)
    assert check_text(tmp_path, text).customers == {2: 1, 3: 2}
    assert form_of(tmp_path, text) == f"UTF-8, separated by {WORDS[delimiter]}"


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("utf-16", "UTF-16"),
        ("cp1252", "Windows-1252"),
    ],
)
@pytest.mark.parametrize("delimiter", WORDS)
def test_the_encoding_is_found_out(tmp_path: Path, encoding: str, shown: str, delimiter: str) -> None:
    rows = [["customer_id", "badge_meta_id", "name"], ["1", BADGE, "J\u00f6rg \u20ac"], ["2", BADGE, ""]]
    content = written(delimiter, rows).encode(encoding)
    assert check_text(tmp_path, content).customers == {2: 1, 3: 2}
    (block,) = open_source(write(tmp_path, content), options()).sheet.blocks()
    assert block.cells[0][2] == "J\u00f6rg \u20ac"
    assert form_of(tmp_path, content) == f"{shown}, separated by {WORDS[delimiter]}"


def test_utf_16_of_either_byte_order_is_read(tmp_path: Path) -> None:
    text = as_csv(ROWS)
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        assert check_text(tmp_path, mark + text.encode(encoding)).customers == {2: 1, 3: 2}


def test_a_letter_far_down_decides_as_well(tmp_path: Path) -> None:
    rows = f"{HEADER},name\n" + f"1,{BADGE},x\n" * 100_000
    content = rows.encode() + f"2,{BADGE},J\u00f6rg\n".encode("cp1252")
    assert form_of(tmp_path, content) == "Windows-1252, separated by commas"


def test_a_letter_cut_by_a_reading_border_is_no_damage(tmp_path: Path) -> None:
    head = f"{HEADER},name\n1,{BADGE},".encode()
    content = head + b"x" * ((1 << 20) - len(head) - 1) + "\u00f6\n".encode()
    assert form_of(tmp_path, content) == "UTF-8, separated by commas"


def test_utf_8_with_a_damaged_byte_is_refused_and_not_taken_for_another_encoding(tmp_path: Path) -> None:
    content = f"{HEADER},name\n1,{BADGE},J\u00f6rg\n".encode() + f"2,{BADGE},".encode() + b"J\xf6rg\n"
    with pytest.raises(InputRefused, match=r"not UTF-8 text .look at row 3"):
        check_text(tmp_path, content)


def test_bytes_that_no_encoding_has_are_refused_with_their_row(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match=r"not Windows-1252 text .look at row 2"):
        check_text(tmp_path, f"{HEADER},name\n1,{BADGE},".encode() + b"\x81\n")


def test_utf_16_that_was_cut_off_is_refused_in_one_line(tmp_path: Path) -> None:
    content = as_csv(ROWS).encode("utf-16")[:-1]
    with pytest.raises(InputRefused, match="not UTF-16 text"):
        check_text(tmp_path, content)


@pytest.mark.parametrize("line", ["sep=;\r\n", "SEP=;\n", '"sep=;"\r\n', "\ufeffsep=;\r\n", "sep=;\r"])
def test_a_line_that_names_the_separator_is_no_row(tmp_path: Path, line: str) -> None:
    text = line + written(";", ROWS, "\r" if line.endswith("\r") else "\r\n")
    assert check_text(tmp_path, text).customers == {2: 1, 3: 2}
    assert form_of(tmp_path, text) == 'UTF-8, separated by semicolons, after a line "sep="'


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", WORDS)
def test_line_ends_of_all_kinds_also_in_quotes_keep_the_row_numbers(
    tmp_path: Path, delimiter: str, line_end: str
) -> None:
    rows = [ROWS[0], ["1", BADGE, f"two{line_end}lines"], [], ["2", BADGE, ""]]
    assert check_text(tmp_path, written(delimiter, rows, line_end)).customers == {2: 1, 4: 2}


def test_mixed_line_ends_are_line_ends(tmp_path: Path) -> None:
    text = f"{HEADER}\r\n1,{BADGE}\n2,{BADGE}\r3,{BADGE}"
    assert check_text(tmp_path, text).customers == {2: 1, 3: 2, 4: 3}


def test_commas_inside_cells_do_not_make_a_file_comma_separated(tmp_path: Path) -> None:
    text = "customer_id;badge_meta_id;price;note\n" + f"1;{BADGE};12,50;a, b, c\n" * 3
    assert form_of(tmp_path, text) == "UTF-8, separated by semicolons"
    assert check_text(tmp_path, text).problems == []


def test_a_file_of_one_column_is_understood(tmp_path: Path) -> None:
    how = options(defaults={"badge_meta_id": BADGE})
    assert check_text(tmp_path, "customer_id\n1\n2\n", how).customers == {2: 1, 3: 2}


def test_what_the_user_says_beats_what_is_found(tmp_path: Path) -> None:
    text = written(";", ROWS)
    for name in (";", "semicolon", "Semicolon "):
        assert check_text(tmp_path, text, told(delimiter=name)).customers == {2: 1, 3: 2}
    content = f"{HEADER},name\n1,{BADGE},\u00c3\u00b6\n".encode("cp1252")
    for name in ("windows-1252", "cp1252", "Windows 1252"):
        sheet = open_source(write(tmp_path, content), told(encoding=name)).sheet
        assert sheet.form.startswith("Windows-1252")


@pytest.mark.parametrize(
    "how", [{"delimiter": "x"}, {"delimiter": ""}, {"encoding": "ebcdic"}, {"encoding": ""}]
)
def test_a_form_that_is_not_known_is_a_wrong_option(tmp_path: Path, how: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="is not known; use"):
        form_of(tmp_path, as_csv(ROWS), told(**how))


def messy_cells() -> st.SearchStrategy[str]:
    return st.text(st.sampled_from("ab1 ,;|\t\"'\n\r\u00e4\u20ac"), max_size=8)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    width = draw(st.integers(0, 3))
    notes = [f"note {n}" for n in range(width)]
    count = draw(st.integers(1, 6))
    rows = [
        [str(draw(st.integers(1, 10**12))), BADGE, *(draw(messy_cells()) for _ in notes)]
        for _ in range(count)
    ]
    return [["customer_id", "badge_meta_id", *notes], *rows]


@given(table=tables(), delimiter=st.sampled_from(sorted(WORDS)), line_end=st.sampled_from(["\n", "\r\n"]))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_what_a_csv_writer_writes_comes_back_cell_by_cell(
    tmp_path_factory: pytest.TempPathFactory,
    encoding: str,
    table: list[list[str]],
    delimiter: str,
    line_end: str,
) -> None:
    # quoted, for a lone CR in a cell would else be a line end like any other
    content = written(delimiter, table, line_end, quoted=True).encode(encoding)
    path = write(tmp_path_factory.mktemp("table"), content)
    sheet = open_source(path, told(encoding=encoding.removesuffix("-sig"), delimiter=delimiter)).sheet
    rows = [row for block in sheet.blocks() for row in zip(block.numbers, block.cells, strict=True)]
    assert rows == list(enumerate(table[1:], start=2))


def corpus() -> Iterator[tuple[str, str, list[list[str]]]]:
    """Yield what other programs write, with what is meant; after the corner cases of csv-spectrum."""
    head = ["customer_id", "badge_meta_id", "note"]
    yield (
        "a comma in quotes",
        f'customer_id,badge_meta_id,note\n1,{BADGE},"a, b"\n',
        [head, ["1", BADGE, "a, b"]],
    )
    yield "empty cells", f'customer_id,badge_meta_id,note\n1,{BADGE},""\n', [head, ["1", BADGE, ""]]
    yield (
        "doubled quotes",
        f'customer_id,badge_meta_id,note\n1,{BADGE},"a ""b"""\n',
        [head, ["1", BADGE, 'a "b"']],
    )
    yield (
        "JSON",
        f'customer_id,badge_meta_id,note\n1,{BADGE},"{{""type"": ""x"", ""at"": [1, 2]}}"\n',
        [head, ["1", BADGE, '{"type": "x", "at": [1, 2]}']],
    )
    yield "newlines", f'customer_id,badge_meta_id,note\n1,{BADGE},"a\nb"\n', [head, ["1", BADGE, "a\nb"]]
    yield (
        "CRLF newlines",
        f'customer_id,badge_meta_id,note\r\n1,{BADGE},"a\r\nb"\r\n',
        [head, ["1", BADGE, "a\r\nb"]],
    )
    yield "no last line end", f"customer_id,badge_meta_id,note\n1,{BADGE},a", [head, ["1", BADGE, "a"]]
    yield (
        "all quoted",
        f'"customer_id";"badge_meta_id";"note"\n"1";"{BADGE}";"a"\n',
        [head, ["1", BADGE, "a"]],
    )


@pytest.mark.parametrize(
    ("name", "text", "meant"), list(corpus()), ids=lambda value: value if len(value) < 20 else ""
)
def test_the_corner_cases_of_other_writers_are_read_as_meant(
    tmp_path: Path, name: str, text: str, meant: list[list[str]]
) -> None:
    sheet = open_source(write(tmp_path, text), options()).sheet
    assert [sheet.header(), *(row for block in sheet.blocks() for row in block.cells)] == meant, name
