"""Statements of the hot path: compiled once for each database, and run for many rows by the driver alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql import ClauseElement

Values = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiled:
    sql: str
    constants: Values
    order: tuple[str, ...] | None
    """The parameters in the order of their places; None where the driver takes them by name."""

    def parameters(self, row: Values) -> Any:  # noqa: ANN401 - what drivers take
        if self.order is None:
            return {**self.constants, **row}
        return tuple([row[name] if name in row else self.constants[name] for name in self.order])


@dataclass(frozen=True, slots=True)
class Prepared:
    """One statement, made for a connection, whose parameters have names.

    SQLAlchemy works the parameters of every row over, which takes longer than the databases take for it.
    Here they go to the driver as they are: texts, numbers, bytes and None.
    """

    make: Callable[[Connection], ClauseElement]
    _compiled: dict[str, _Compiled] = field(default_factory=dict)

    def run(self, connection: Connection, rows: Sequence[Values]) -> int:
        """Run the statement for each row, and return how many rows of its table that has met."""
        if not rows:
            return 0
        compiled = self._compiled.get(connection.dialect.name) or self._compile(connection)
        parameters = [compiled.parameters(row) for row in rows]
        return connection.exec_driver_sql(compiled.sql, parameters).rowcount

    def _compile(self, connection: Connection) -> _Compiled:
        made = self.make(connection).compile(dialect=connection.dialect)
        constants = {
            name: value.value if isinstance(value, Enum) else value for name, value in made.params.items()
        }
        order = getattr(made, "positiontup", None)
        compiled = _Compiled(
            sql=str(made), constants=constants, order=None if order is None else tuple(order)
        )
        self._compiled[connection.dialect.name] = compiled
        return compiled
