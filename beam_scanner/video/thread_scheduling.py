"""Keeps libraries from making threads of this process real-time threads.

libsvtav1, run by root as in most containers, gives its threads, and the one that opens
an encoder, the highest real-time priority there is. All that they start inherits it,
and nothing else gets a processor any more: not the decoder, not Beam's own threads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_THREADS = "/proc/self/task"


def _policies() -> dict[int, int]:
    found = {}
    for thread in map(int, os.listdir(_THREADS)):
        # It may have ended by now.
        with suppress(OSError):
            found[thread] = os.sched_getscheduler(thread)
    return found


@contextmanager
def kept_scheduling() -> Iterator[None]:
    """Takes back real-time priorities that threads were given inside.

    Threads that began inside are scheduled like most others; where threads cannot be
    listed, nothing is done.

    Examples:
        >>> with kept_scheduling():
        ...     pass
    """
    if not os.path.isdir(_THREADS):
        yield
        return
    before = _policies()
    try:
        yield
    finally:
        for thread, policy in _policies().items():
            kept = before.get(thread, os.SCHED_OTHER)
            if policy != kept and policy in (os.SCHED_FIFO, os.SCHED_RR):
                with suppress(OSError):
                    os.sched_setscheduler(thread, kept, os.sched_param(0))
