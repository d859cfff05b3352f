"""The page of log events names every event of the package, with its level and its fields."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from batch_issuer.logs import FIELDS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "reference" / "logs.md").read_text()
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A place that writes to the log."""

    where: str
    events: frozenset[str]
    levels: frozenset[str]
    fields: frozenset[str]


def calls() -> Iterator[Call]:
    """Find every call of a logger in the package."""
    for path in sorted((ROOT / "batch_issuer").rglob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and is_logging(node):
                yield read_call(node, tree, f"{path.name}:{node.lineno}")


def is_logging(call: ast.Call) -> bool:
    of = call.func
    is_method = isinstance(of, ast.Attribute) and of.attr in {*LEVELS, "log", "exception"}
    return (
        is_method
        and isinstance(of, ast.Attribute)
        and isinstance(of.value, ast.Name)
        and of.value.id == "log"
    )


def read_call(call: ast.Call, tree: ast.Module, where: str) -> Call:
    assert isinstance(call.func, ast.Attribute)
    if call.func.attr == "log":
        level, event = call.args[0], call.args[1]
        levels = {node.attr.lower() for node in ast.walk(level) if isinstance(node, ast.Attribute)} & LEVELS
    else:
        event, levels = call.args[0], {call.func.attr.replace("exception", "error")}
    extra = [keyword.value for keyword in call.keywords if keyword.arg == "extra"]
    return Call(
        where=where,
        events=frozenset(texts_of(event, tree)),
        levels=frozenset(levels),
        fields=frozenset(name for value in extra for name in keys_of(value, tree)),
    )


def texts_of(event: ast.expr, tree: ast.Module) -> set[str]:
    """Return the texts that an event can be: one, one of two, or those of a table of the module."""
    match event:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.IfExp():
            return texts_of(event.body, tree) | texts_of(event.orelse, tree)
        case ast.Subscript(value=ast.Name(id=name)):
            return {
                text
                for value in assigned(name, tree)
                if isinstance(value, ast.Dict)
                for one in value.values
                for text in texts_of(one, tree)
            }
    raise AssertionError(f"line {event.lineno}: the name of an event is not fixed")


def keys_of(value: ast.expr, tree: ast.Module) -> set[str]:
    """Return the names of fields: of a display, or of all that is assigned to a name in the module."""
    match value:
        case ast.Dict(keys=keys, values=values):
            own = {key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
            spread = (one for key, one in zip(keys, values, strict=True) if key is None)
            return own.union(*(keys_of(one, tree) for one in spread))
        case ast.Name(id=name):
            return set().union(*(keys_of(one, tree) for one in assigned(name, tree)))
    raise AssertionError(f"line {value.lineno}: the names of the fields are not fixed")


def assigned(name: str, tree: ast.Module) -> list[ast.expr]:
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=known)], value=value) if known == name:
                found.append(value)
            case ast.AnnAssign(target=ast.Name(id=known), value=ast.expr() as value) if known == name:
                found.append(value)
            case ast.AugAssign(target=ast.Name(id=known), value=value) if known == name:
                found.append(value)
    return found


CALLS = list(calls())
ROWS = {
    event: (frozenset(levels.split(" or ")), frozenset(re.findall(r"`(\w+)`", fields)))
    for event, levels, fields in re.findall(r"^\| `([^`]+)` \| ([a-z ]+) \| ([^|]+) \|", PAGE, re.MULTILINE)
}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.where)
def test_an_event_is_on_the_page_with_its_level_and_its_fields(call: Call) -> None:
    assert call.events
    for event in call.events:
        assert event in ROWS, f"docs/reference/logs.md lacks {event!r}"
        levels, fields = ROWS[event]
        assert levels <= call.levels
        assert fields == call.fields
    assert call.levels == frozenset().union(*(ROWS[event][0] for event in call.events))


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.where)
def test_an_event_has_no_field_that_the_log_would_drop(call: Call) -> None:
    assert call.fields <= set(FIELDS)


def test_the_page_names_no_event_that_is_never_written() -> None:
    assert ROWS.keys() == {event for call in CALLS for event in call.events}
