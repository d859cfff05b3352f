"""Why the sandbox refuses a call.

RefusalError
    BreachError              400  the call breaks the contract
    UnauthenticatedError     401  credentials are missing, wrong or expired
    ForbiddenError           403  a known caller lacks the permission
    UnknownRequestError      404  no such workflow request
    UnknownBadgeError        404  no such badge
    AlreadyDecidedError      409  the workflow request no longer waits
    TooLargeError            413  the call names more customers than the server takes
    TooManyRequestsError     429  the rate limit is reached
"""

from typing import ClassVar


class RefusalError(Exception):
    """A call is answered with an error status and leaves no trace."""

    status: ClassVar[int]

    @property
    def message(self) -> str:
        """Give the text for the error envelope."""
        return str(self)


class BreachError(RefusalError):
    """The call breaks the contract; the message names the breach."""

    status = 400


class UnauthenticatedError(RefusalError):
    """The caller is not known."""

    status = 401

    def __init__(self) -> None:
        super().__init__("Authentication failed")


class ForbiddenError(RefusalError):
    """The caller is known and lacks a permission."""

    status = 403

    def __init__(self, *, permission: str) -> None:
        super().__init__(f"{permission} access is missing")


class UnknownRequestError(RefusalError):
    """No workflow request has this id."""

    status = 404

    def __init__(self) -> None:
        super().__init__("Passed request is not found")


class UnknownBadgeError(RefusalError):
    """No badge has this id."""

    status = 404

    def __init__(self) -> None:
        super().__init__("Passed badge is not found")


class AlreadyDecidedError(RefusalError):
    """The workflow request no longer waits for a checker."""

    status = 409

    def __init__(self, *, state: str) -> None:
        super().__init__(f"Request no longer waits for a decision, its state is {state}")


class TooLargeError(RefusalError):
    """The call names too many customers."""

    status = 413

    def __init__(self, *, max_customers: int) -> None:
        super().__init__(f"Request is too large, at most {max_customers} customers are taken")


class TooManyRequestsError(RefusalError):
    """The rate limit is reached; it says when a call may pass again."""

    status = 429

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__("Too many requests")
        self.retry_after_seconds = retry_after_seconds
