"""Queries on tokens, by which other systems use the API. Only digests of them are known."""

from dataclasses import asdict, dataclass, field

from sqlalchemy import Connection, insert, select, update

from batch_issuer.ledger import tables

_known = tables.tokens.c


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """A token of a user."""

    token: str
    """What it is called by; not the token itself."""
    digest: str = field(repr=False)
    user: str
    name: str
    """What it is for, in the user's words."""
    created_at: str
    ends_at: str
    revoked_at: str = ""


def insert_token(connection: Connection, token: TokenRecord) -> None:
    """Record a token."""
    connection.execute(insert(tables.tokens).values(asdict(token)))


def find_token(connection: Connection, token: str) -> TokenRecord | None:
    """Return a token by what it is called by."""
    row = connection.execute(select(tables.tokens).where(_known.token == token)).one_or_none()
    return None if row is None else TokenRecord(**row._asdict())


def find_token_by_digest(connection: Connection, digest: str) -> TokenRecord | None:
    """Return a token by its digest."""
    row = connection.execute(select(tables.tokens).where(_known.digest == digest)).one_or_none()
    return None if row is None else TokenRecord(**row._asdict())


def list_tokens(connection: Connection, user: str | None = None) -> list[TokenRecord]:
    """Return the tokens of one user, or of all, the latest first."""
    query = select(tables.tokens).order_by(_known.created_at.desc(), _known.token)
    if user is not None:
        query = query.where(_known.user == user)
    return [TokenRecord(**row._asdict()) for row in connection.execute(query)]


def revoke_token(connection: Connection, token: str, revoked_at: str) -> bool:
    """Take a token back for good; False where that was done before."""
    valid = (_known.token == token) & (_known.revoked_at == "")
    return connection.execute(update(tables.tokens).where(valid).values(revoked_at=revoked_at)).rowcount == 1


def revoke_tokens_of(connection: Connection, user: str, revoked_at: str) -> int:
    """Take all tokens of a user back, and count them."""
    valid = (_known.user == user) & (_known.revoked_at == "")
    return connection.execute(update(tables.tokens).where(valid).values(revoked_at=revoked_at)).rowcount
