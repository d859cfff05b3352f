"""Changes of users and tokens, each one transaction with its entry in the audit log."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection

from batch_issuer.accounts.roles import Role, User
from batch_issuer.errors import AccountRefused, UnknownUser
from batch_issuer.ledger.audit import Action, Actor, Entry, append
from batch_issuer.ledger.dialects import Lock, lock_for_all
from batch_issuer.ledger.sessions import delete_sessions_of
from batch_issuer.ledger.tokens import TokenRecord, find_token, insert_token, revoke_token, revoke_tokens_of
from batch_issuer.ledger.users import (
    UserRecord,
    find_user,
    have_users,
    insert_user,
    list_users,
    store_disabled,
    store_password,
    store_roles,
)


def add_user(connection: Connection, record: UserRecord, by: Actor, *, is_first: bool) -> User:
    """Record a new user, or, where that `is_first`, only if there is none yet."""
    lock_for_all(connection, Lock.ACCOUNTS)
    if is_first and have_users(connection):
        raise AccountRefused("there are accounts already; an admin adds others")
    if not insert_user(connection, record):
        raise AccountRefused(f"there is a user {record.user!r} already; choose another name")
    detail = {"roles": sorted(record.roles), "password": bool(record.password)}
    _note(connection, by, Action.USER_ADDED, record.user, at=record.created_at, detail=detail)
    return User.from_record(record)


def change_roles(connection: Connection, user: str, roles: Collection[Role], by: Actor, *, at: str) -> User:
    """Give a user other roles; what they may do changes at once."""
    known = _locked_user(connection, user)
    store_roles(connection, user, roles)
    _keep_an_admin(connection, known)
    detail = {"from": sorted(known.roles), "to": sorted(roles)}
    _note(connection, by, Action.USER_CHANGED, user, at=at, detail=detail)
    return _present(connection, user)


def change_password(connection: Connection, user: str, hashed: str, by: Actor, *, at: str) -> User:
    """Keep another password, and end the user's sessions."""
    _locked_user(connection, user)
    store_password(connection, user, hashed)
    detail = {"sessions_ended": delete_sessions_of(connection, user)}
    _note(connection, by, Action.PASSWORD_CHANGED, user, at=at, detail=detail)
    return _present(connection, user)


def disable_user(connection: Connection, user: str, by: Actor, *, at: str) -> User:
    """Let a user in no more: their sessions end and their tokens are revoked now."""
    known = _locked_user(connection, user)
    store_disabled(connection, user, known.disabled_at or at)
    _keep_an_admin(connection, known)
    detail = {
        "sessions_ended": delete_sessions_of(connection, user),
        "tokens_revoked": revoke_tokens_of(connection, user, at),
    }
    _note(connection, by, Action.USER_DISABLED, user, at=at, detail=detail)
    return _present(connection, user)


def enable_user(connection: Connection, user: str, by: Actor, *, at: str) -> User:
    """Let a user in again; sessions and tokens that ended stay so."""
    _locked_user(connection, user)
    store_disabled(connection, user, "")
    _note(connection, by, Action.USER_ENABLED, user, at=at)
    return _present(connection, user)


def add_token(connection: Connection, record: TokenRecord, by: Actor) -> None:
    """Record a token of a user who may be let in."""
    if _locked_user(connection, record.user).disabled_at:
        raise AccountRefused(f"user {record.user!r} is disabled, and gets no token")
    insert_token(connection, record)
    detail = {"user": record.user, "for": record.name, "until": record.ends_at}
    _note(connection, by, Action.TOKEN_MADE, record.token, at=record.created_at, detail=detail)


def take_token_back(connection: Connection, token: str, by: Actor, *, at: str, of: str | None) -> TokenRecord:
    """Revoke a token, only `of` one user where that is said."""
    known = find_token(connection, token) if token.isalnum() else None  # else it may be no text of a database
    if known is None or (of is not None and known.user != of):
        raise AccountRefused(f"there is no token {token!r}; `batch-issuer users list` names those there are")
    if revoke_token(connection, token, at):
        detail = {"user": known.user, "for": known.name}
        _note(connection, by, Action.TOKEN_REVOKED, token, at=at, detail=detail)
    return known


def _locked_user(connection: Connection, user: str) -> UserRecord:
    """Return a user, and keep others from changing users until this transaction ends."""
    lock_for_all(connection, Lock.ACCOUNTS)
    known = find_user(connection, user)
    if known is None:
        raise UnknownUser(user)
    return known


def _present(connection: Connection, user: str) -> User:
    known = find_user(connection, user)
    if known is None:
        raise UnknownUser(user)
    return User.from_record(known)


def _keep_an_admin(connection: Connection, before: UserRecord) -> None:
    """Refuse what would leave nobody to look after users, where somebody does now."""
    if before.disabled_at or Role.ADMIN not in before.roles:
        return
    if not any(Role.ADMIN in one.roles and not one.disabled_at for one in list_users(connection)):
        raise AccountRefused(f"{before.user!r} is the only admin; make another user admin first")


def _note(  # noqa: PLR0913 - one argument for each fact
    connection: Connection,
    by: Actor,
    action: Action,
    about: str,
    *,
    at: str,
    detail: Mapping[str, object] | None = None,
) -> None:
    append(connection, Entry.by(by, action, at=at, about=about, detail=detail))
