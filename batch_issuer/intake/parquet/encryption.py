"""Looks for encrypted columns in a footer before the library does: without keys it would end the program.

A footer is one record in Thrift's compact protocol. Only what tells of encryption is looked for; all else is
passed over.
"""

from typing import Final

_STOP, _TRUE, _FALSE, _BYTE = 0, 1, 2, 3
_NUMBERS: Final = frozenset({4, 5, 6})
_DOUBLE, _BINARY, _LIST, _SET, _MAP, _RECORD, _UUID = 7, 8, 9, 10, 11, 12, 13
_FILE, _ROW_GROUP, _COLUMN, _OTHER = "file", "row group", "column", ""
_WITHIN: Final = {(_FILE, 4): _ROW_GROUP, (_ROW_GROUP, 1): _COLUMN}
"""What a field of a record holds, by the number of the field."""
_ENCRYPTION: Final = frozenset({(_FILE, 8), (_FILE, 9), (_COLUMN, 8), (_COLUMN, 9)})
_DEEPEST: Final = 32
_LONG: Final = 15
"""A list of so many or more tells its length in a number of its own."""
_WIDTHS: Final = {_BYTE: 1, _DOUBLE: 8, _UUID: 16}


def is_encrypted(footer: bytes) -> bool:
    """Tell whether anything in a file is encrypted. Raises ValueError or IndexError for a damaged footer."""
    walk = _Walk(footer)
    walk.record(_FILE, 0)
    return walk.is_encrypted


class _Walk:
    """Passes over the values of a footer."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0
        self.is_encrypted = False

    def record(self, what: str, depth: int) -> None:
        if depth > _DEEPEST:
            raise ValueError("values are nested too deep")
        number = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            number = number + step if step else self._signed()
            number = (number + 0x8000) % 0x10000 - 0x8000  # the library keeps 16 bits
            if (what, number) in _ENCRYPTION:
                self.is_encrypted = True
            if kind not in {_TRUE, _FALSE}:
                self._value(kind, _WITHIN.get((what, number), _OTHER), depth + 1)

    def _value(self, kind: int, what: str, depth: int) -> None:
        if kind in _NUMBERS:
            self._number()
        elif kind == _BINARY:
            self._skip(self._number())
        elif kind == _RECORD:
            self.record(what, depth)
        elif kind in {_LIST, _SET}:
            self._list(what, depth)
        elif kind == _MAP:
            self._map(depth)
        else:
            self._skip(_WIDTHS[kind])

    def _list(self, what: str, depth: int) -> None:
        head = self._byte()
        count, kind = head >> 4, head & 15
        self._values(self._number() if count == _LONG else count, (kind,), what, depth)

    def _map(self, depth: int) -> None:
        count = self._number()
        if count:
            kinds = self._byte()
            self._values(count, (kinds >> 4, kinds & 15), _OTHER, depth)

    def _values(self, count: int, kinds: tuple[int, ...], what: str, depth: int) -> None:
        if depth > _DEEPEST or count > len(self._content):  # each value takes a byte at least
            raise ValueError("values are nested too deep, or too many")
        for _ in range(count):
            for kind in kinds:
                self._value(_BYTE if kind in {_TRUE, _FALSE} else kind, what, depth + 1)

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _number(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - the highest bit says that more follow
                return number
            shift += 7

    def _signed(self) -> int:
        number = self._number()
        return (number >> 1) ^ -(number & 1)

    def _skip(self, count: int) -> None:
        self._at += count
        if self._at > len(self._content):
            raise ValueError("a value reaches beyond the footer")
