"""Reads the commands of Dask out of deployment files: would Dask take them, and its settings?"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import dask
import distributed
import yaml
from distributed.cli.dask_scheduler import main as scheduler
from distributed.cli.dask_worker import main as worker

_COMMANDS = {"scheduler": scheduler, "worker": worker}
_DEFAULTS = yaml.safe_load(Path(distributed.__file__).with_name("distributed.yaml").read_text())
_PREFIX = "DASK_"


def parse(arguments: Iterable[str]) -> dict[str, Any]:
    """Return the options of a `dask scheduler` or `dask worker`, as Dask reads them, without running it."""
    name, *rest = arguments
    command = _COMMANDS[name]
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            parameter.type = click.Path()  # certificates are where the command runs, and not here
    found: dict[str, Any] = command.make_context(name, rest).params
    return found


def settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what the variables of an environment set in Dask, by the names that Dask gives its settings."""
    given = {name: value for name, value in environment.items() if name.startswith(_PREFIX)}
    return dict(_leaves(dask.config.collect_env(given), _DEFAULTS))


def _leaves(given: Mapping[str, Any], known: Any, before: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in given.items():
        key = name.replace("_", "-")
        assert key in known, f"Dask has no setting {before}{key}"
        if isinstance(known[key], dict):
            yield from _leaves(value, known[key], f"{before}{key}.")
        else:
            yield before + key, value
