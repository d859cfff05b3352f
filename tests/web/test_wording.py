"""Messages that name options of commands say in a browser what one does there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from batch_issuer.errors import BatchIssuerError
from batch_issuer.intake import SheetOptions, open_source
from batch_issuer.planning import MaxInvalid
from batch_issuer.web.wording import for_browsers, listed
from tests.intake.sheets import options, write
from tests.intake.workbooks import save


def of_text(content: str, *maps: str, **how: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        given = options(maps=maps, how_written=SheetOptions(**how))
        return open_source(write(folder, content), given)

    return read


def of_workbook(**how: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        return open_source(save(folder / "in.xlsx", [["a"]]), options(how_written=SheetOptions(**how)))

    return read


@pytest.mark.parametrize(
    ("work", "told"),
    [
        (of_text("customer no,badge\n"), "Rename it, or choose the header for it under Columns"),
        (of_text('custo"m"er,badge\n'), "choose the header for it under Columns"),
        (of_text("x,y\n"), "Rename one, or choose the header for it under Columns"),
        (of_text("customer;badge\n", delimiter="comma"), "let the separator be found out"),
        (of_text("customer,badge\n", "Member=customer_id"), "which was chosen for customer_id"),
        (of_text("customer,badge\n", sheet="April"), "a sheet can be chosen of Excel workbooks alone"),
        (of_text("customer,badge\n", encoding="klingon"), "the encoding 'klingon' is not known"),
        (of_text("customer,badge\n", delimiter="#"), "the separator '#' is not known"),
        (of_workbook(encoding="utf-8"), "an encoding and a separator can be chosen for text files alone"),
        (lambda _: MaxInvalid.parse("lots"), "the limit of invalid rows, 'lots': write a count"),
    ],
)
def test_no_option_is_named_in_a_browser(tmp_path: Path, work: Callable[[Path], object], told: str) -> None:
    with pytest.raises(BatchIssuerError) as refused:
        work(tmp_path)
    assert "--" in str(refused.value)
    said = for_browsers(str(refused.value))
    assert told in said
    assert "--" not in said


def test_what_names_no_option_stays_as_it_is() -> None:
    told = "customers.csv: row 1 is empty; the first row must hold the column names"
    assert for_browsers(told) == told


def test_words_are_listed_as_a_sentence_has_them() -> None:
    assert [listed(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
