"""Reads metrics the way Prometheus does, and checks them with its own tool where that is installed."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

Metrics = Mapping[str, Mapping[tuple[str, ...], float]]


def read_metrics(text: str) -> Metrics:
    """Return the value of each sample by its name and the values of its labels, in order of their names."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            assert labels not in found.setdefault(sample.name, {}), f"{sample} stands there twice"
            found[sample.name][labels] = sample.value
    return found


def some(values: Mapping[tuple[str, ...], float]) -> dict[str, float]:
    """Return the values of a metric with one label, but those that are nothing."""
    return {label: value for (label,), value in values.items() if value}


def promtool(*arguments: str, content: str = "", folder: Path | None = None) -> str:
    """Run the tool of Prometheus, which must be content; return what it says."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("needs promtool, which comes with Prometheus")
    done = subprocess.run(
        [tool, *arguments], input=content, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
