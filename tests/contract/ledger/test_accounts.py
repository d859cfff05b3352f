"""Users, sessions and tokens, as each database keeps them."""

from dataclasses import replace

from batch_issuer.ledger import Ledger
from batch_issuer.ledger.sessions import (
    SessionRecord,
    delete_ended_sessions,
    delete_session,
    delete_sessions_of,
    find_session,
    insert_session,
    note_seen,
)
from batch_issuer.ledger.tokens import (
    TokenRecord,
    find_token,
    find_token_by_digest,
    insert_token,
    list_tokens,
    revoke_token,
    revoke_tokens_of,
)
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

KIM = UserRecord(
    user="kim", password="$argon2id$x", roles=frozenset({"maker", "admin"}), created_at="2026-03-02T04:45:00Z"
)
SESSION = SessionRecord(
    digest="ab",
    user="kim",
    created_at="2026-03-02T04:45:00Z",
    seen_at="2026-03-02T04:45:00Z",
    ends_at="2026-03-03T04:45:00Z",
)
TOKEN = TokenRecord(
    token="01",
    digest="cd",
    user="kim",
    name="nightly",
    created_at="2026-03-02T04:45:00Z",
    ends_at="2026-06-02T04:45:00Z",
)


async def test_a_name_is_given_to_one_user(ledger: Ledger) -> None:
    assert not await ledger.read(have_users)
    assert await ledger.write(insert_user, KIM)
    assert not await ledger.write(insert_user, replace(KIM, roles=frozenset({"viewer"})))
    assert await ledger.read(list_users) == [KIM]
    assert await ledger.read(have_users)
    assert await ledger.read(find_user, "lee") is None


async def test_one_user_is_changed_and_no_other(ledger: Ledger) -> None:
    lee = replace(KIM, user="lee")
    for user in (lee, KIM):
        await ledger.write(insert_user, user)
    await ledger.write(store_password, "lee", "$argon2id$y")
    await ledger.write(store_roles, "lee", ["checker"])
    await ledger.write(store_disabled, "lee", "2026-03-02T05:00:00Z")
    changed = replace(
        lee, password="$argon2id$y", roles=frozenset({"checker"}), disabled_at="2026-03-02T05:00:00Z"
    )
    assert await ledger.read(list_users) == [KIM, changed]


def test_a_record_does_not_show_what_proves_a_user() -> None:
    assert not any(proof in repr([KIM, SESSION, TOKEN]) for proof in ("argon2id", "'ab'", "'cd'"))


async def test_sessions_end_alone_for_a_user_and_by_their_times(ledger: Ledger) -> None:
    idle = replace(SESSION, digest="idle", seen_at="2026-03-02T01:00:00Z")
    over = replace(SESSION, digest="over", ends_at="2026-03-02T05:00:00Z", user="lee")
    for session in (SESSION, idle, over, replace(SESSION, digest="other", user="lee")):
        await ledger.write(insert_session, session)
    await ledger.write(note_seen, "ab", "2026-03-02T05:00:00Z")
    assert await ledger.read(find_session, "ab") == replace(SESSION, seen_at="2026-03-02T05:00:00Z")
    await ledger.write(delete_ended_sessions, now="2026-03-02T05:00:00Z", last_seen="2026-03-02T01:00:00Z")
    assert [await ledger.read(find_session, digest) for digest in ("idle", "over")] == [None, None]
    assert await ledger.write(delete_session, "ab")
    assert not await ledger.write(delete_session, "ab")
    assert await ledger.write(delete_sessions_of, "lee") == 1
    assert await ledger.read(find_session, "other") is None


async def test_a_token_is_taken_back_once_and_for_good(ledger: Ledger) -> None:
    later = replace(TOKEN, token="02", digest="ce", created_at="2026-03-02T04:46:00Z")
    others = replace(TOKEN, token="03", digest="cf", user="lee")
    for token in (TOKEN, later, others):
        await ledger.write(insert_token, token)
    assert await ledger.read(list_tokens, "kim") == [later, TOKEN]
    assert len(await ledger.read(list_tokens)) == 3
    assert await ledger.read(find_token_by_digest, "cd") == TOKEN
    assert await ledger.write(revoke_token, "01", "2026-03-02T05:00:00Z")
    assert not await ledger.write(revoke_token, "01", "2026-03-02T06:00:00Z")
    assert await ledger.write(revoke_tokens_of, "kim", "2026-03-02T07:00:00Z") == 1
    assert await ledger.read(find_token, "01") == replace(TOKEN, revoked_at="2026-03-02T05:00:00Z")
    assert await ledger.read(find_token, "03") == others
