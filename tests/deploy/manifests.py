"""Reads manifests for Kubernetes, and asks whether a cluster would take them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml


def documents(path: Path) -> list[dict[str, Any]]:
    """Return the documents of a file."""
    return list(yaml.safe_load_all(path.read_text()))


def validate(path: Path) -> "subprocess.CompletedProcess[str]":
    """Hold a file against the published schemas, in which no key may be unknown."""
    program = Path(sys.executable).with_name("kubernetes-validate")
    return subprocess.run([program, "--strict", path], capture_output=True, text=True, check=False)
