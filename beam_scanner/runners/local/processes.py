"""Worker processes of this machine, for Beam's runner: forks of a fork server.

A process that is stopped, by SIGSTOP, and not continued is noticed and killed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from beam_scanner.runners.local import fork_client

LOOK_SECONDS = 0.5
STOPPED_SECONDS = 3.0
"""A process that has been stopped so long, while this one was not, is killed."""


class StoppedWatch:
    """Measures how long a process has been stopped.

    A terminal stops all processes of a job, this one too, so only time counts in which
    this process has looked about every half second.

    Args:
        process: Its id.
    """

    def __init__(self, process: int) -> None:
        self._stat = Path(f"/proc/{process}/stat")
        self._looked = time.monotonic()
        self._stopped = 0.0

    def is_given_up(self) -> bool:
        """Looks at it; whether it has been stopped for too long."""
        now = time.monotonic()
        passed, self._looked = now - self._looked, now
        with suppress(OSError):
            # The name before it may hold anything.
            state = self._stat.read_text(errors="replace").rpartition(")")[2].split()[0]
            self._stopped += min(passed, 2 * LOOK_SECONDS)
            if state != "T":
                self._stopped = 0.0
        return self._stopped >= STOPPED_SECONDS


def wait_or_kill(fork: fork_client.Fork) -> tuple[int | None, bool]:
    """Waits for the end of a process, and kills it where it is stopped.

    Returns:
        Its exit code, see ``Fork.wait``, and whether it had been stopped.
    """
    process, stopped = fork.started(), False
    if process is not None:
        watch = StoppedWatch(process)
        while not fork.has_ended(LOOK_SECONDS):
            if not stopped and watch.is_given_up():
                stopped = True
                fork.kill()
    return fork.wait(), stopped


class WorkerProcesses:
    """The workers of one run.

    Args:
        died: Called with the reason, in another thread, when a worker ends with an
            error.
    """

    def __init__(self, died: Callable[[str], None]) -> None:
        self._died = died
        self._lock = threading.Lock()
        self._workers: list[fork_client.Fork] = []
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
            self._workers.append(worker)
            fork_client.fork(worker, request)
        thread = threading.Thread(
            target=self._follow, args=[worker], name="run_worker", daemon=True
        )
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
            for worker in self._workers:
                worker.kill()

    def _follow(self, worker: fork_client.Fork) -> None:
        code, stopped = wait_or_kill(worker)
        if stopped:
            self._died("it was stopped, and did not go on")
        elif code is None:
            self._died("it could not start, or the process that starts them has ended")
        elif code:
            self._died(f"exit code {code}")
