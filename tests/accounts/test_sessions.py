"""Signing in and out, and how long a browser stays signed in."""

import sqlite3
from pathlib import Path
from typing import Literal

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr

from batch_issuer.accounts import Accounts, Passwords, Refused, Role, SignedIn, csrf_token
from batch_issuer.accounts.proofs import digest_of
from batch_issuer.errors import AccountRefused
from batch_issuer.ledger.audit import Action
from batch_issuer.ledger.sessions import find_session
from batch_issuer.ledger.users import find_user
from tests.accounts.conftest import ADMIN, HOME, PASSWORD, House

HOUR = 3_600


async def test_whoever_knows_name_and_password_is_signed_in(house: House) -> None:
    await house.add("Kim ", Role.MAKER, Role.CHECKER)
    signed_in = await house.accounts.sign_in(" KIM", PASSWORD, address=HOME)
    assert isinstance(signed_in, SignedIn)
    session = await house.accounts.session(signed_in.cookie.get_secret_value())
    assert session is not None
    assert session.user == signed_in.user
    assert (session.user.user, set(session.user.roles)) == ("kim", {Role.MAKER, Role.CHECKER})
    assert [entry.action for entry in await house.audit()] == [Action.USER_ADDED, Action.SIGNED_IN]


async def test_each_sign_in_has_a_cookie_of_its_own_that_nobody_can_guess(house: House) -> None:
    await house.add("kim")
    cookies = {await house.sign_in() for _ in range(20)}
    assert len(cookies) == 20
    assert min(map(len, cookies)) >= 43
    for cookie in ("", "x", "\ud800", "x" * 1_000_000, cookies.pop()[:-1]):
        assert await house.accounts.session(cookie) is None


async def test_the_ledger_holds_neither_passwords_nor_cookies_nor_tokens(
    house: House, ledger_path: Path
) -> None:
    await house.add("kim")
    cookie = await house.sign_in()
    _, token = await house.accounts.make_token("kim", "nightly", 1, by=ADMIN)
    await house.guess()
    with sqlite3.connect(ledger_path) as connection:
        held = "\n".join(connection.iterdump())
    for secret in (cookie, token.get_secret_value(), PASSWORD.get_secret_value(), csrf_token(cookie)):
        assert secret not in held


@pytest.mark.parametrize("name", ["kim", "lee", "nobody"])
async def test_who_has_no_password_is_disabled_or_unknown_is_refused_alike(house: House, name: str) -> None:
    await house.add("kim", password=None)
    await house.add("lee")
    await house.accounts.disable("lee", by=ADMIN)
    assert await house.accounts.sign_in(name, PASSWORD, address=HOME) == Refused()
    assert await house.accounts.sign_in(name, SecretStr(""), address=HOME) == Refused()


class Counting(PasswordHasher):
    """Counts what takes time."""

    compared = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - argon2's name
        self.compared += 1
        return super().verify(hash, password)


async def test_a_refusal_takes_as_long_whether_there_is_such_a_user_or_not(house: House) -> None:
    await house.add("kim", password=None)
    await house.add("lee")
    await house.add("sam")
    await house.accounts.disable("lee", by=ADMIN)
    hasher = Counting(time_cost=1, memory_cost=8, parallelism=1)
    house.accounts = Accounts(house.ledger, house.time.clock, Passwords(hasher))
    for done, name in enumerate(("kim", "lee", "sam", "nobody", "No Name!")):
        await house.guess(name)
        assert hasher.compared == done + 1


async def test_a_session_ends_eight_hours_after_its_last_use(house: House) -> None:
    await house.add("kim")
    cookie = await house.sign_in()
    for _ in range(2):
        house.time.advance(8 * HOUR - 1)
        assert await house.user_of(cookie) == "kim"
    house.time.advance(8 * HOUR)
    assert await house.user_of(cookie) is None


