"""The page on input tells every rule, each with an example that breaks it, in the words that users get."""

import pytest

from batch_issuer.batch.problems import WORDING, Rule
from tests.intake.rule_table import EXAMPLES, PAGE, page, problems_of


def test_every_rule_has_words_and_an_example() -> None:
    assert set(WORDING) == set(Rule)
    assert set(EXAMPLES) == set(Rule)


@pytest.mark.parametrize("rule", sorted(EXAMPLES))
def test_an_example_breaks_its_rule_and_no_other(rule: Rule) -> None:
    assert [problem.rule for problem in problems_of(rule)] == [rule]


def test_the_page_is_what_the_messages_say() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python -m tests.intake.rule_table"


def test_the_page_names_every_rule() -> None:
    text = PAGE.read_text("utf-8")
    assert all(f"| `{rule.value}` |" in text for rule in Rule)
