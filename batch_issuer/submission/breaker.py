"""Stops a batch whose server is down, or that is refused for one reason again and again."""

from typing import Final

from batch_issuer.gateway import Answer, AnswerKind
from batch_issuer.submission.next_step import Stop

IN_A_ROW: Final = 10


class Breaker:
    """Counts failures and equal refusals in order of answers; a 429 neither counts nor clears."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        self._failures = 0
        self._refusals = 0
        self._reason: tuple[int | None, str] | None = None

    def record(self, answer: Answer) -> Stop | None:
        """Take one answer, and say whether the batch must stop."""
        match answer.kind:
            case AnswerKind.NOT_REACHED | AnswerKind.IN_DOUBT:
                self._failures += 1
                self._refusals = 0
            case AnswerKind.REFUSED | AnswerKind.TOO_LARGE:
                self._failures = 0
                reason = (answer.http_status, answer.error.code)
                self._refusals = self._refusals + 1 if reason == self._reason else 1
                self._reason = reason
            case AnswerKind.RATE_LIMITED:
                pass
            case _:
                self._failures = self._refusals = 0
        if self._failures >= IN_A_ROW:
            return Stop(message=f"the server failed {IN_A_ROW} times in a row: {answer.error.message}")
        if self._refusals >= IN_A_ROW:
            return Stop(message=f"the server refused {IN_A_ROW} requests in a row: {answer.error.message}")
        return None