async def test_a_session_ends_after_a_day_however_it_is_used(house: House) -> None:
    await house.add("kim")
    cookie = await house.sign_in()
    for _ in range(23):
        house.time.advance(HOUR)
        assert await house.user_of(cookie) == "kim"
    house.time.advance(HOUR)
    assert await house.user_of(cookie) is None


async def test_that_a_session_was_used_is_written_once_a_minute(house: House) -> None:
    await house.add("kim")
    cookie = await house.sign_in()
    began = house.time.clock.timestamp()

    async def seen_at() -> str:
        record = await house.ledger.read(find_session, digest_of(cookie))
        return "" if record is None else record.seen_at

    house.time.advance(59)
    await house.user_of(cookie)
    assert await seen_at() == began
    house.time.advance(1)
    await house.user_of(cookie)
    assert await seen_at() == house.time.clock.timestamp()


async def test_sessions_that_are_over_are_forgotten(house: House) -> None:
    await house.add("kim")
    cookie = await house.sign_in()
    house.time.advance(9 * HOUR)
    other = await house.sign_in()
    assert await house.ledger.read(find_session, digest_of(cookie)) is None
    assert await house.user_of(other) == "kim"


async def test_signing_out_ends_this_session_alone_and_once(house: House) -> None:
    await house.add("kim")
    here, elsewhere = await house.sign_in(), await house.sign_in()
    for _ in range(2):
        await house.accounts.sign_out(here, address=HOME)
    assert await house.user_of(here) is None
    assert await house.user_of(elsewhere) == "kim"
    assert [entry.action for entry in await house.audit()].count(Action.SIGNED_OUT) == 1


async def test_signing_out_everywhere_ends_all_sessions_of_one_user(house: House) -> None:
    await house.add("kim")
    await house.add("lee")
    mine = [await house.sign_in() for _ in range(3)]
    others = await house.sign_in("lee")
    assert await house.accounts.sign_out_everywhere("kim", by=ADMIN) == 3
    assert [await house.user_of(cookie) for cookie in mine] == [None] * 3
    assert await house.user_of(others) == "lee"


async def test_another_password_ends_all_sessions_and_begins_one_here(house: House) -> None:
    await house.add("kim")
    before = [await house.sign_in() for _ in range(2)]
    new = SecretStr("another four words")
    changed = await house.accounts.change_password("kim", PASSWORD, new, by=ADMIN)
    assert isinstance(changed, SignedIn)
    assert [await house.user_of(cookie) for cookie in before] == [None, None]
    assert await house.user_of(changed.cookie.get_secret_value()) == "kim"
    assert isinstance(await house.accounts.sign_in("kim", PASSWORD, address=HOME), Refused)
    assert isinstance(await house.accounts.sign_in("kim", new, address=HOME), SignedIn)


async def test_a_bad_new_password_is_refused_and_nothing_ends(house: House) -> None:
    await house.add("kim")
    cookie = await house.sign_in()
    with pytest.raises(AccountRefused):
        await house.accounts.change_password("kim", PASSWORD, SecretStr("short"), by=ADMIN)
    assert await house.user_of(cookie) == "kim"


async def test_what_is_recommended_later_is_used_when_somebody_signs_in(house: House) -> None:
    await house.add("kim")
    stronger = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    house.accounts = Accounts(house.ledger, house.time.clock, Passwords(stronger))
    await house.sign_in()
    record = await house.ledger.read(find_user, "kim")
    assert record is not None
    assert "m=16,t=2" in record.password
    await house.sign_in()


async def test_what_guards_forms_is_of_one_session_and_does_not_tell_its_cookie(house: House) -> None:
    await house.add("kim")
    here, elsewhere = await house.sign_in(), await house.sign_in()
    assert csrf_token(here) == csrf_token(here)
    assert csrf_token(here) != csrf_token(elsewhere)
    assert len(csrf_token(here)) == 64
    assert csrf_token(here) != digest_of(here)
