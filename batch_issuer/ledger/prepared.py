"""Statements of the hot path: compiled once for each database, and run for many rows by the driver alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Row
from sqlalchemy.sql import ClauseElement

Values = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiled:
    sql: str
    constants: Values
    order: tuple[str, ...] | None
    """The parameters in the order of their places; None where the driver takes them by name."""

    def parameters(self, rows: Sequence[Values]) -> list[Any]:
        complete = [{**self.constants, **row} for row in rows]
        order = self.order
        return complete if order is None else [tuple([row[name] for name in order]) for row in complete]


@dataclass(frozen=True, slots=True)
class Prepared:
    """One statement, made for a connection, whose parameters have names.

    SQLAlchemy works the parameters and results of every row over, which takes longer than the databases
    take for it. Here they go to the driver, and come from it, as they are: texts, numbers, bytes and None.
    """

    make: Callable[[Connection], ClauseElement]
    _compiled: dict[str, _Compiled] = field(default_factory=dict)

    def run(self, connection: Connection, rows: Sequence[Values]) -> int:
        """Run the statement for each row, and return how many rows of its table that has met."""
        if not rows:
            return 0
        compiled = self._for(connection)
        return connection.exec_driver_sql(compiled.sql, compiled.parameters(rows)).rowcount

    def fetch(self, connection: Connection, values: Values) -> Sequence[Row[Any]]:
        """Run a query once, and return all its rows."""
        compiled = self._for(connection)
        (parameters,) = compiled.parameters([values])
        return connection.exec_driver_sql(compiled.sql, parameters).fetchall()

    def _for(self, connection: Connection) -> _Compiled:
        name = connection.dialect.name
        if name not in self._compiled:
            self._compiled[name] = _compile(self.make(connection), connection)
        return self._compiled[name]


def _compile(statement: ClauseElement, connection: Connection) -> _Compiled:
    made = statement.compile(dialect=connection.dialect)
    constants = {
        name: value.value if isinstance(value, Enum) else value
        for name, value in made.params.items()
        if value is not None
    }
    order = getattr(made, "positiontup", None)
    return _Compiled(sql=str(made), constants=constants, order=None if order is None else tuple(order))
