"""Redaction: secrets in every form they take, and nothing else."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.redaction import STARS, Redactor

SECRET = 'hunter2/ü"quote\\ +&'


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_text_without_secrets_is_left_alone() -> None:
    text = "row 7, customer_id: '1.13461E+08' has lost digits"

    assert Redactor()(text) == text
    assert Redactor(["hunter2"])(text) == text


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        repr(SECRET)[1:-1],
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        encoded(SECRET),
        encoded(SECRET).rstrip("="),
        encoded(SECRET).replace("/", r"\/"),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_a_secret_is_starred_in_every_form_it_takes(form: str) -> None:
    redacted = Redactor([SECRET])(f"before {form} after")

    assert form not in redacted
    assert redacted.startswith(f"before {STARS}")
    assert redacted.endswith(" after")


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Basic dGlsbDpwYXNz",
        "authorization: basic dGlsbDpwYXNz",
        "BASIC   dGlsbDpwYXNz",
        "Basic YTpi",
        "Basic Og==",
        r"{\"Authorization\":\"Basic ab\/cd+ef==\"}",
        r"line\nBasic dGlsbDpwYXNz",
        "x=Basic%20dGlsbDpwYXNz%3D%3D",
        "Bearer abc.DEF-123_~",
        "bearer aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig_nature-1",
        r"\neyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0",
    ],
)
def test_what_looks_like_credentials_is_starred_though_it_is_not_known(text: str) -> None:
    redacted = Redactor()(text)

    assert STARS in redacted
    for part in ("dGlsbDpwYXNz", "YTpi", "Og==", "cd+ef", "DEF", "aaaa", "eyJ", "sig_nature"):
        assert part not in redacted


@pytest.mark.parametrize(
    "text",
    [
        "Basic authentication failed",
        "Basic Authentication is required",
        "a basic plan",
        "the bearer certificate is missing",
        "Bearer authorization",
        "see heyJude.mp3",
    ],
)
def test_words_that_only_look_like_credentials_are_left_alone(text: str) -> None:
    assert Redactor()(text) == text


def test_a_token_learnt_later_is_starred_from_then_on() -> None:
    redact = Redactor()
    assert redact("token opaque-1") == "token opaque-1"

    redact.add("opaque-1")
    redact.add("opaque-1", "opaque-2")

    assert redact("tokens opaque-1, opaque-2") == f"tokens {STARS}, {STARS}"


def test_of_a_secret_within_another_nothing_is_left_over() -> None:
    assert Redactor(["abcd", "abcdefgh"])("x abcdefgh x abcd x") == f"x {STARS} x {STARS} x"


def test_of_secrets_that_overlap_nothing_is_left_over() -> None:
    assert Redactor(["abcdef", "defghi"])("x abcdefghi x") == f"x {STARS} x"


def test_of_a_secret_that_credentials_run_into_nothing_is_left_over() -> None:
    assert Redactor(["1234 5678"])("Basic abcd1234 5678 x") == f"{STARS} x"


@pytest.mark.parametrize("secret", ["a", "1", "ab", "xyz", "e"])
def test_a_very_short_secret_is_starred_where_it_stands_alone_and_spares_other_text(secret: str) -> None:
    redact = Redactor([secret])
    text = "batch 20260131-081500-0a1b2c: abxyz submitted, status=504"

    assert redact(text) == text
    assert redact(f"password={secret}, done") == f"password={STARS}, done"


@pytest.mark.parametrize("secret", ["", " ", "\n"])
def test_a_secret_of_nothing_stars_nothing(secret: str) -> None:
    assert Redactor([secret])("some text\nwith blanks") == "some text\nwith blanks"


@given(
    secrets=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=12), max_size=4),
    texts=st.lists(st.text("ab xyz-", max_size=5), min_size=5, max_size=5),
)
def test_no_known_secret_survives_in_any_text(secrets: list[str], texts: list[str]) -> None:
    secrets = [secret for secret in secrets if secret.strip()]
    text = "".join(part + secret for part, secret in zip(texts, [*secrets, *[""] * 5], strict=False))

    redacted = Redactor(secrets)(text)

    without_stars = redacted.split(STARS)
    assert not any(secret in part for secret in secrets for part in without_stars)
