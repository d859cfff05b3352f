"""Logs: one line for each change of state, with ids as fields, to standard error."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, Literal

from batch_issuer.redaction import Redactor

LogFormat = Literal["text", "json"]

FIELDS: Final = (
    "batch",
    "request",
    "workflow_request",
    "attempt",
    "status",
    "state",
    "code",
    "seconds",
    "count",
)
"""What a line may carry besides its event. Customer ids are no field, and messages of servers neither."""


class _Fields(logging.Formatter):
    """Formats an event with the fields that were passed as `extra`."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def _parts(self, record: logging.LogRecord) -> dict[str, object]:
        return {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}


class TextLines(_Fields):
    """`08:15:00 WARNING in doubt request=… status=504`."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one readable line, and the traceback of a program error below it."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = "".join(f" {name}={value}" for name, value in self._parts(record).items())
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return self._redact(f"{time} {record.levelname} {record.getMessage()}{fields}{trace}")


class JsonLines(_Fields):
    """One JSON object a line, for collectors."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the event, its level, its instant and its fields."""
        event: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **self._parts(record),
        }
        if record.exc_info:
            event["trace"] = self.formatException(record.exc_info)
        return self._redact(json.dumps(event, default=str))


def set_up_logs(*, log_format: LogFormat, verbosity: int, redact: Redactor) -> None:
    """Send this package's events to standard error: warnings, or more with -v, or less with -q."""
    level = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(redact) if log_format == "json" else TextLines(redact))
    logger = logging.getLogger("batch_issuer")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
