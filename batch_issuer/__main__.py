"""`python -m batch_issuer` and the `batch-issuer` script."""

import sys

from batch_issuer import __version__


def main() -> None:
    """Run a command. The version alone needs none of the commands: it is there at once."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"batch_issuer {__version__}\n")
        return
    from batch_issuer.cli import main as run  # noqa: PLC0415 - see above

    run()


if __name__ == "__main__":
    main()
