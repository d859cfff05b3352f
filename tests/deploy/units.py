"""systemd's unit files, read as systemd reads them: drop-ins last, an empty value forgets those before it."""

import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SYSTEMD_ANALYZE = shutil.which("systemd-analyze")
WITHOUT_SYSTEMD = "needs systemd-analyze (Debian package systemd)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit with its drop-ins."""

    name: str
    values: dict[tuple[str, str], list[str]]

    def all(self, section: str, key: str) -> list[str]:
        """Return every value of a key."""
        return self.values.get((section, key), [])

    def one(self, section: str, key: str) -> str:
        """Return the value of a key that must stand once."""
        (value,) = self.all(section, key)
        return value


def read_unit(path: Path) -> Unit:
    """Read a unit and the drop-ins of its name's beginning, as `batch-issuer-.service.d`."""
    beginning = path.name.rpartition("-")[0] + f"-{path.suffix}.d"
    values: dict[tuple[str, str], list[str]] = defaultdict(list)
    for file in [path, *sorted((path.parent / beginning).glob("*.conf"))]:
        for place, value in _assignments(file.read_text()):
            if value:
                values[place].append(value)
            else:
                values[place].clear()
    return Unit(name=path.name, values=dict(values))


def _assignments(text: str) -> Iterator[tuple[tuple[str, str], str]]:
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
        elif line and line[0] not in "#;":
            key, _, value = line.partition("=")
            yield (section, key), value


def analyze(units: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run systemd-analyze with a folder of units before the system's own."""
    assert SYSTEMD_ANALYZE is not None
    return subprocess.run(
        [SYSTEMD_ANALYZE, *arguments],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:", "SYSTEMD_COLORS": "0", "LC_ALL": "C"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def verify(units: Path) -> str:
    """Return what systemd has to say against the units of a folder: nothing, where all is well."""
    paths = sorted(str(path) for path in units.glob("*.*") if path.is_file())
    return analyze(units, "verify", *paths).stdout if paths else ""
