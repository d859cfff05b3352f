"""The accounts of a console: users, who is signed in, and tokens."""

import logging
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final, ParamSpec, Protocol, TypeVar

from pydantic import SecretStr
from sqlalchemy import Connection

from batch_issuer.accounts import directory, signing_in
from batch_issuer.accounts.passwords import Passwords, check_password
from batch_issuer.accounts.proofs import digest_of, new_cookie, new_token, new_token_id
from batch_issuer.accounts.roles import Role, User, checked_name, checked_roles, plain_name
from batch_issuer.accounts.signing_in import Attempt, Refused, Session, SignedIn
from batch_issuer.clock import Clock, format_instant
from batch_issuer.errors import AccountRefused, UnknownUser
from batch_issuer.ledger import Query
from batch_issuer.ledger.audit import Action, Actor, Entry, append
from batch_issuer.ledger.sessions import delete_sessions_of
from batch_issuer.ledger.tokens import TokenRecord, list_tokens
from batch_issuer.ledger.users import UserRecord, find_user, have_users, list_users

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
_MOST_DAYS: Final = 366
_LONGEST_NAME: Final = 100


class Transactions(Protocol):
    """A ledger, or the records of a server."""

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query on a consistent view."""
        ...

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query in a transaction of its own."""
        ...


class Accounts:
    """Who may use the console, and how they prove it; each change is in the audit log with it."""

    def __init__(self, records: Transactions, clock: Clock, passwords: Passwords | None = None) -> None:
        """Take a ledger; passwords are hashed as is recommended now."""
        self._records = records
        self._clock = clock
        self._passwords = passwords or Passwords()

    async def add(
        self,
        name: str,
        roles: Collection[Role],
        password: SecretStr | None,
        *,
        by: Actor,
        is_first: bool = False,
    ) -> User:
        """Add a user; without a password they sign in elsewhere. `is_first`: only where there is none yet.

        Raises AccountRefused.
        """
        record = UserRecord(
            user=checked_name(name),
            password="" if password is None else await self._hashed(checked_name(name), password),
            roles=checked_roles(roles),
            created_at=self._clock.timestamp(),
        )
        return await self._records.write(directory.add_user, record, by, is_first=is_first)

    async def find(self, name: str) -> User | None:
        """Return a user, disabled or not."""
        plain = plain_name(name)
        known = None if plain is None else await self._records.read(find_user, plain)
        return None if known is None else User.from_record(known)

    async def list(self) -> list[User]:
        """Return all users by name."""
        return [User.from_record(record) for record in await self._records.read(list_users)]

    async def any_exist(self) -> bool:
        """Tell whether there is any user."""
        return await self._records.read(have_users)

    async def set_roles(self, name: str, roles: Collection[Role], *, by: Actor) -> User:
        """Give a user other roles, which hold at once. Raises UnknownUser and AccountRefused."""
        at = self._clock.timestamp()
        return await self._records.write(
            directory.change_roles, _known_name(name), checked_roles(roles), by, at=at
        )

    async def set_password(self, name: str, password: SecretStr, *, by: Actor) -> User:
        """Give a user another password, as an admin does; their sessions end, and a lock of their name.

        Raises UnknownUser and AccountRefused.
        """
        user = _known_name(name)
        hashed = await self._hashed(user, password)
        return await self._records.write(
            directory.change_password, user, hashed, by, at=self._clock.timestamp()
        )

    async def disable(self, name: str, *, by: Actor) -> User:
        """Let a user in no more, from now on. Raises UnknownUser, and AccountRefused for the only admin."""
        at = self._clock.timestamp()
        return await self._records.write(directory.disable_user, _known_name(name), by, at=at)

    async def enable(self, name: str, *, by: Actor) -> User:
        """Let a user in again, who signs in anew; a lock of their name ends. Raises UnknownUser."""
        at = self._clock.timestamp()
        return await self._records.write(directory.enable_user, _known_name(name), by, at=at)

    async def sign_in(self, name: str, password: SecretStr, *, address: str) -> SignedIn | Refused:
        """Sign a browser in, under a cookie that was never seen before."""
        proven = await self._prove(name, password, address=address)
        if isinstance(proven, Refused):
            return proven
        attempt, rehashed = proven
        cookie = new_cookie()
        user = await self._records.write(
            signing_in.begin_session, attempt, cookie, now=self._clock.now(), rehashed=rehashed
        )
        return Refused() if user is None else SignedIn(cookie=cookie, user=user)

    async def change_password(
        self, name: str, present: SecretStr, new: SecretStr, *, by: Actor
    ) -> SignedIn | Refused:
        """Change one's own password: all sessions end, and this browser gets a new one.

        A wrong present password counts as a failure to sign in. Raises AccountRefused for a bad new one.
        """
        check_password(_known_name(name), new)
        proven = await self._prove(name, present, address=by.address)
        if isinstance(proven, Refused):
            return proven
        hashed, cookie = await self._hashed(proven[0].name, new), new_cookie()

        def change(connection: Connection) -> User | None:
            now = self._clock.now()
            if signing_in.still_holds(connection, proven[0]) is None:
                return None
            user = directory.change_password(connection, proven[0].name, hashed, by, at=format_instant(now))
            signing_in.renew_session(connection, user.user, cookie, now=now)
            return user

        user = await self._records.write(change)
        return Refused() if user is None else SignedIn(cookie=cookie, user=user)

    async def session(self, cookie: str) -> Session | None:
        """Return who holds a cookie: 8 hours after its last use at most, and for 24 in all."""
        digest, now = digest_of(cookie), self._clock.now()
        found = await self._records.read(signing_in.find_signed_in, digest, now=now)
        if found is None:
            return None
        session, is_due = found
        if is_due:
            await self._records.write(signing_in.touch, digest, format_instant(now))
        return session

    async def sign_out(self, cookie: str, *, address: str = "") -> None:
        """End the session of a cookie, if there is one."""
        at = self._clock.timestamp()
        await self._records.write(signing_in.end_session, digest_of(cookie), address=address, at=at)

    async def sign_out_everywhere(self, name: str, *, by: Actor) -> int:
        """End all sessions of a user, and count them."""
        user = _known_name(name)

        def end(connection: Connection) -> int:
            count, at = delete_sessions_of(connection, user), self._clock.timestamp()
            detail = {"everywhere": True, "sessions_ended": count}
            append(connection, Entry.by(by, Action.SIGNED_OUT, at=at, about=user, detail=detail))
            return count

        return await self._records.write(end)

    async def make_token(self, name: str, purpose: str, days: int, *, by: Actor) -> tuple[str, SecretStr]:
        """Make a token: what it is called by, and itself, which nobody can read later.

        Raises UnknownUser and AccountRefused.
        """
        purpose = " ".join(purpose.split())
        if not 1 <= len(purpose) <= _LONGEST_NAME or not purpose.isprintable():
            raise AccountRefused(f"say in 1 to {_LONGEST_NAME} characters what the token is for")
        if not 1 <= days <= _MOST_DAYS:
            raise AccountRefused(f"a token is valid for 1 to {_MOST_DAYS} days")
        now, token = self._clock.now(), new_token()
        record = TokenRecord(
            token=new_token_id(),
            digest=digest_of(token.get_secret_value()),
            user=_known_name(name),
            name=purpose,
            created_at=format_instant(now),
            ends_at=format_instant(now + timedelta(days=days)),
        )
        await self._records.write(directory.add_token, record, by)
        return record.token, token

    async def bearer(self, text: str) -> User | None:
        """Return whose token this is, if it is valid."""
        at = self._clock.timestamp()
        return await self._records.read(signing_in.find_bearer, digest_of(text), at=at)

    async def list_tokens(self, name: str | None = None) -> Sequence[TokenRecord]:
        """Return the tokens of a user, or of all, the latest first, those that are over too."""
        return await self._records.read(list_tokens, None if name is None else _known_name(name))

    async def revoke_token(self, token: str, *, by: Actor, of: str | None = None) -> TokenRecord:
        """Take a token back, only `of` one user where that is said. Raises AccountRefused."""
        at = self._clock.timestamp()
        return await self._records.write(directory.take_token_back, token, by, at=at, of=of)

    async def _hashed(self, user: str, password: SecretStr) -> str:
        check_password(user, password)
        async with self._passwords.turns:
            return await self._passwords.hashed(password)

    async def _prove(self, name: str, password: SecretStr, *, address: str) -> tuple[Attempt, str] | Refused:
        """Compare a password; give the hash to keep instead, where what is recommended has changed.

        Locks are looked at when the turn has come: guesses that come together don't slip through together.
        """
        attempt = await self._begin(name, address)
        if attempt.locked_until is None:
            async with self._passwords.turns:
                attempt = await self._begin(name, address)
                if attempt.locked_until is None:
                    return await self._compare(attempt, password)
        _log_refusal(attempt, "locked")
        return Refused(until=attempt.locked_until)

    async def _begin(self, name: str, address: str) -> Attempt:
        now = self._clock.now()
        return await self._records.read(signing_in.begin_attempt, name, address=address, now=now)

    async def _compare(self, attempt: Attempt, password: SecretStr) -> tuple[Attempt, str] | Refused:
        if await self._passwords.matches(attempt.stored, password):
            is_outdated = self._passwords.is_outdated(attempt.stored)
            return attempt, await self._passwords.hashed(password) if is_outdated else ""
        until = await self._records.write(signing_in.note_failure, attempt, now=self._clock.now())
        _log_refusal(attempt, "wrong")
        return Refused(until=until)


def _log_refusal(attempt: Attempt, reason: str) -> None:
    log.warning("sign-in refused", extra={"user": attempt.name, "address": attempt.address, "reason": reason})


def _known_name(name: str) -> str:
    plain = plain_name(name)
    if plain is None:
        raise UnknownUser(name)
    return plain
