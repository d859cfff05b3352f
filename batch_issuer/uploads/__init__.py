"""Files that somebody brought and that are no batch yet: received, looked at, checked, corrected."""

from batch_issuer.uploads.checked import Checked
from batch_issuer.uploads.choices import Choices
from batch_issuer.uploads.problem_file import ProblemPage, ProblemRow, Wanted
from batch_issuer.uploads.progress import CheckProgress, CheckStage
from batch_issuer.uploads.rows import SHOWN_ROWS
from batch_issuer.uploads.sampling import Meaning, Sample
from batch_issuer.uploads.uploads import Uploads, open_uploads

__all__ = [
    "SHOWN_ROWS",
    "CheckProgress",
    "CheckStage",
    "Checked",
    "Choices",
    "Meaning",
    "ProblemPage",
    "ProblemRow",
    "Sample",
    "Uploads",
    "Wanted",
    "open_uploads",
]
