"""What is kept of streams that failed, in words."""

from __future__ import annotations

import shlex

from beam_scanner.text.quantities import counted


def hint_about_kept(kept: int, db_path: str) -> str:
    """What to say of finished tasks of jobs that failed; '' where there are none.

    Examples:
        >>> print(hint_about_kept(1, 'db'))
        1 finished task of failed streams is kept: the same run again does only the \
others; to remove it, run 'beam-scanner gc --unfinished db'
    """
    if not kept:
        return ""
    are, them = ("is", "it") if kept == 1 else ("are", "them")
    return (
        f"{counted(kept, 'finished task')} of failed streams {are} kept: the same run "
        f"again does only the others; to remove {them}, run 'beam-scanner gc "
        f"--unfinished {shlex.quote(db_path)}'"
    )
