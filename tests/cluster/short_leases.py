"""Preloaded by workers: leases as short as those of the commands of a test, which can outwait them."""

from batch_issuer.submission import lease

setattr(lease, "SHORTEST_SECONDS", 1.0)  # noqa: B010 - as in tests/end_to_end/short_leases.py
