"""Messages of input problems as a column: the words of each kind once, and the values between them."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_issuer.batch.problem_columns import ProblemColumns
from batch_issuer.batch.problems import SHOWN_CHARS, around_value, shown, shows_value

_UNLIKE_SHOWN: Final = f"[^ -~]|.{{{SHOWN_CHARS + 1}}}"
"""What is in no value that is shown as it is; to Arrow a `.` is any character but a new line."""


def messages(problems: ProblemColumns) -> pa.Array:
    """Write the message of each problem: what `InputProblem.message` says."""
    is_shown = _shows(problems)
    words = [around_value(*kind, is_shown=is_so) for kind in problems.kinds for is_so in (False, True)]
    which = pa.array(2 * problems.codes + is_shown)
    before, behind = (pa.array([pair[at] for pair in words], pa.string()).take(which) for at in (0, 1))
    values = pc.if_else(pa.array(is_shown), _shown_values(problems.values), "")
    return pc.binary_join_element_wise(before, values, behind, "")


def _shows(problems: ProblemColumns) -> npt.NDArray[np.bool_]:
    """Tell of which problems the message shows the value."""
    may_show = np.array([shows_value(kind.rule) for kind in problems.kinds], dtype=np.bool_)
    is_given = pc.not_equal(problems.values, "").to_numpy(zero_copy_only=False)
    shows: npt.NDArray[np.bool_] = may_show[problems.codes] & is_given
    return shows


def _shown_values(values: pa.Array) -> pa.Array:
    """Write values for messages; only what is long or not plain takes its own turn."""
    is_odd = pc.match_substring_regex(values, _UNLIKE_SHOWN)
    odd = values.filter(is_odd).to_pylist()
    if not odd:
        return values
    return pc.replace_with_mask(values, is_odd, pa.array(map(shown, odd), pa.string()))
