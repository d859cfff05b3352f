"""Feeds the reader of spreadsheets changed and broken files, and watches what users would get.

`python -m tests.fuzz.reader --seconds 60` starts from real files and changes them at random. Each must be
read or refused in one clear line; rows that are read have ascending numbers, and are each valid or explained.
A file that breaks this is kept, and named with the seed that makes it again.
"""

import argparse
import io
import random
import resource
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake import InputOptions, Limits, SheetOptions, Source, check_rows, open_source
from batch_issuer.intake.workbooks.template import template_workbook
from tests.intake.sheets import BADGE, FULL_HEADER
from tests.intake.workbooks import save

SLOW_SECONDS: Final = 20.0
_MOST_MEMORY: Final = 3 << 30
_FIXTURES: Final = Path(__file__).parent.parent / "intake" / "libreoffice"
_LIMITS: Final = Limits(max_rows=100_000, max_cell_chars=4096)
_ROWS: Final = 30
_PIECES: Final = (
    *(b",", b";", b"\t", b"|", b'"', b'""', b"\r", b"\n", b"\r\n", b"\0", b"'", b" ", b"\xa0"),
    *(b"sep=;\n", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xe9", "ü".encode(), "\u2028".encode()),
    *(b"1.13461E+08", b"9223372036854775808", b"#N/A", b"customer_id", b"badge", b"=1+1"),
    *(
        b"<row",
        b"</row>",
        b"<c",
        b'r="',
        b' t="e"',
        b' t="s"',
        b"<v>",
        b"</v>",
        b"<f>",
        b"/>",
        b"&#0;",
        b"&x;",
    ),
    *(b"</sheetData>", b"<!--", b"-->", b"<![CDATA[", b"XFD1048576", b"A0", b"-1", b"1e999", b"NaN"),
)


def corpus(folder: Path) -> list[bytes]:
    """Return the files to start from."""
    text = f"{FULL_HEADER}\r\n" + "".join(
        f'{number},{BADGE},Loyalty,"g,{number}",2026-01-31\r\n' for number in range(_ROWS)
    )
    rows: list[list[Any]] = [
        FULL_HEADER.split(","),
        *([number, BADGE, "Loyalty", 2.5 * number, "2026-01-31"] for number in range(_ROWS)),
    ]
    book = save(
        folder / "numbers.xlsx", rows, lambda _, sheet: sheet.write_formula(1, 0, "=1/0", None, "#DIV/0!")
    )
    forms = ("utf-8", "utf-8-sig", "utf-16", "cp1252")
    return [
        *(text.encode(form) for form in forms),
        f"sep=;\n{text}".replace(",", ";").encode(),
        *(path.read_bytes() for path in sorted(_FIXTURES.iterdir())),
        book.read_bytes(),
        *_parquet_files(),
        template_workbook(),
    ]


def _parquet_files() -> list[bytes]:
    """Return two files, packed and not, of several row groups and types."""
    table = pa.table(
        {
            "customer_id": range(_ROWS),
            "badge_meta_id": [BADGE] * _ROWS,
            "owner_type": ["Loyalty"] * _ROWS,
            "reference_id": [f"g{number % 3}" for number in range(_ROWS)],
            "issue_event_date": [date(2026, 1, 31)] * _ROWS,
            "score": [1.5 * number for number in range(_ROWS)],
            "tags": [["a"]] * _ROWS,
        }
    )
    files = []
    for packing in ("none", "zstd"):
        content = io.BytesIO()
        pq.write_table(table, content, row_group_size=12, compression=packing)
        files.append(content.getvalue())
    return files


def change(content: bytes, chance: random.Random) -> bytes:
    """Break a file a little: a workbook mostly in one of its parts, which is packed again."""
    if content.startswith(b"PK") and chance.random() < 0.9:
        return _change_part(content, chance)
    return _change_bytes(content, chance)


def _change_part(content: bytes, chance: random.Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    chosen = chance.choice([*parts, *(name for name in parts if "worksheets/sheet" in name)] * 2)
    if chance.random() < 0.05:
        del parts[chosen]
    else:
        parts[chosen] = _change_bytes(parts[chosen], chance)
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, part in parts.items():
            file.writestr(name, part)
    return changed.getvalue()


def _change_bytes(content: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        content = chance.choice(_CHANGES)(content, chance)
    return content


def _flip(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :]


def _insert(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + chance.choice(_PIECES) * chance.choice((1, 1, 1, 3, 2000)) + content[at:]


def _cut(content: bytes, chance: random.Random) -> bytes:
    first, last = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    return content[:first] + content[last:]


def _repeat(content: bytes, chance: random.Random) -> bytes:
    first, last = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    return content[:last] + content[first:last] * chance.choice((1, 2, 20)) + content[last:]


def _renumber(content: bytes, chance: random.Random) -> bytes:
    """Put another number where one stands: sizes, places, references."""
    places = [at for at, byte in enumerate(content) if 0x30 <= byte <= 0x39]
    if not places:
        return content
    at = chance.choice(places)
    number = chance.choice((b"0", b"1", b"99999", b"1048577", b"4294967296", b"99999999999999999999"))
    return content[:at] + number + content[at + 1 :]


_CHANGES: Final[Sequence[Callable[[bytes, random.Random], bytes]]] = (
    _flip,
    _insert,
    _cut,
    _repeat,
    _renumber,
)


def read(path: Path) -> str:
    """Read a file as `validate` does, and say what came of it; AssertionError where that breaks a promise."""
    try:
        source = open_source(path, InputOptions(sheet=SheetOptions(), limits=_LIMITS))
        last = 1
        for checked in check_rows(source):
            explained = {problem.row for problem in checked.problems}
            numbers = sorted(explained.union(checked.rows.tolist()))
            assert explained.isdisjoint(checked.rows.tolist())
            assert len(numbers) == checked.total, "a row is neither valid nor explained"
            assert numbers[0] > last, "rows are repeated, or out of order"
            last = numbers[-1]
        _read_in_parts(source, path.stat().st_size)
        assert source.sheet.form.isprintable()
        assert all(warning.isprintable() for warning in source.sheet.warnings)
    except (InputRefused, UsageError) as exc:
        refusal = str(exc)
    else:
        return "read"
    assert refusal.isprintable(), "a refusal of more than one line"
    return "refused"


def _read_in_parts(source: Source, size: int) -> None:
    """Read a file that can be read in three parts or so: they hold the rows of the whole."""
    spans = source.spans(part_bytes=size // 3 + 1)
    assert [number for span in spans for number in _rows(source.within(span))] == _rows(source)


def _rows(source: Source) -> list[int]:
    return [number for block in source.blocks() for number in block.raw(np.arange(len(block.rows))).numbers]


def fuzz(seed: int, folder: Path, *, seconds: float = float("inf"), files: int | None = None) -> Counter[str]:
    """Change and read files until the time or their number is used up. Raises AssertionError, naming one."""
    counts: Counter[str] = Counter()
    start = corpus(folder)
    path = folder / "changed"
    until = time.monotonic() + seconds
    while time.monotonic() < until and (files is None or counts.total() < files):
        chance = random.Random(f"{seed} {counts.total()}")  # noqa: S311 - it breaks files, no codes
        path.write_bytes(change(chance.choice(start), chance))
        began = time.monotonic()
        try:
            counts[read(path)] += 1
        except BaseException as exc:
            raise AssertionError(f"seed {seed}, file {counts.total()}: see {path}") from exc
        assert time.monotonic() - began < SLOW_SECONDS, f"seed {seed}, file {counts.total()} was slow"
    return counts


def main() -> int:
    """Fuzz for some seconds; the last file stays where a crash of the whole process would leave it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))  # too much would be given on trust
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    print(f"seed {arguments.seed}, files in {folder}", flush=True)  # noqa: T201 - the answer of a tool
    counts = fuzz(arguments.seed, folder, seconds=arguments.seconds)
    told = ", ".join(f"{count:,} {word}" for word, count in sorted(counts.items()))
    print(f"{counts.total():,} files: {told}")  # noqa: T201 - as above
    return 0 if counts["read"] and counts["refused"] else 1


if __name__ == "__main__":
    sys.exit(main())
