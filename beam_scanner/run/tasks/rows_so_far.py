"""How far a task is that takes long, for whoever watches its run."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Self

from beam_scanner.engine.trace import TaskTrace
from beam_scanner.errors import StorageError
from beam_scanner.run.tasks.stage_elements import TaskId
from beam_scanner.run.worker_run import Run

NOTE_SECONDS = 0.5


class RowsSoFar:
    """Notes from time to time how many rows a task has made, while it is open.

    Nothing is noted of short tasks, nor where each note has its price, as in a bucket.
    A note that cannot be stored is left out.

    Args:
        run: The run.
        mark: Of the job.
        task: The task.
        found: What is counted of it.
    """

    def __init__(self, run: Run, mark: str, task: TaskId, found: TaskTrace) -> None:
        self._files, self._found = run.files, found
        self._task = f"{mark}-{task.family}-{task.task}"
        self._is_watched = run.is_local and run.settings.numbered
        self._due = time.monotonic() + NOTE_SECONDS
        self._noted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: Any) -> None:
        if self._noted:
            with suppress(StorageError, OSError):
                self._files.forget_rows(self._task)

    def note(self) -> None:
        """Notes it, if that is due."""
        if self._is_watched and time.monotonic() >= self._due:
            self._due = time.monotonic() + NOTE_SECONDS
            self._noted = True
            with suppress(StorageError, OSError):
                rows = self._found.counters["rows_written"]
                self._files.note_rows(self._task, rows)
