"""What the footer of a Parquet file tells of its row groups, read without the library.

The library ends the whole program where it is asked for a column of a damaged footer, or for one that is
encrypted. A footer is one record in Thrift's compact protocol: numbered fields, each with its type.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

_STOP, _TRUE, _FALSE, _BYTE = 0, 1, 2, 3
_NUMBERS: Final = frozenset({4, 5, 6})
_DOUBLE, _BINARY, _LIST, _SET, _MAP, _RECORD, _UUID = 7, 8, 9, 10, 11, 12, 13
_WIDTHS: Final = {_BYTE: 1, _DOUBLE: 8, _UUID: 16}
_DEEPEST: Final = 32
_LONG: Final = 15
"""A list of so many or more tells its length in a number of its own."""
_BITS: Final = 64

_Fields = Mapping[int, "_Fields | None"]
"""The fields of a record that are kept, by their numbers, each with those of the records in it."""
_OF_COLUMN: Final[_Fields] = dict.fromkeys((3, 5, 6, 7, 9, 11))
_ROWS, _GROUPS, _ENCRYPTION, _COLUMNS, _TOLD = 3, 4, 8, 1, 3
_ENCRYPTED: Final = frozenset({8, 9})
_OF_GROUP: Final[_Fields] = {_COLUMNS: {_TOLD: _OF_COLUMN, **dict.fromkeys(_ENCRYPTED)}, _ROWS: None}
_OF_FILE: Final[_Fields] = {_ROWS: None, _GROUPS: _OF_GROUP, _ENCRYPTION: None}
_NOTHING: Final[_Fields] = {}


class ColumnTold(NamedTuple):
    """What is told of a column of a row group."""

    path: tuple[str, ...]
    values: int
    unpacked: int
    """Bytes that it takes when it is unpacked."""
    begin: int
    end: int
    has_dictionary: bool
    """Its cells may be places in a list of values."""


class GroupTold(NamedTuple):
    """What is told of a row group."""

    rows: int
    columns: Sequence[ColumnTold]


class FileTold(NamedTuple):
    """What is told of a file."""

    rows: int
    groups: Sequence[GroupTold]
    is_encrypted: bool


def read_metadata(footer: bytes) -> FileTold:
    """Read a footer. Raises ValueError or LookupError where it is damaged."""
    try:
        return _file(_Reader(footer).record(_OF_FILE, 0))
    except (TypeError, AttributeError) as exc:  # a value of another type than its field has
        raise ValueError("a value is of a wrong type") from exc


def _file(told: Mapping[int, Any]) -> FileTold:
    groups = told.get(_GROUPS, [])
    columns = (column for group in groups for column in group.get(_COLUMNS, []))
    if _ENCRYPTION in told or any(_ENCRYPTED & column.keys() for column in columns):
        return FileTold(rows=told[_ROWS], groups=(), is_encrypted=True)
    found = [GroupTold(group[_ROWS], [_column(one[_TOLD]) for one in group[_COLUMNS]]) for group in groups]
    return FileTold(rows=told[_ROWS], groups=found, is_encrypted=False)


def _column(told: Mapping[int, Any]) -> ColumnTold:
    first, dictionary = told[9], told.get(11, 0)
    begin = min(first, dictionary) if dictionary > 0 and first else first or dictionary
    return ColumnTold(
        path=tuple(part.decode() for part in told[3]),
        values=told[5],
        unpacked=told[6],
        begin=begin,
        end=begin + told[7],
        has_dictionary=dictionary > 0,
    )


class _Reader:
    """Reads the values of a footer one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def record(self, kept: _Fields, depth: int) -> dict[int, Any]:
        """Read a record; fields that are not kept are passed over."""
        if depth > _DEEPEST:
            raise ValueError("values are nested too deep")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            number = number + step if step else self._signed()
            number = (number + 0x8000) % 0x10000 - 0x8000  # the library keeps 16 bits
            value = kind == _TRUE
            if kind not in {_TRUE, _FALSE}:
                value = self._value(kind, kept.get(number) or _NOTHING, depth + 1)
            if number in kept:
                fields[number] = value
        return fields

    def _value(self, kind: int, kept: _Fields, depth: int) -> Any:  # noqa: ANN401 - of any type
        if kind in _NUMBERS:
            return self._signed()
        if kind == _BINARY:
            return self._bytes(self._number())
        if kind == _RECORD:
            return self.record(kept, depth)
        if kind in {_LIST, _SET}:
            head = self._byte()
            count, kind = head >> 4, head & 15
            return self._values(self._number() if count == _LONG else count, (kind,), kept, depth)
        if kind == _MAP:
            count = self._number()
            kinds = self._byte() if count else 0
            return self._values(count, (kinds >> 4, kinds & 15), _NOTHING, depth)
        return self._bytes(_WIDTHS[kind])

    def _values(self, count: int, kinds: tuple[int, ...], kept: _Fields, depth: int) -> list[Any]:
        if depth > _DEEPEST or count > len(self._content):  # each value takes a byte at least
            raise ValueError("values are nested too deep, or too many")
        kinds = tuple(_BYTE if kind in {_TRUE, _FALSE} else kind for kind in kinds)
        return [self._value(kind, kept, depth + 1) for _ in range(count) for kind in kinds]

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _number(self) -> int:
        number = shift = 0
        while shift < _BITS:
            byte = self._byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - the highest bit says that more follow
                return number % (1 << _BITS)
            shift += 7
        raise ValueError("a number is too long")

    def _signed(self) -> int:
        number = self._number()
        return (number >> 1) ^ -(number & 1)

    def _bytes(self, count: int) -> bytes:
        value = self._content[self._at : self._at + count]
        self._at += count
        if self._at > len(self._content):
            raise ValueError("a value reaches beyond the footer")
        return value
