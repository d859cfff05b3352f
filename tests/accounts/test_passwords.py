"""Passwords: which may be chosen, and how they are kept."""

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr

from batch_issuer.accounts import Passwords, new_password
from batch_issuer.accounts.passwords import check_password
from batch_issuer.errors import AccountRefused
from tests.accounts.conftest import CHEAP


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", "12 to 1,024"),
        ("eleven char", "12 to 1,024"),
        ("long" * 257, "12 to 1,024"),
        ("Password1234", "first"),
        ("PASSWORD2026!", "first"),
        ("1234567890123", "first"),
        ("aaaaaaaaaaaaaaa", "first"),
        ("abababababab", "first"),
        ("correct horse battery staple", "first"),
        ("kim.from.marketing", "name"),
        ("Kim.From.Marketing!1", "name"),
    ],
)
def test_what_anybody_would_try_first_is_refused(password: str, why: str) -> None:
    with pytest.raises(AccountRefused, match=why) as refused:
        check_password("kim.from.marketing", SecretStr(password))
    assert not password or password not in str(refused.value)


@pytest.mark.parametrize(
    "password", ["twelve chars", "l" + "ong words " * 102, "пароль из слов", "🐈🐕🐎🐄🐖🐏" * 2]
)
def test_long_passwords_of_any_script_are_taken(password: str) -> None:
    check_password("kim", SecretStr(password))


def test_a_password_that_is_drawn_would_be_taken_and_never_comes_twice() -> None:
    drawn = {new_password().get_secret_value() for _ in range(100)}
    assert len(drawn) == 100
    for password in drawn:
        check_password("kim", SecretStr(password))


async def test_only_the_same_password_matches() -> None:
    passwords = Passwords(CHEAP)
    stored = await passwords.hashed(SecretStr("four words in a row"))
    assert stored.startswith("$argon2id$")
    assert "four" not in stored
    assert await passwords.matches(stored, SecretStr("four words in a row"))
    assert not await passwords.matches(stored, SecretStr("four words in a roW"))


async def test_the_same_keys_on_another_system_give_the_same_password() -> None:
    passwords = Passwords(CHEAP)
    stored = await passwords.hashed(SecretStr("pa\u0308sse und sta\u0308dte"))
    assert await passwords.matches(stored, SecretStr("p\u00e4sse und st\u00e4dte"))


@pytest.mark.parametrize("stored", ["", "no hash", "$argon2id$broken"])
async def test_nothing_matches_where_no_password_is_stored(stored: str) -> None:
    passwords = Passwords(CHEAP)
    for password in ("", "nobody's", "no hash"):
        assert not await passwords.matches(stored, SecretStr(password))


async def test_what_can_not_be_encoded_or_is_far_too_long_is_only_wrong() -> None:
    passwords = Passwords(CHEAP)
    stored = await passwords.hashed(SecretStr("a" * 1024))
    assert not await passwords.matches(stored, SecretStr("\ud800"))
    assert not await passwords.matches(stored, SecretStr("a" * 10_000_000))


def test_by_default_passwords_are_hashed_as_is_recommended() -> None:
    recommended = PasswordHasher()
    assert recommended.memory_cost >= 19_456
    assert Passwords().is_outdated(CHEAP.hash("four words in a row"))
    assert not Passwords().is_outdated(recommended.hash("four words in a row"))
