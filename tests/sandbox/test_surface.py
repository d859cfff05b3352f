"""The face that the rest of the package sees."""

import ast
from pathlib import Path

from batch_issuer import sandbox

PACKAGE = Path(sandbox.__file__).parent


def test_the_public_names_are_exactly_these() -> None:
    assert sandbox.__all__ == sorted(["Credentials", "Sandbox", "Scenario"])
    assert all(hasattr(sandbox, name) for name in sandbox.__all__)


def imported_modules(module: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(module.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def test_the_sandbox_shares_no_code_with_the_client() -> None:
    imported = set().union(*(imported_modules(module) for module in PACKAGE.rglob("*.py")))
    ours = {name for name in imported if name.split(".")[0] == "batch_issuer"}

    assert {name for name in ours if not name.startswith("batch_issuer.sandbox")} == set()
