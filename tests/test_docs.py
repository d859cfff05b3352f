"""The documentation names every command, option, setting, outcome and exit code there is."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.batch.problems import Rule
from batch_issuer.cli.app import app
from batch_issuer.reports.requests_file import REQUEST_COLUMNS
from batch_issuer.reports.row_files import RECONCILIATION_COLUMNS
from batch_issuer.settings import Settings

ROOT = Path(__file__).parent.parent
COMMANDS = (ROOT / "docs" / "reference" / "commands.md").read_text()
SETTINGS = (ROOT / "docs" / "reference" / "settings.md").read_text()
FILES = (ROOT / "docs" / "reference" / "files.md").read_text()


def every_command(commands: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield commands by their names, those of groups too: `users`, then `users add`."""
    for name, command in commands.items():
        yield before + name, command
        yield from every_command(getattr(command, "commands", {}), f"{before}{name} ")


TREE = dict(every_command(typer.main.get_group(app).commands))


@pytest.mark.parametrize("command", sorted(TREE))
def test_each_command_and_option_is_documented_and_has_help(command: str) -> None:
    assert f"`{command}" in COMMANDS
    assert TREE[command].help
    for parameter in TREE[command].params:
        assert getattr(parameter, "help", ""), f"{command} {parameter.name} has no help"
        for option in parameter.opts:
            assert not option.startswith("--") or f"`{option}" in COMMANDS, f"{command} {option}"


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_each_setting_is_documented(name: str) -> None:
    assert f"`{name.upper()}`" in SETTINGS
    assert Settings.model_fields[name].description


def test_each_outcome_column_and_exit_code_is_documented() -> None:
    assert all(f"| `{outcome.value}` |" in FILES for outcome in Outcome)
    assert all(f"| {code.value} |" in COMMANDS for code in ExitCode)
    assert ",".join(RECONCILIATION_COLUMNS) in FILES
    assert ",".join(REQUEST_COLUMNS) in FILES


def test_each_rule_is_explained_to_the_people_who_fill_in_files() -> None:
    explained = (ROOT / "input_templates" / "README.md").read_text()
    assert all(f"`{rule.value}`" in explained for rule in Rule)


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "input_templates").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
