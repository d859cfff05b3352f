"""The console: the pages and the API that `serve` opens, on the same pipeline as every command."""

from batch_issuer.web.serving import serve

__all__ = ["serve"]
