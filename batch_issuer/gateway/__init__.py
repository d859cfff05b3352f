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
from batch_issuer.gateway.reaching import Reach, Reached, reach

__all__ = [
    "Access",
    "Answer",
    "AnswerKind",
    "Client",
    "Heard",
    "InnerCall",
    "Operation",
    "Page",
    "Reach",
    "Reached",
    "checker_access",
    "normal_url",
    "open_client",
    "reach",
    "read_access",
    "sending_access",
]
