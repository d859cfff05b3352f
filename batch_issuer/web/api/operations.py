"""The shape of an operation of the API: what it takes, what it answers, and how the document tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from batch_issuer.accounts import Role
from batch_issuer.web.routes import Handler, Route

Schema = Mapping[str, Any]
NEEDS_TOKEN: Final = (401, 403, 503)
"""What any operation may answer that needs a token."""
TAKES_BODY: Final = (400, 408, 413, 415, 422)
"""What an operation may answer that takes a body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A header of an answer."""

    name: str
    what: str
    is_always_there: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One way in which an operation answers when it does what it is asked for."""

    status: int
    what: str
    content: Mapping[str, type[BaseModel] | Schema] = field(default_factory=dict)
    """A model or a schema for each content type."""
    headers: tuple[Header, ...] = ()
    links: Schema = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that other systems can ask for."""

    name: str
    """What programs that are made from the document call it."""
    method: str
    path: str
    handler: Handler
    needs: frozenset[Role]
    summary: str
    description: str = ""
    query: type[BaseModel] | None = None
    headers: type[BaseModel] | None = None
    body: Mapping[str, Schema | type[BaseModel]] = field(default_factory=dict)
    """A model or a schema for each content type that it takes."""
    told: tuple[Told, ...]
    problems: tuple[int, ...] = ()
    """By which statuses it says that it did not."""

    def route(self) -> Route:
        """Return how it is reached."""
        return Route(method=self.method, path=self.path, handler=self.handler, needs=self.needs)
