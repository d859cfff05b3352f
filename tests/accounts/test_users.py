"""Users, their roles and their tokens; and that each change is in the audit log."""

import asyncio

import pytest
from pydantic import SecretStr

from batch_issuer.accounts import Role
from batch_issuer.errors import AccountRefused, UnknownUser
from batch_issuer.ledger.audit import Action, Actor, Via
from tests.accounts.conftest import ADMIN, PASSWORD, House

DAY = 86_400


async def test_a_user_is_added_with_roles_and_never_shown_with_the_password(house: House) -> None:
    assert not await house.accounts.any_exist()
    user = await house.add("Kim@Example.com", Role.MAKER, Role.ADMIN)
    assert (user.user, set(user.roles)) == ("kim@example.com", {Role.MAKER, Role.ADMIN})
    assert user.has_password
    assert await house.accounts.list() == [user]
    assert await house.accounts.find("KIM@example.com") == user
    assert await house.accounts.any_exist()
    assert "argon2" not in repr(user)


@pytest.mark.parametrize("name", ["", " ", "-kim", "kim lee", "ki/m", "k" * 65, "kim\n lee", "<b>", "жук"])
async def test_a_name_that_could_be_mistaken_is_refused(house: House, name: str) -> None:
    with pytest.raises(AccountRefused, match="letters from a to z"):
        await house.add(name)
    assert await house.accounts.find(name) is None


async def test_a_name_is_given_once_whatever_its_case(house: House) -> None:
    await house.add("kim")
    with pytest.raises(AccountRefused, match="already"):
        await house.add("KIM")


async def test_a_user_has_a_role_at_least(house: House) -> None:
    with pytest.raises(AccountRefused, match="viewer, maker, checker, admin"):
        await house.accounts.add("kim", [], PASSWORD, by=ADMIN)


