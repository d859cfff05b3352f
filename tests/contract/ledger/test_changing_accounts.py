"""What several people do to accounts at once, as each database keeps them apart."""

import asyncio

import pytest
from pydantic import SecretStr

from batch_issuer.accounts import Accounts, Passwords, Refused, Role, SignedIn
from batch_issuer.errors import AccountRefused
from batch_issuer.ledger import Ledger
from batch_issuer.ledger.audit import Action, list_entries
from tests.accounts.conftest import ADMIN, CHEAP, HOME, PASSWORD
from tests.conftest import FakeClock


@pytest.fixture
def accounts(ledger: Ledger, time: FakeClock) -> Accounts:
    return Accounts(ledger, time.clock, Passwords(CHEAP))


async def test_of_many_first_accounts_one_is_made(accounts: Accounts) -> None:
    first = [
        accounts.add(f"kim{number}", [Role.ADMIN], PASSWORD, by=ADMIN, is_first=True) for number in range(4)
    ]
    ends = await asyncio.gather(*first, return_exceptions=True)
    assert sum(isinstance(end, AccountRefused) for end in ends) == 3
    assert len(await accounts.list()) == 1


async def test_of_a_name_that_is_added_twice_at_once_there_is_one_user(accounts: Accounts) -> None:
    both = [accounts.add("kim", [role], PASSWORD, by=ADMIN) for role in (Role.MAKER, Role.CHECKER)]
    ends = await asyncio.gather(*both, return_exceptions=True)
    assert sum(isinstance(end, AccountRefused) for end in ends) == 1


async def test_two_admins_who_disable_each_other_leave_one(accounts: Accounts) -> None:
    for name in ("ada", "bob"):
        await accounts.add(name, [Role.ADMIN], None, by=ADMIN)
    both = [accounts.disable(name, by=ADMIN) for name in ("ada", "bob")]
    ends = await asyncio.gather(*both, return_exceptions=True)
    assert sum(isinstance(end, AccountRefused) for end in ends) == 1
    assert [bool(user.disabled_at) for user in await accounts.list()].count(True) == 1


async def test_signing_in_locks_sessions_and_tokens_work_on_each_database(
    accounts: Accounts, ledger: Ledger, time: FakeClock
) -> None:
    await accounts.add("kim", [Role.MAKER], PASSWORD, by=ADMIN)
    signed_in = await accounts.sign_in("kim", PASSWORD, address=HOME)
    assert isinstance(signed_in, SignedIn)
    cookie = signed_in.cookie.get_secret_value()
    time.advance(120)
    assert await accounts.session(cookie) is not None
    _, token = await accounts.make_token("kim", "nightly", 1, by=ADMIN)
    assert await accounts.bearer(token.get_secret_value()) is not None
    for _ in range(6):
        assert isinstance(await accounts.sign_in("kim", SecretStr("wrong"), address=HOME), Refused)
    assert isinstance(await accounts.sign_in("kim", PASSWORD, address=HOME), Refused)
    await accounts.disable("kim", by=ADMIN)
    assert await accounts.session(cookie) is None
    assert await accounts.bearer(token.get_secret_value()) is None
    told = await ledger.read(list_entries, action=Action.SIGN_IN_REFUSED.value)
    assert len(told) == 5


async def test_what_can_not_be_text_of_a_database_is_only_wrong(accounts: Accounts) -> None:
    for name in ("\x00", "\ud800", "kim\x00", "x" * 1_000_000):
        assert await accounts.sign_in(name, SecretStr(name), address=HOME) == Refused()
        assert await accounts.session(name) is None
        assert await accounts.bearer(name) is None
        assert await accounts.find(name) is None
