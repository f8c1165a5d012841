"""Notices processes that are stopped, by SIGSTOP, and do not go on."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from beam_scanner.forks import fork_client

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
