"""The command with leases so short that a test can outwait them: for a user they last a minute at least."""

from batch_issuer.cli import main
from batch_issuer.submission import lease

if __name__ == "__main__":
    setattr(lease, "SHORTEST_SECONDS", 1.0)  # noqa: B010 - a constant, to everybody but this test
    main()
