"""Options that several commands share."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from batch_issuer.errors import UsageError


class LogFormat(StrEnum):
    """How log lines are written."""

    TEXT = "text"
    JSON = "json"


class OnInvalid(StrEnum):
    """What one invalid row means for the others."""

    STOP = "stop"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalOptions:
    """What stands before the command."""

    config: Path | None = None
    profiles: tuple[str, ...] = ()
    """Only `issue` of several files takes more than one."""
    ledger: str | None = None
    output: Path | None = None
    metrics_file: Path | None = None
    log_format: LogFormat = LogFormat.TEXT
    verbosity: int = 0
    overrides: dict[str, Any] = field(default_factory=dict)

    @property
    def profile(self) -> str | None:
        """The profile that was chosen. Raises UsageError where there are several."""
        if len(self.profiles) > 1:
            raise UsageError("--profile can be given once, but to `issue` of several files: once for each")
        return self.profiles[0] if self.profiles else None


def refuse_password(ledger: str | None) -> None:
    """Refuse a ledger's URL with a password: what is typed can be read by every user of the machine."""
    try:
        holds_password = bool(ledger and urlsplit(ledger).password)
    except ValueError:
        return  # no URL: the settings say so
    if holds_password:
        raise UsageError(
            "--ledger holds a password, which every user of this machine could read; "
            "give the URL as BATCH_ISSUER_LEDGER, or in a file that BATCH_ISSUER_LEDGER_FILE names"
        )


FileArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="Spreadsheet with a header row: CSV, TSV, XLSX, Parquet; a URL such as s3://BUCKET/FILE; "
        "- is standard input.",
    ),
]
FilesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Spreadsheets with a header row: CSV, TSV, XLSX, Parquet; URLs such as s3://BUCKET/FILE; "
        "- alone is standard input.",
    ),
]
OptionalBatch = Annotated[
    str | None, typer.Argument(metavar="[BATCH]", help="The batch; default: the latest.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
ChunkSize = Annotated[
    int | None,
    typer.Option(min=1, help="Customers in one request at most, default 100. [env: BATCH_ISSUER_CHUNK_SIZE]"),
]
Concurrency = Annotated[
    int | None,
    typer.Option(min=1, help="Requests under way at once, default 8. [env: BATCH_ISSUER_CONCURRENCY]"),
]
Rate = Annotated[
    float | None,
    typer.Option(min=0, help="API calls a minute, default 100; 0 = unlimited. [env: BATCH_ISSUER_RATE]"),
]
EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="URL",
        help="Spread the work: dask://HOST:PORT, tls://HOST:PORT, dask://local. [env: BATCH_ISSUER_ENGINE]",
    ),
]
OnInvalidOption = Annotated[
    OnInvalid, typer.Option(help="One invalid row stops the whole file, or is skipped.")
]
MaxInvalidOption = Annotated[
    str, typer.Option(help="With --on-invalid skip: send nothing if more rows than this are invalid.")
]
WaitOption = Annotated[
    float, typer.Option("--wait", min=0, metavar="SECONDS", help="Follow the states for so long.")
]
EncodingOption = Annotated[
    str | None,
    typer.Option("--encoding", help="utf-8, utf-16 or windows-1252, where it is found out wrongly."),
]
DelimiterOption = Annotated[
    str | None,
    typer.Option("--delimiter", help="comma, semicolon, tab or pipe, where it is found out wrongly."),
]
NoCheckBadges = Annotated[
    bool, typer.Option("--no-check-badges", help="Don't ask the server whether the badges can be issued.")
]
NewLedger = Annotated[
    bool,
    typer.Option("--new-ledger", help="Go on beside batches that were sent with another ledger."),
]
SheetOption = Annotated[
    str | None,
    typer.Option("--sheet", metavar="NAME", help="The sheet of a workbook, default the first."),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="HEADER=COLUMN", help="Use another header for a column; repeatable."),
]
BadgeOption = Annotated[
    str | None,
    typer.Option("--badge-meta-id", help="Badge for the whole file. [env: BATCH_ISSUER_BADGE_META_ID]"),
]
OwnerOption = Annotated[
    str | None,
    typer.Option("--owner-type", help="Owner type for the whole file. [env: BATCH_ISSUER_OWNER_TYPE]"),
]
ReferenceOption = Annotated[
    str | None,
    typer.Option("--reference-id", help="Reference for the whole file. [env: BATCH_ISSUER_REFERENCE_ID]"),
]
EventDateOption = Annotated[
    str | None,
    typer.Option(
        "--issue-event-date", help="Event date for the whole file. [env: BATCH_ISSUER_ISSUE_EVENT_DATE]"
    ),
]
