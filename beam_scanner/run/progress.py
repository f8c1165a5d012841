"""How far a run is, by its manifests: Beam itself says nothing before a run is over."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from typing import Any

from beam_scanner.run.job_files import JobFiles
from beam_scanner.run.run_files import JobTasks
from beam_scanner.stores.object_store import ObjectStore

POLL_SECONDS = 0.5
_MOST_JOBS_A_POLL = 200
_WIDTH = 80


class Progress:
    """Counts what a run has finished, by the manifests of its tasks.

    Args:
        store: The database.
        jobs: Of the run.

    Attributes:
        rows: Rows of finished tasks.
        total_rows: Rows of all tasks.
        tasks: Finished tasks.
        total_tasks: All tasks.
    """

    def __init__(self, store: ObjectStore, jobs: Sequence[JobTasks]) -> None:
        self._jobs = jobs
        self._files = [JobFiles(store, job.fingerprint, job.token) for job in jobs]
        self._done: list[dict[tuple[int, int], int]] = [{} for _ in jobs]
        self._next = 0
        self.total_rows = sum(sum(map(sum, job.rows)) for job in jobs)
        self._sizes = [sum(map(len, job.rows)) for job in jobs]
        self.total_tasks = sum(self._sizes)
        self.rows = self.tasks = 0

    def look(self, most: int = _MOST_JOBS_A_POLL) -> None:
        """Looks at the next jobs that are not done.

        Args:
            most: At how many.
        """
        for _ in range(min(most, len(self._jobs))):
            number = self._next
            self._next = (number + 1) % len(self._jobs)
            done = self._done[number]
            if len(done) < self._sizes[number]:
                # What is counted stays so, also where a job has ended and is tidied up.
                for family, task in self._files[number].manifests():
                    done[family, task] = self._rows_of(number, family, task)
        self.rows = sum(sum(done.values()) for done in self._done)
        self.tasks = sum(map(len, self._done))

    def jobs_done(self) -> int:
        """How many jobs have no task left."""
        pairs = zip(self._done, self._sizes, strict=True)
        return sum(len(done) >= size for done, size in pairs)

    def _rows_of(self, number: int, family: int, task: int) -> int:
        rows = self._jobs[number].rows
        known = family < len(rows) and task < len(rows[family])
        return rows[family][task] if known else 0


class ProgressBar:
    """A bar, where somebody can see it; in rows, since tasks are of any size.

    Args:
        show: Whether to draw at all.
    """

    def __init__(self, show: bool) -> None:
        self._show = show and _visible()
        self._bar: Any = None

    def show(self, progress: Progress) -> None:
        """Draws how far a run is."""
        if self._show and self._bar is None and progress.total_rows:
            from tqdm.auto import tqdm

            self._bar = tqdm(
                total=progress.total_rows,
                unit=" rows",
                dynamic_ncols=_knows_its_width(),
                ncols=None if _knows_its_width() else _WIDTH,
            )
        if self._bar is not None:
            self._bar.update(progress.rows - self._bar.n)

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self._bar is not None:
            self._bar.close()


class Watcher:
    """Draws a bar while it is open, in a thread.

    Args:
        store: The database.
        jobs: Of the run; none for a run of too many.
        show: Whether to draw at all.
    """

    def __init__(
        self, store: ObjectStore, jobs: Sequence[JobTasks], show: bool
    ) -> None:
        self._show = show and bool(jobs) and _visible()
        self._progress = Progress(store, jobs)
        self._jobs = len(jobs)
        self._bar = ProgressBar(self._show)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Watcher:
        if self._show:
            self._bar.show(self._progress)
            self._thread = threading.Thread(
                target=self._watch, name="progress", daemon=True
            )
            self._thread.start()
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            if kind is None:
                self._progress.look(self._jobs)
                self._bar.show(self._progress)
            self._bar.close()

    def _watch(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            self._progress.look()
            self._bar.show(self._progress)


def _knows_its_width() -> bool:
    """False for terminals, as of containers, that say that they have no columns."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError):
        return True


def _visible() -> bool:
    """A terminal, or a notebook."""
    if "ipykernel" in sys.modules:
        return True
    return sys.stderr is not None and sys.stderr.isatty()
