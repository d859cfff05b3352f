"""What a run has to know to do its work, also after a restart."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from batch_issuer.acceptance import IssueOptions, decided_options


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The file that is issued and how, or what a checker says."""

    path: Path | None = None
    issue: IssueOptions = field(default_factory=IssueOptions)
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings that hold for this run alone, as a badge for the whole file."""
    message: str = ""
    """Why something is approved or rejected."""

    def stored(self) -> dict[str, Any]:
        """Return what the ledger keeps."""
        if self.path is None:
            return {"message": self.message} if self.message else {}
        return {
            "path": str(self.path),
            "name": self.issue.name,
            "file_name": self.issue.file_name,
            "decided": self.issue.decided(),
            "settings": dict(self.settings),
        }

    @classmethod
    def of(cls, stored: Mapping[str, Any], *, user: str, upload: str) -> Self:
        """Read back what the ledger keeps of what a user asked for."""
        if "path" not in stored:
            return cls(message=stored.get("message", ""))
        decided = decided_options(stored["decided"], name=stored["name"])
        return cls(
            path=Path(stored["path"]),
            issue=replace(decided, file_name=stored["file_name"], issued_by=user, upload=upload),
            settings=stored["settings"],
        )
