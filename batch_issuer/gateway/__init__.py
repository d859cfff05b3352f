"""The border to the API: our values on the wire, answers as values, one exchange a call."""

from batch_issuer.gateway.access import (
    Access,
    InnerCall,
    checker_access,
    normal_url,
    read_access,
    sending_access,
)
from batch_issuer.gateway.answers import Answer, AnswerKind, Page
from batch_issuer.gateway.client import Client, open_client
from batch_issuer.gateway.exchanges import Heard, Operation

__all__ = [
    "Access",
    "Answer",
    "AnswerKind",
    "Client",
    "Heard",
    "InnerCall",
    "Operation",
    "Page",
    "checker_access",
    "normal_url",
    "open_client",
    "read_access",
    "sending_access",
]
