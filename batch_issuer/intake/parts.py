"""Cuts a text file into parts of whole lines, in UTF-8 whatever the file is written in."""

import codecs
import re
from collections.abc import Iterator
from typing import IO, Final

PART_BYTES: Final = 4 << 20
_READ: Final = PART_BYTES
_LINE: Final = re.compile(rb"\A[^\r\n]*(?:\r\n|\r|\n)")


def lines_in_parts(file: IO[bytes], *, encoding: str, skips_line: bool, part_bytes: int) -> Iterator[bytes]:
    """Yield a text in parts of about `part_bytes`, each but the last ending with a newline.

    The first line is left out where it names the separator, and so is a byte order mark. Raises OSError, and
    UnicodeDecodeError where the bytes are no text of the encoding (UTF-8 is passed on as it is).
    """
    rest = b""
    for part in _in_utf_8(file, encoding):
        rest += part
        if skips_line:
            rest, skips_line = _LINE.sub(b"", rest, count=1), False
        while len(rest) >= part_bytes:
            end = rest.rfind(b"\n", 0, part_bytes) + 1 or rest.find(b"\n") + 1
            if not end:
                break
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def _in_utf_8(file: IO[bytes], encoding: str) -> Iterator[bytes]:
    if encoding in {"utf-8-sig", "utf-8"}:
        start = file.read(_READ)
        yield start.removeprefix(codecs.BOM_UTF8) if encoding == "utf-8-sig" else start
        while part := file.read(_READ):
            yield part
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    while part := file.read(_READ):
        yield decoder.decode(part).encode()
    yield decoder.decode(b"", final=True).encode()
