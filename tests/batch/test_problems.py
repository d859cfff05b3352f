"""Problems: each rule has words, and each message is one readable line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.batch.problems import WORDING, InputProblem, Rule


def problem(value: str, rule: Rule = Rule.NOT_A_NUMBER, hint: str = "") -> InputProblem:
    return InputProblem(row=7, column="customer_id", value=value, rule=rule, hint=hint)


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_says_what_is_wrong_and_what_to_do(rule: Rule) -> None:
    what, advice = WORDING[rule]

    message = problem("" if rule is Rule.MISSING else "x", rule).message

    assert what in message
    assert message.endswith(advice)
    assert message.isprintable()


def test_a_message_names_column_value_reason_and_advice() -> None:
    assert problem("1.13461E+08", Rule.DIGITS_LOST).message == (
        "customer_id '1.13461E+08' has lost digits: the spreadsheet rounded a long number; "
        "format the column as text, paste the original ids again, and export again"
    )


def test_an_empty_cell_is_not_shown() -> None:
    assert problem("", Rule.MISSING).message.startswith("customer_id is empty;")


def test_an_error_of_the_spreadsheet_is_shown_and_called_one() -> None:
    assert problem("#N/A", Rule.MISSING).message.startswith(
        "customer_id '#N/A' holds an error of the spreadsheet, and no value;"
    )


def test_a_hint_stands_behind_the_advice() -> None:
    assert problem("x", hint="did you mean y?").message.endswith("(did you mean y?)")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("1\u200b2", r"'1\u200b2'"),
        ("1\n2", r"'1\u000a2'"),
        ("\x00", r"'\u0000'"),
        ("a\u00a0b", r"'a\u00a0b'"),
        ("\u202e12", r"'\u202e12'"),
        ("\U000e0041", r"'\U000e0041'"),
        ("J\u00f6rg \U0001f600", "'J\u00f6rg \U0001f600'"),
        ("x" * 60, f"'{'x' * 60}'"),
        ("x" * 61, f"'{'x' * 60}…'"),
        ("\x00" * 4000, "'" + r"\u0000" * 10 + "…'"),
    ],
)
def test_a_value_is_shown_short_and_with_invisible_characters_spelled_out(value: str, shown: str) -> None:
    assert f"customer_id {shown} is not" in problem(value).message


@given(value=st.text(), rule=st.sampled_from(Rule))
def test_any_value_makes_one_short_line(value: str, rule: Rule) -> None:
    message = problem(value, rule).message

    assert message.isprintable()
    assert len(message) < 250
