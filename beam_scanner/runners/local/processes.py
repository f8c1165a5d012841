"""Worker processes of this machine, for Beam's runner: forks of a fork server.

A process that is stopped, by SIGSTOP, and not continued is noticed and killed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from beam_scanner.forks import fork_client
from beam_scanner.forks.stopped_processes import wait_or_kill

_END_SECONDS = 5.0
"""A process that is killed has ended by then, unless a disk holds it."""


class WorkerProcesses:
    """The workers of one run.

    Args:
        died: Called with the reason, in another thread, when a worker ends with an
            error.
    """

    def __init__(self, died: Callable[[str], None]) -> None:
        self._died = died
        self._lock = threading.Lock()
        self._workers: dict[fork_client.Fork, threading.Thread] = {}
        self._killed: dict[int, threading.Thread] = {}
        self._closed = False
        fork_client.get_ready()

    def start(self, variables: Mapping[str, str]) -> threading.Thread:
        """Starts a worker; see ``beam_internals.local_workers.Starter``."""
        level = logging.getLogger().getEffectiveLevel()
        request = fork_client.Request(
            ("beam_scanner.runners.local.worker", "main"),
            {"level": level},
            variables,
            forks=True,
        )
        with self._lock:
            if self._closed:
                raise RuntimeError("the run is over")
            worker = fork_client.Fork()
            thread = threading.Thread(
                target=self._follow, args=[worker], name="run_worker", daemon=True
            )
            self._workers[worker] = thread
            fork_client.fork(worker, request)
        thread.start()
        return thread

    def interrupt(self) -> None:
        """Interrupts all workers, as the user has interrupted the run."""
        with self._lock:
            for worker in self._workers:
                worker.interrupt()

    def kill(self) -> None:
        """Kills all workers; there will be no others."""
        with self._lock:
            self._closed = True
            for worker, thread in self._workers.items():
                process = worker.running()
                if process is not None:
                    self._killed[process] = thread
                worker.kill()

    def killed(self) -> list[int]:
        """Process ids of the workers that ``kill`` has ended; waits until they have."""
        with self._lock:
            killed = dict(self._killed)
        for thread in killed.values():
            thread.join(_END_SECONDS)
        return list(killed)

    def _follow(self, worker: fork_client.Fork) -> None:
        code, stopped = wait_or_kill(worker)
        with self._lock:
            del self._workers[worker]
        if stopped:
            self._died("it was stopped, and did not go on")
        elif code is None:
            self._died("it could not start, or the process that starts them has ended")
        elif code:
            self._died(f"exit code {code}")