async def test_only_one_of_many_first_accounts_is_made(house: House) -> None:
    ends = await asyncio.gather(
        *(
            house.accounts.add(f"kim{number}", [Role.ADMIN], PASSWORD, by=ADMIN, is_first=True)
            for number in range(5)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(end, AccountRefused) for end in ends) == 4
    assert len(await house.accounts.list()) == 1


async def test_other_roles_hold_for_who_is_signed_in_already(house: House) -> None:
    await house.add("kim", Role.MAKER)
    cookie = await house.sign_in()
    await house.accounts.set_roles("kim", [Role.CHECKER], by=ADMIN)
    session = await house.accounts.session(cookie)
    assert session is not None
    assert session.user.may(Role.CHECKER)
    assert not session.user.may(Role.MAKER, Role.ADMIN)


async def test_a_disabled_user_is_out_at_once_and_stays_out_when_enabled_until_they_sign_in(
    house: House,
) -> None:
    await house.add("kim")
    cookie = await house.sign_in()
    _, token = await house.accounts.make_token("kim", "nightly", 1, by=ADMIN)
    assert (await house.accounts.disable("kim", by=ADMIN)).disabled_at == house.time.clock.timestamp()
    assert await house.user_of(cookie) is None
    assert await house.accounts.bearer(token.get_secret_value()) is None
    with pytest.raises(AccountRefused, match="disabled"):
        await house.accounts.make_token("kim", "another", 1, by=ADMIN)
    assert (await house.accounts.enable("kim", by=ADMIN)).disabled_at == ""
    assert await house.user_of(cookie) is None
    assert await house.accounts.bearer(token.get_secret_value()) is None
    await house.sign_in()


async def test_the_only_admin_stays_one(house: House) -> None:
    await house.add("kim", Role.ADMIN)
    await house.add("lee", Role.MAKER)
    for change in (
        house.accounts.disable("kim", by=ADMIN),
        house.accounts.set_roles("kim", [Role.MAKER], by=ADMIN),
    ):
        with pytest.raises(AccountRefused, match="only admin"):
            await change
    kim = await house.accounts.find("kim")
    assert kim is not None
    assert (set(kim.roles), kim.disabled_at) == ({Role.ADMIN}, "")
    await house.accounts.set_roles("lee", [Role.ADMIN], by=ADMIN)
    await house.accounts.disable("kim", by=ADMIN)
    await house.accounts.set_roles("kim", [Role.VIEWER], by=ADMIN)


async def test_a_token_lets_in_as_its_user_until_it_ends(house: House) -> None:
    await house.add("kim", Role.MAKER)
    token_id, token = await house.accounts.make_token("kim", "  the\tshop ", 2, by=ADMIN)
    user = await house.accounts.bearer(token.get_secret_value())
    assert user is not None
    assert (user.user, set(user.roles)) == ("kim", {Role.MAKER})
    for wrong in ("", token_id, token.get_secret_value() + "x", "bi_", "\ud800"):
        assert await house.accounts.bearer(wrong) is None
    (record,) = await house.accounts.list_tokens("kim")
    assert (record.token, record.name) == (token_id, "the shop")
    house.time.advance(2 * DAY - 1)
    assert await house.accounts.bearer(token.get_secret_value())
    house.time.advance(1)
    assert await house.accounts.bearer(token.get_secret_value()) is None


async def test_a_token_is_revoked_by_its_user_or_by_who_may_revoke_all(house: House) -> None:
    await house.add("kim")
    await house.add("lee")
    mine, secret = await house.accounts.make_token("kim", "nightly", 1, by=ADMIN)
    with pytest.raises(AccountRefused, match="no token"):
        await house.accounts.revoke_token(mine, by=ADMIN, of="lee")
    assert await house.accounts.bearer(secret.get_secret_value())
    for _ in range(2):
        await house.accounts.revoke_token(mine, by=ADMIN, of="kim")
    assert await house.accounts.bearer(secret.get_secret_value()) is None
    actions = [entry.action for entry in await house.audit()]
    assert actions.count(Action.TOKEN_REVOKED) == 1


@pytest.mark.parametrize(
    ("purpose", "days"), [("", 1), (" ", 1), ("x" * 101, 1), ("a\x00b", 1), ("nightly", 0), ("nightly", 367)]
)
async def test_a_token_says_what_it_is_for_and_ends_within_a_year(
    house: House, purpose: str, days: int
) -> None:
    await house.add("kim")
    with pytest.raises(AccountRefused):
        await house.accounts.make_token("kim", purpose, days, by=ADMIN)


@pytest.mark.parametrize("name", ["nobody", "no name at all"])
async def test_who_does_not_exist_can_not_be_changed(house: House, name: str) -> None:
    accounts = house.accounts
    for change in (
        accounts.set_roles(name, [Role.MAKER], by=ADMIN),
        accounts.set_password(name, PASSWORD, by=ADMIN),
        accounts.disable(name, by=ADMIN),
        accounts.enable(name, by=ADMIN),
        accounts.make_token(name, "nightly", 1, by=ADMIN),
    ):
        with pytest.raises(UnknownUser, match=name):
            await change
    assert await house.audit() == []


async def test_each_change_is_in_the_audit_log_with_who_and_how_and_without_secrets(house: House) -> None:
    by = Actor(user="root", via=Via.COMMAND_LINE)
    accounts = house.accounts
    await accounts.add("lee", [Role.ADMIN], PASSWORD, by=by)
    await accounts.add("kim", [Role.MAKER], PASSWORD, by=by)
    await accounts.set_roles("kim", [Role.MAKER, Role.CHECKER], by=by)
    await accounts.set_password("kim", SecretStr("another four words"), by=by)
    token, secret = await accounts.make_token("kim", "nightly", 1, by=by)
    await accounts.revoke_token(token, by=by)
    await accounts.disable("kim", by=by)
    await accounts.enable("kim", by=by)
    entries = await house.audit()
    assert [entry.action for entry in entries] == [
        Action.USER_ADDED,
        Action.USER_ADDED,
        Action.USER_CHANGED,
        Action.PASSWORD_CHANGED,
        Action.TOKEN_MADE,
        Action.TOKEN_REVOKED,
        Action.USER_DISABLED,
        Action.USER_ENABLED,
    ]
    assert {(entry.user, entry.via) for entry in entries} == {("root", Via.COMMAND_LINE)}
    assert [entry.about for entry in entries[1:]] == ["kim"] * 3 + [token] * 2 + ["kim"] * 2
    assert entries[2].detail == {"from": ["maker"], "to": ["checker", "maker"]}
    told = repr(entries)
    assert not any(text in told for text in ("four words", secret.get_secret_value(), "argon2"))
