"""The adapter to Dask: an engine whose pieces of work are tasks of a scheduler and its workers."""

from batch_issuer.cluster.opening import open_engine

__all__ = ["open_engine"]
