"""Refuses to run graphs in a process that was forked too late.

Threads do not survive a fork. gRPC and Beam start some with the first graph, and in a
forked child would wait for them forever.

If Beam changes this: a graph hangs in a forked child, or is refused there without need.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from beam_scanner.beam_internals.beam_threads import has_pool_threads
from beam_scanner.errors import WorkerError

_GRPC_THREADS = ("grpc", "event_engine")


class _Forks:
    """Watches forks of this process.

    Attributes:
        lost_threads: Whether this process was forked from one that had threads which
            a graph needs.
    """

    def __init__(self) -> None:
        self.lost_threads = False
        self._had_threads = False

    def before(self) -> None:
        """Looks at the threads of a process that is about to be forked."""
        self._had_threads = has_pool_threads() or _has_grpcs_threads()

    def in_child(self) -> None:
        """Notes in the child which threads it has lost."""
        self.lost_threads = self.lost_threads or self._had_threads


def _has_grpcs_threads() -> bool:
    """Whether gRPC has begun to work: its threads are not Python's."""
    if "grpc" not in sys.modules:
        return False
    folder = "/proc/self/task"
    try:
        tasks = os.listdir(folder)
    except OSError:  # not on Linux: Beam's own threads must do
        return False
    for task in tasks:
        with suppress(OSError), open(f"{folder}/{task}/comm") as file:
            if file.read().startswith(_GRPC_THREADS):
                return True
    return False


_forks = _Forks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_forks.before, after_in_child=_forks.in_child)


def check_fork() -> None:
    """Refuses a graph in a forked child, where it would hang.

    Raises:
        WorkerError: The parent had run a graph, or used gRPC, before it was forked.

    Examples:
        >>> check_fork()
    """
    if _forks.lost_threads:
        raise WorkerError(
            "this process was forked from one that had run a graph with workers, or used "
            "gRPC, before, and a graph would hang in it; start it with 'spawn' instead: "
            "multiprocessing.get_context('spawn'), or ProcessPoolExecutor("
            "mp_context=multiprocessing.get_context('spawn')), or fork before the "
            "first graph is run"
        )
