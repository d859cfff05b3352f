"""Queries on the audit log: who did what. It is only ever added to; the tables themselves refuse the rest."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import Connection, Row, func, insert, select

from batch_issuer.clock import format_instant
from batch_issuer.ledger import tables

_known = tables.audit.c


class Via(StrEnum):
    """By which door something was asked for."""

    PAGE = "page"
    API = "api"
    COMMAND_LINE = "command line"
    PROXY = "proxy"
    SERVER = "server"
    """By nobody: the server went on with what it had begun."""


class Action(StrEnum):
    """All that the audit log tells of."""

    SIGNED_IN = "signed_in"
    SIGN_IN_REFUSED = "sign_in_refused"
    SIGNED_OUT = "signed_out"
    USER_ADDED = "user_added"
    USER_CHANGED = "user_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of an action
    USER_DISABLED = "user_disabled"
    USER_ENABLED = "user_enabled"
    TOKEN_MADE = "token_made"  # noqa: S105 - the name of an action
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 - the name of an action
    UPLOADED = "uploaded"
    UPLOAD_REMOVED = "upload_removed"
    COLUMNS_CHOSEN = "columns_chosen"
    CELL_CORRECTED = "cell_corrected"
    CHECKED = "checked"
    ISSUE_CONFIRMED = "issue_confirmed"
    PAUSE_ASKED = "pause_asked"
    RESUME_ASKED = "resume_asked"
    RETRY_ASKED = "retry_asked"
    REFRESH_ASKED = "refresh_asked"
    APPROVE_ASKED = "approve_asked"
    REJECT_ASKED = "reject_asked"
    RUN_ENDED = "run_ended"
    FILE_DOWNLOADED = "file_downloaded"
    ACCESS_REFUSED = "access_refused"
    REQUEST_REFUSED = "request_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, by which door, and from where."""

    user: str
    via: Via
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One action, about a batch, an upload, a run, a token or a user; without secrets and customers."""

    at: str
    user: str
    via: Via
    address: str = ""
    action: Action
    about: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0
    """Its place in the log, once it is there: later ones have higher numbers."""

    @classmethod
    def by(
        cls,
        actor: Actor,
        action: Action,
        *,
        at: str,
        about: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> Self:
        """Tell what somebody did."""
        return cls(
            at=at,
            user=actor.user,
            via=actor.via,
            address=actor.address,
            action=action,
            about=about,
            detail=detail or {},
        )

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        """Read a row of the table."""
        facts = row._asdict()
        return cls(
            **{
                **facts,
                "via": Via(facts["via"]),
                "action": Action(facts["action"]),
                "detail": json.loads(facts["detail"] or "{}"),
            }
        )


def append(connection: Connection, entry: Entry) -> None:
    """Add an entry, in the transaction of what it tells of: there is neither without the other."""
    connection.execute(
        insert(tables.audit).values(
            at=entry.at,
            user=entry.user,
            via=entry.via.value,
            address=entry.address,
            action=entry.action.value,
            about=entry.about,
            detail=json.dumps(dict(entry.detail)) if entry.detail else "",
        )
    )


def list_entries(  # noqa: PLR0913 - one keyword for each thing to choose by
    connection: Connection,
    *,
    user: str = "",
    action: str = "",
    about: str = "",
    before: int | None = None,
    limit: int = 50,
) -> list[Entry]:
    """Return entries, the latest first; `before` is the number of the last one that was seen."""
    query = select(tables.audit).order_by(_known.number.desc()).limit(limit)
    for column, wanted in ((_known.user, user), (_known.action, action), (_known.about, about)):
        if wanted:
            query = query.where(column == wanted)
    if before is not None:
        query = query.where(_known.number < before)
    return [Entry.from_row(row) for row in connection.execute(query)]


def count_since(
    connection: Connection, action: Action, since: datetime, *, about: str = "", address: str = ""
) -> int:
    """Count how often something happened since an instant."""
    query = select(func.count()).where(_known.action == action.value, _known.at >= format_instant(since))
    if about:
        query = query.where(_known.about == about)
    if address:
        query = query.where(_known.address == address)
    return connection.execute(query).scalar_one()


def latest_times(  # noqa: PLR0913 - one keyword for each thing to choose by
    connection: Connection,
    action: Action,
    *,
    since: datetime,
    limit: int,
    about: str | None = None,
    address: str | None = None,
    after: int = 0,
) -> Sequence[datetime]:
    """Return when something happened since an instant and `after` an entry, the latest first."""
    query = (
        select(_known.at)
        .where(_known.action == action.value, _known.at >= format_instant(since), _known.number > after)
        .order_by(_known.at.desc(), _known.number.desc())
        .limit(limit)
    )
    if about is not None:
        query = query.where(_known.about == about)
    if address is not None:
        query = query.where(_known.address == address)
    return [datetime.fromisoformat(at) for at in connection.execute(query).scalars()]


def latest_number(connection: Connection, actions: Collection[Action], *, about: str) -> int:
    """Return the number of the latest entry that tells one of some actions about something, or 0."""
    query = select(func.max(_known.number)).where(
        _known.action.in_([action.value for action in actions]), _known.about == about
    )
    return connection.execute(query).scalar_one() or 0
