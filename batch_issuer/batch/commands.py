"""Commands that messages tell people to run next."""

import re
from typing import Final

_COMMANDS: Final = (
    *("validate", "plan", "issue", "inbox", "resume", "retry", "refresh", "decide", "batches", "show"),
    *("doctor", "prune", "export", "backup", "serve", "users"),
)
"""Those that read settings, and so can be given a profile."""
_NAMED: Final = re.compile(rf"\bbatch-issuer (?=(?:{'|'.join(_COMMANDS)})\b)")


def for_profile(text: str, profile: object) -> str:
    """Let each command that a text names be for a profile, where there is one."""
    return _NAMED.sub(f"batch-issuer --profile {profile} ", text) if profile else text
