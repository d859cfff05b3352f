"""Imports flow one way: shared words, borders, stages, pipeline, doors."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "batch_issuer"
LEVELS = (
    {"batch"},
    {"errors", "clock", "processes", "redaction", "tasks", "notify_settings", "addresses"},
    {"console_settings", "engine_settings", "engine"},
    {"settings_file"},
    {"settings", "logs"},
    {"site"},
    {"gateway", "ledger"},
    {"intake"},
    {"planning"},
    {"submission"},
    {"tracking"},
    {"reports"},
    {"metrics"},
    {"assembly"},
    {"recording", "preflight", "notices", "accounts"},
    {"spread", "lanes"},
    {"acceptance", "retrying"},
    {"reporting"},
    {"sending"},
    {"pipeline", "dry_run", "housekeeping", "diagnosis"},
    {"inbox", "uploads", "runs"},
    {"cluster"},
    {"web"},
    {"cli"},
    {"__main__"},
)
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("batch_issuer."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.ImportFrom) and node.module == "batch_issuer":
            yield from (alias.name for alias in node.names if alias.name in LEVEL)


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_below(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own in {"__init__", "sandbox"}:
        assert own == "__init__" or set(imports_of(path)) <= {"sandbox"}
        return
    for imported in imports_of(path):
        if imported == "sandbox":
            assert own == "cli", "only the doors open a sandbox"
        elif imported != own:
            assert LEVEL[imported] < LEVEL[own], f"{own} imports {imported}, which stands above it"


def test_the_sandbox_shares_no_code_with_the_gateway() -> None:
    for path in (PACKAGE / "sandbox").rglob("*.py"):
        assert set(imports_of(path)) <= {"sandbox"}


def test_every_folder_says_what_it_is_for() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_what_a_folder_exports_is_listed_exactly() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        tree = ast.parse(path.read_text())
        imported = {
            alias.asname or alias.name
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        listed = [
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
        ]
        if imported:
            assert listed
            assert set(listed[0]) == imported
