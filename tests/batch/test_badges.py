"""What makes a badge unfit to be issued, and in whose words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.batch.badges import Badge, BadgeBook
from batch_issuer.batch.requests import OWNER_TYPES

ID = "5f3a1c2b4d5e6f7a8b9c0d1e"
TODAY = datetime(2026, 6, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FINE = {"status": "LIVE", "is_active": True, "starts_at": TODAY - DAY, "expires_at": TODAY + DAY}


def fault(owner: str = "", date: str = "", **facts: Any) -> str:
    book = BadgeBook(badges={ID: Badge(**{**FINE, **facts})}, today=TODAY)
    return book.fault((ID, owner, date))


def test_a_live_badge_within_its_dates_is_fine() -> None:
    assert fault() == ""
    assert fault("Loyalty", "2026-06-15T00:00:00Z", owners=frozenset({"Loyalty", "Journeys"})) == ""


def test_what_the_server_does_not_say_is_nobodys_fault() -> None:
    assert BadgeBook(badges={ID: Badge()}, today=TODAY).fault((ID, "Loyalty", "")) == ""


def test_a_badge_that_was_not_looked_up_is_fine() -> None:
    assert BadgeBook(today=TODAY).fault((ID, "", "")) == ""


def test_a_badge_that_the_server_does_not_know_is_unfit() -> None:
    book = BadgeBook(badges={ID: None}, today=TODAY)
    assert book.fault((ID, "", "")) == "the server knows no badge of this id"


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"status": "ENDED"}, "its status is ENDED, not LIVE"),
        ({"is_active": False}, "it is switched off"),
        ({"starts_at": TODAY + DAY}, "it starts on 2026-06-16, after the event date"),
        ({"expires_at": TODAY - DAY}, "it ended on 2026-06-14, before the event date"),
        ({"status": "ENDED", "is_active": False}, "its status is ENDED, not LIVE; it is switched off"),
        ({"name": "Winter", "is_active": False}, "'Winter': it is switched off"),
    ],
)
def test_each_fault_is_told_and_all_of_them(facts: dict[str, Any], told: str) -> None:
    assert fault(**facts) == told


def test_the_event_date_of_the_row_counts_before_today() -> None:
    starts = TODAY + 10 * DAY
    later: dict[str, Any] = {"starts_at": starts, "expires_at": starts + DAY}

    assert fault(**later)
    assert fault(date="2026-06-26T00:00:00Z", **later) == ""
    assert "before the event date" in fault(date="2026-06-27T00:00:00Z", **later)


def test_an_owner_type_must_be_one_that_the_badge_is_restricted_to() -> None:
    owners = frozenset({"Goodwill_Module", "Journeys"})

    assert fault("Loyalty", owners=owners) == ("only Goodwill_Module, Journeys may give it away, not Loyalty")
    assert fault("Journeys", owners=frozenset({"journeys"})) == ""
    assert fault("", owners=owners) == ""


@pytest.mark.parametrize(("owner", "date"), [("Loyalti", ""), ("", "3/8/26")])
def test_cells_that_are_wrong_themselves_are_not_held_against_the_badge(owner: str, date: str) -> None:
    facts = {"owners": frozenset({"Journeys"}), "expires_at": TODAY if not date else TODAY - DAY}

    assert fault(owner, date, **facts) == ""


BADGE: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "starts": st.none() | st.integers(-5, 5),
        "expires": st.none() | st.integers(-5, 5),
        "owners": st.frozensets(st.sampled_from(OWNER_TYPES), max_size=3),
        "status": st.sampled_from(("", "LIVE", "UPCOMING", "EXPIRED")),
        "is_active": st.none() | st.booleans(),
    }
)


@given(badge=BADGE, event=st.integers(-5, 5), owner=st.sampled_from(("", *OWNER_TYPES)))
def test_a_badge_is_fit_exactly_where_nothing_speaks_against_it(
    badge: dict[str, Any], event: int, owner: str
) -> None:
    starts, expires = badge.pop("starts"), badge.pop("expires")
    told = fault(
        owner,
        (TODAY + event * DAY).isoformat().replace("+00:00", "Z"),
        starts_at=None if starts is None else TODAY + starts * DAY,
        expires_at=None if expires is None else TODAY + expires * DAY,
        **badge,
    )
    fits = (
        badge["status"] in {"", "LIVE"}
        and badge["is_active"] is not False
        and (starts is None or starts <= event)
        and (expires is None or event <= expires)
        and (not badge["owners"] or not owner or owner in badge["owners"])
    )
    assert (told == "") == fits
    assert told.isprintable()
