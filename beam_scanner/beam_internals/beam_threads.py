"""Threads of Beam's, recognized by their names or their class.

If Beam changes this: a run whose worker has died prints tracebacks of lost connections,
or a graph hangs in a forked child instead of being refused there.
"""

from __future__ import annotations

import sys
import threading

READERS = ("beam_control_read", "read_grpc_client_inputs", "read_state")
"""Threads that read connections; they raise when the other end has gone."""

WORKERS = (*READERS, "run_worker")
"""Threads of LOOPBACK workers: how their names begin."""

_POOL = "apache_beam.utils.thread_pool_executor"


def has_pool_threads() -> bool:
    """Whether Beam's thread pool has begun to work, without loading it."""
    # Another thread may have begun to import it.
    worker = getattr(sys.modules.get(_POOL), "_Worker", None)
    if worker is None:
        return False
    return any(isinstance(thread, worker) for thread in threading.enumerate())
