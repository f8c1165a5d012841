"""What a run does about outputs that are there already."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from beam_scanner.errors import StreamExistsError
from beam_scanner.text.printable import printable

if TYPE_CHECKING:
    from beam_scanner.run.existing_results import Results


class CacheMode(Enum):
    """What a run does about outputs that are committed already.

    ``Error`` refuses to run. ``Ignore`` skips the streams that hold exactly this
    result: the same graph, arguments and inputs. ``Overwrite`` runs, and replaces
    each old stream when the new one is committed.
    """

    Error = 1
    Ignore = 2
    Overwrite = 3


def is_cached(results: Results, outputs: int, mode: CacheMode) -> bool:
    """Whether a job is left out because all its outputs hold its result already.

    Args:
        results: Of the job.
        outputs: How many outputs it has.
        mode: What the run does about outputs that are committed.

    Raises:
        StreamExistsError: One is committed, and the mode is ``Error``.
    """
    there = results.in_the_way()
    if not there or mode is CacheMode.Overwrite:
        return False
    if mode is CacheMode.Error:
        same = results.are_there()
        error = StreamExistsError(
            f"Running this job would overwrite the {type(there[0]).__name__} "
            f"`{printable(there[0].name())}`"
            f"{', which holds exactly this result' if same else ''}. You can change this "
            "behavior using run(..., cache_mode=CacheMode.Ignore) to not run for outputs "
            "that already hold this result, or CacheMode.Overwrite to run anyway and "
            "replace them."
        )
        error.holds_result = same
        raise error
    return len(there) == outputs and results.are_there()
