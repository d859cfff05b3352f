"""How a run went and how the batches stand, in figures for Prometheus.

What turns them into text loads prometheus-client, so `rendering` and `run_file` are imported where a file or
a page of metrics is wanted.
"""

from batch_issuer.metrics.figures import LedgerFigures, read_figures
from batch_issuer.metrics.measurements import Measurements
from batch_issuer.metrics.runs import RunEnd

__all__ = ["LedgerFigures", "Measurements", "RunEnd", "read_figures"]
