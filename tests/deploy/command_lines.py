"""Reads command lines out of deployment files and pages, and tells whether our command line takes them."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

from batch_issuer.cli.app import app

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
HOW_TO = ROOT / "docs" / "how-to"
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_QUOTED = re.compile(r"`([^`\n]+)`")
_TREE = typer.main.get_group(app)


def parse(arguments: Sequence[str]) -> str:
    """Return the command that these arguments call, without calling it. Raises what a user would be told."""
    context = _TREE.make_context("batch-issuer", list(arguments))
    name, *rest = [*context._protected_args, *context.args]
    command = _TREE.commands.get(name)
    assert command is not None, f"there is no command {name!r}"
    command.make_context(name, rest)
    return name


def ours(line: str) -> list[str] | None:
    """Return the arguments of the batch-issuer that a line of shell calls, if it calls one."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
    lexer.whitespace_split = True  # else an address falls apart at its colon
    words = list(lexer)
    if words[:2] == ["sudo", "-u"]:
        words = words[3:]
    if words[:1] != ["batch-issuer"]:
        return None
    ends = (n for n, word in enumerate(words) if set(word) & set("|;&<>"))
    return words[1 : next(ends, len(words))]


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of a page that are written in a language."""
    return [text for kind, text in _FENCED.findall(page) if kind == language]


def quoted(page: str) -> list[str]:
    """Return what a page's sentences and tables quote as code."""
    return _QUOTED.findall(_FENCED.sub("", page))


def command_lines(page: str) -> Iterator[list[str]]:
    """Yield the arguments of every batch-issuer that a page shows, in its shell blocks and in its text."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    for line in [*lines, *quoted(page)]:
        found = ours(line) if "batch-issuer" in line else None
        if found:
            yield found
