"""What is kept of streams that failed, in words."""

from __future__ import annotations

import shlex


def hint_about_kept(kept: int, db_path: str) -> str:
    """What to say of finished tasks of jobs that failed; '' where there are none.

    Examples:
        >>> print(hint_about_kept(1, 'db'))
        1 finished task of failed streams is kept: the same run again does only the \
others, 'beam-scanner gc --unfinished db' gives it up
    """
    if not kept:
        return ""
    what, it = (
        ("1 finished task", "it") if kept == 1 else (f"{kept} finished tasks", "them")
    )
    return (
        f"{what} of failed streams {'is' if kept == 1 else 'are'} kept: the same run "
        f"again does only the others, 'beam-scanner gc --unfinished "
        f"{shlex.quote(db_path)}' gives {it} up"
    )
