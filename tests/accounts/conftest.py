"""Accounts on a real ledger, with hashes that take no time."""

from collections.abc import Sequence

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr

from batch_issuer.accounts import Accounts, Passwords, Role, SignedIn, User
from batch_issuer.ledger import Ledger
from batch_issuer.ledger.audit import Actor, Entry, Via, list_entries
from tests.conftest import FakeClock

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = SecretStr("four words in a row")
ADMIN = Actor(user="admin", via=Via.PAGE, address="192.0.2.1")
HOME = "192.0.2.7"


class House:
    """The accounts of a console, and short ways to what tests ask of them again and again."""

    def __init__(self, ledger: Ledger, time: FakeClock) -> None:
        self.ledger = ledger
        self.time = time
        self.accounts = self.again()

    def again(self) -> Accounts:
        """Return the accounts as a server that was started anew has them."""
        return Accounts(self.ledger, self.time.clock, Passwords(CHEAP))

    async def add(self, name: str, *roles: Role, password: SecretStr | None = PASSWORD) -> User:
        return await self.accounts.add(name, roles or (Role.MAKER,), password, by=ADMIN)

    async def sign_in(self, name: str = "kim", address: str = HOME) -> str:
        """Sign a browser in, and return its cookie."""
        signed_in = await self.accounts.sign_in(name, PASSWORD, address=address)
        assert isinstance(signed_in, SignedIn)
        return signed_in.cookie.get_secret_value()

    async def guess(self, name: str = "kim", times: int = 1, address: str = HOME) -> None:
        """Try wrong passwords."""
        for _ in range(times):
            wrong = SecretStr("not the right one")
            assert not isinstance(await self.accounts.sign_in(name, wrong, address=address), SignedIn)

    async def user_of(self, cookie: str) -> str | None:
        session = await self.accounts.session(cookie)
        return None if session is None else session.user.user

    async def audit(self) -> Sequence[Entry]:
        """Return the audit log, the oldest entry first."""
        return (await self.ledger.read(list_entries, limit=1_000))[::-1]


@pytest.fixture
def house(ledger: Ledger, time: FakeClock) -> House:
    return House(ledger, time)
