"""Logs: one line for each change of state, with ids as fields, to standard error."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, Literal

from batch_issuer.redaction import Redactor

LogFormat = Literal["text", "json"]

FIELDS: Final = (
    "file",
    "command",
    "batch",
    "request",
    "workflow_request",
    "attempt",
    "status",
    "state",
    "code",
    "seconds",
    "count",
    "lane",
    "channel",
    "upload",
    "kind",
    "reason",
    "user",
    "address",
)
"""What a line may carry besides its event (docs/reference/logs.md). Customer ids are no field, and messages
of servers neither: a reason is what this machine says."""
_PLAIN: Final = (bool, int, float, type(None))
_LEVELS: Final = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
"""From -q over no option and -v to -vv."""


class _Fields(logging.Formatter):
    """Formats an event with the fields that were passed as `extra`."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def _parts(self, record: logging.LogRecord) -> dict[str, object]:
        fields = {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        # redacted one by one: inside JSON a secret would be spelled differently, and stars could break it
        return {
            name: _shown(value) if isinstance(value, _PLAIN) else self._redact(str(value))
            for name, value in fields.items()
        }

    def _trace(self, record: logging.LogRecord) -> str:
        return self._redact(self.formatException(record.exc_info)) if record.exc_info else ""


class TextLines(_Fields):
    """`08:15:00 WARNING in doubt request=… status=504`."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one readable line, and the traceback of a program error below it."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = "".join(f" {name}={value}" for name, value in self._parts(record).items())
        line = _on_one_line(f"{time} {record.levelname} {self._redact(record.getMessage())}{fields}")
        trace = self._trace(record)
        return f"{line}\n{trace}" if trace else line


class JsonLines(_Fields):
    """One JSON object a line, for collectors."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the event, its level, its instant and its fields."""
        event: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": self._redact(record.getMessage()),
            **self._parts(record),
        }
        trace = self._trace(record)
        return json.dumps({**event, "trace": trace} if trace else event)


def _shown(value: float | None) -> float | None:
    """Write seconds to the millisecond."""
    return round(value, 3) if isinstance(value, float) else value


def _on_one_line(text: str) -> str:
    """Spell out what could break a line or forge another: states and codes are the server's words."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def set_up_logs(*, log_format: LogFormat, verbosity: int, redact: Redactor) -> None:
    """Send this package's events to standard error: warnings, or more with -v, or less with -q."""
    level = _LEVELS[min(max(verbosity, -1), len(_LEVELS) - 2) + 1]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(redact) if log_format == "json" else TextLines(redact))
    logger = logging.getLogger("batch_issuer")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
