"""Worker processes of this machine, for Beam's runner: forks of a fork server.

A process that is stopped, by SIGSTOP, and not continued is noticed and killed.
"""

from __future__ import annotations

import logging
import signal
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
        self._running: set[fork_client.Fork] = set()
        self._killed: set[fork_client.Fork] = set()
        self._to_blame: set[fork_client.Fork] = set()
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
            self._running.add(worker)
            fork_client.fork(worker, request)
        thread.start()
        return thread

    def interrupt(self) -> None:
        """Interrupts all workers, as the user has interrupted the run."""
        with self._lock:
            for worker in self._running:
                worker.interrupt()

    def kill(self) -> None:
        """Kills all workers; there will be no others."""
        with self._lock:
            self._closed = True
            self._killed |= self._running
            for worker in self._running:
                worker.kill()

    def join(self) -> None:
        """Waits until all have ended, but not for ever."""
        with self._lock:
            threads = list(self._workers.values())
        for thread in threads:
            # An interrupt can strike before it is started.
            if thread.ident is not None:
                thread.join(_END_SECONDS)

    def blameless(self) -> list[int]:
        """Process ids of the workers that have not died of themselves.

        They were killed since another one had died, or have ended with their runner, as
        they do in the middle of a task. Waits until they have.
        """
        self.join()
        with self._lock:
            workers = list(self._workers)
            ids = [each.process() for each in workers if each not in self._to_blame]
        return [process for process in ids if process is not None]

    def _follow(self, worker: fork_client.Fork) -> None:
        code, stopped = wait_or_kill(worker)
        with self._lock:
            self._running.remove(worker)
            if self._is_to_blame(worker, code, stopped):
                self._to_blame.add(worker)
        if stopped:
            self._died("it was stopped, and did not go on")
        elif code is None:
            self._died("it could not start, or the process that starts them has ended")
        elif code:
            self._died(f"exit code {code}")

    def _is_to_blame(
        self, worker: fork_client.Fork, code: int | None, stopped: bool
    ) -> bool:
        if stopped:
            return True
        if code == 0 or (code == -signal.SIGKILL and worker in self._killed):
            return False
        # Once one has died the runner hangs up, and others end with an error.
        return not self._to_blame or (code is not None and code < 0)
