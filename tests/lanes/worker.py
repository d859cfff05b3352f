"""A process that does one piece of work: it reads the piece, and writes what came of it."""

import asyncio
import pickle
import sys

from batch_issuer.submission import lease

if __name__ == "__main__":
    setattr(lease, "SHORTEST_SECONDS", 1.0)  # noqa: B010 - a constant, to everybody but this test
    work, item = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own
    pickle.dump(asyncio.run(work(item)), sys.stdout.buffer)
