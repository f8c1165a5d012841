"""When a task is tried again: after an attempt that failed, while it has attempts left."""

from __future__ import annotations

from beam_scanner.errors import Failure
from beam_scanner.run.tasks.attempt import Ended
from beam_scanner.run.tasks.attempt_marks import Lost


class Tries:
    """Counts the attempts at a task, and decides whether there is another one.

    Args:
        most: How many attempts a task has.
        lost: Attempts that ended when their worker died.

    Attributes:
        used: How many attempts were made.
        failure: Why the task has failed; None as long as it may be tried.
    """

    def __init__(self, most: int, lost: list[Lost]) -> None:
        self.lost = lost
        self.used = len(lost)
        self.failure: Failure | None = None
        self._most = most
        self._deaths = bool(lost)
        if lost and self.used >= most and lost[-1].alone:
            self.failure = _lost(lost[-1])

    @property
    def alone(self) -> bool:
        """Whether the next attempt must be the only task of its process.

        A death is charged to all tasks that were in flight. So none fails by one
        unless it was alone with it.
        """
        return self._deaths and self.used + 1 >= self._most

    def count(self, ended: Ended) -> None:
        """Counts an attempt that failed."""
        assert ended.failure is not None
        if not ended.counts:
            return
        was_alone, self.used = self.alone, self.used + 1
        is_death = ended.failure.kind == "death"
        self._deaths = self._deaths or ended.failure.kind in ("death", "timeout")
        if self.used >= self._most and (was_alone or not is_death):
            self.failure = ended.failure


def _lost(lost: Lost) -> Failure:
    return Failure(
        "",
        "the worker that ran the task died, or was killed",
        kind="death",
        worker=lost.worker,
        started=lost.started,
    )
