"""The background runs of a server: they belong to it, not to a tab, and go on after a restart."""

from batch_issuer.runs.console import Runs, open_runs
from batch_issuer.runs.options import RunOptions
from batch_issuer.runs.progress import RunProgress
from batch_issuer.runs.working import LoadSettings

__all__ = ["LoadSettings", "RunOptions", "RunProgress", "Runs", "open_runs"]
