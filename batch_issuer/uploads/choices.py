"""What the user decides about an upload, and how the ledger remembers it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Self

from batch_issuer.acceptance import IssueOptions, OnInvalid
from batch_issuer.errors import UsageError
from batch_issuer.intake import COLUMNS, GROUP_COLUMNS, SheetOptions
from batch_issuer.intake.dialect import check_names
from batch_issuer.ledger.uploads import Upload
from batch_issuer.planning import MaxInvalid

NAME_CHARS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """How an upload is to be read and issued."""

    columns: Mapping[str, str] | None = None
    """The title that was chosen for each column, none for some; None where nobody has chosen yet."""
    mapped: Mapping[str, str] = field(default_factory=dict)
    """Columns by the titles that mean them other than by their names: found out from what was chosen."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Values for the whole file, by columns."""
    sheet: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    on_invalid: OnInvalid = "stop"
    max_invalid: str = "10%"
    again: bool = False
    """Issue what was issued before."""
    name: str = ""

    @classmethod
    def of(cls, upload: Upload) -> Self:
        """Read what was chosen for an upload."""
        return cls(**upload.options)

    def as_json(self) -> dict[str, Any]:
        """Write it for the ledger."""
        return asdict(self)

    @property
    def sheet_options(self) -> SheetOptions:
        """How the file that was brought is written, as far as the user says so."""
        return SheetOptions(encoding=self.encoding, delimiter=self.delimiter, sheet=self.sheet)

    def tidied(self) -> Self:
        """Return the same without what says nothing. Raises UsageError for what can't be meant."""
        values = {column: value.strip() for column, value in self.values.items() if value.strip()}
        unknown = [*({*values} - {*GROUP_COLUMNS}), *({*(self.columns or {})} - {*COLUMNS})]
        if unknown:
            raise UsageError(f"there is no column {unknown[0]!r}; columns are {', '.join(COLUMNS)}")
        if self.on_invalid not in {"stop", "skip"}:
            raise UsageError(f"{self.on_invalid!r} is neither stop nor skip")
        MaxInvalid.parse(self.max_invalid)
        check_names(self.sheet_options)
        if any(not _is_storable(text) for text in (*values.values(), self.name, self.sheet or "")):
            raise UsageError("what was typed holds an invisible character; type it again")
        return replace(
            self,
            values=values,
            sheet=self.sheet or None,
            encoding=self.encoding or None,
            delimiter=self.delimiter or None,
            name=" ".join(self.name.split())[:NAME_CHARS],
        )

    def issue_options(self, upload: Upload, sheet: SheetOptions) -> IssueOptions:
        """Say how the file is issued, which is written as `sheet` says."""
        return IssueOptions(
            name=self.name,
            sheet=sheet,
            mapped=self.mapped,
            values=self.values,
            on_invalid=self.on_invalid,
            max_invalid=MaxInvalid.parse(self.max_invalid),
            again=self.again,
            issued_by=upload.user,
            upload=upload.upload,
            file_name=upload.file_name,
        )


def _is_storable(text: str) -> bool:
    return text.isprintable() or text.replace("\n", "").replace("\t", "").isprintable()
