"""Too many wrong passwords lock a name or an address, also across a restart of the server."""

import asyncio
import logging
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from batch_issuer.accounts import Refused, Role, SignedIn
from batch_issuer.accounts.lockout import WINDOW, locked_until, place_of
from batch_issuer.ledger.audit import Action
from tests.accounts.conftest import ADMIN, HOME, PASSWORD, House
from tests.conftest import START


async def attempt(house: House, name: str = "kim", address: str = HOME) -> SignedIn | Refused:
    return await house.accounts.sign_in(name, PASSWORD, address=address)


async def test_five_wrong_passwords_lock_a_name_for_fifteen_minutes(house: House) -> None:
    await house.add("kim")
    await house.guess(times=4)
    await house.sign_in()
    house.time.advance(60)
    await house.guess()
    assert await attempt(house) == Refused(until=house.time.at + WINDOW)
    house.time.advance(899)
    assert isinstance(await attempt(house, address="192.0.2.99"), Refused)
    house.time.advance(1)
    assert isinstance(await attempt(house), SignedIn)


async def test_four_in_each_quarter_of_an_hour_do_not(house: House) -> None:
    await house.add("kim")
    for _ in range(3):
        await house.guess(times=4)
        house.time.advance(901)
    await house.sign_in()


async def test_a_restart_forgets_no_failure(house: House) -> None:
    await house.add("kim")
    await house.guess(times=5)
    house.accounts = house.again()
    assert isinstance(await attempt(house), Refused)


async def test_tries_while_it_is_locked_do_not_make_it_longer(house: House) -> None:
    await house.add("kim")
    await house.guess(times=5)
    for _ in range(14):
        house.time.advance(60)
        await house.guess()
    house.time.advance(60)
    await house.sign_in()


async def test_a_name_that_nobody_has_is_answered_and_locked_in_the_same_way(house: House) -> None:
    await house.add("kim")
    for name in ("kim", "nobody", "No Name At All!", ""):
        for _ in range(4):
            refused = await house.accounts.sign_in(name, SecretStr("wrong"), address="")
            assert refused == Refused()
        refused = await house.accounts.sign_in(name, SecretStr("wrong"), address="")
        assert refused == Refused(until=house.time.at + WINDOW)


async def test_twenty_wrong_passwords_from_one_address_lock_the_address_and_no_other(house: House) -> None:
    for name in ("kim", *(f"user{number}" for number in range(5))):
        await house.add(name)
    for number in range(5):
        await house.guess(f"user{number}", times=4)
    assert isinstance(await attempt(house), Refused)
    assert isinstance(await attempt(house, address="192.0.2.8"), SignedIn)


async def test_all_addresses_of_one_network_of_ipv6_count_as_one(house: House) -> None:
    for number in range(20):
        await house.add(f"user{number}")
        await house.guess(f"user{number}", address=f"2001:db8:1:2::{number:x}")
    assert isinstance(await attempt(house, "user0", address="2001:db8:1:2:ffff::1"), Refused)
    assert isinstance(await attempt(house, "user0", address="2001:db8:1:3::1"), SignedIn)
    entries = [entry for entry in await house.audit() if entry.action is Action.SIGN_IN_REFUSED]
    assert entries[1].address == "2001:db8:1:2::/64"
    assert entries[1].detail == {"address": "2001:db8:1:2::1"}


@pytest.mark.parametrize(
    ("address", "place"),
    [("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("::1", "::/64"), ("", ""), ("x", "x")],
)
def test_an_address_is_what_it_is_of_ipv4_and_its_network_of_ipv6(address: str, place: str) -> None:
    assert place_of(address) == place


async def test_guesses_that_come_together_do_not_slip_through_together(house: House) -> None:
    await house.add("kim")
    guesses = [
        house.accounts.sign_in("kim", SecretStr(f"guess {number}"), address=f"192.0.2.{number}")
        for number in range(40)
    ]
    await asyncio.gather(*guesses)
    compared = [entry for entry in await house.audit() if entry.action is Action.SIGN_IN_REFUSED]
    assert 5 <= len(compared) <= 6  # two are compared at once


async def test_failures_and_the_lock_are_in_the_audit_log_and_the_log(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await house.add("kim")
    with caplog.at_level(logging.WARNING, logger="batch_issuer"):
        await house.guess(times=7)
    told = [(entry.action, entry.user, entry.about, entry.address) for entry in await house.audit()]
    assert told[1:] == [
        *[(Action.SIGN_IN_REFUSED, "", "kim", HOME)] * 5,
        (Action.ACCESS_REFUSED, "", "kim", HOME),
    ]
    reasons = [record.__dict__["reason"] for record in caplog.records]
    assert reasons == ["wrong"] * 5 + ["locked"] * 2


async def test_a_password_typed_as_the_name_is_kept_nowhere(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await house.guess("four.words.in.a.row")
    entries = await house.audit()
    assert "four" not in repr(entries) + caplog.text
    assert entries[0].about.startswith("unknown:")


async def test_an_admin_unlocks_a_name_by_a_new_password_or_by_enabling(house: House) -> None:
    await house.add("kim")
    await house.guess(times=5)
    await house.accounts.set_password("kim", PASSWORD, by=ADMIN)
    await house.sign_in()
    await house.guess(times=5)
    await house.accounts.enable("kim", by=ADMIN)
    await house.sign_in()


async def test_wrong_present_passwords_count_as_failures_to_sign_in(house: House) -> None:
    await house.add("kim", Role.MAKER)
    new = SecretStr("another four words")
    for _ in range(5):
        wrong = await house.accounts.change_password("kim", SecretStr("wrong"), new, by=ADMIN)
        assert isinstance(wrong, Refused)
    assert isinstance(await house.accounts.change_password("kim", PASSWORD, new, by=ADMIN), Refused)
    assert isinstance(await attempt(house), Refused)


@given(st.lists(st.integers(0, 4_000), min_size=0, max_size=30).map(sorted))
def test_a_lock_lasts_from_the_last_of_so_many_failures_within_the_window(seconds: list[int]) -> None:
    failures = [START + timedelta(seconds=second) for second in reversed(seconds)]
    until = locked_until(failures, limit=5)
    is_due = len(failures) >= 5 and failures[0] - failures[4] <= WINDOW
    assert until == (failures[0] + WINDOW if is_due else None)
    assert all(later >= earlier for later, earlier in pairwise(failures))
