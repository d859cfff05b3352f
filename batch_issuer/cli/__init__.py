"""The command line: one file for each command; the folder is the command list."""

from batch_issuer.cli.app import main

__all__ = ["main"]
