"""A simulated ISSUE-BADGE workflow API on loopback, for demos and tests."""

from batch_issuer.sandbox.scenario import Credentials, Scenario
from batch_issuer.sandbox.server import Sandbox

__all__ = ["Credentials", "Sandbox", "Scenario"]
