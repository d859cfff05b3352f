"""The API: what the pages can do, as JSON for other systems, on the same services."""

from batch_issuer.web.api.routes import ROUTES

__all__ = ["ROUTES"]
