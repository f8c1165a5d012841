"""How far a run is, by its manifests: Beam itself says nothing before a run is over."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from beam_scanner.run.job_files import JobFiles
from beam_scanner.run.pace import Pace, repeated
from beam_scanner.run.run_files import JobTasks, RunFiles
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.text.printable import printable

_MOST_JOBS_A_POLL = 200
_WIDTH = 80
_NAME = 24
_FORMAT = (
    "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} "
    "[{elapsed}<{remaining}, {rate_fmt}] {desc}"
)


class Progress:
    """Counts what a run has finished, by the manifests of its tasks.

    Of tasks that take long, what they have done so far counts, too.

    Args:
        store: The database.
        files: Of the run.
        jobs: Of the run.

    Attributes:
        rows: Rows that are done, of the longest output of each job.
        total_rows: All of these rows.
        tasks: Finished tasks.
        total_tasks: All tasks.
        of_videos: Whether all jobs read videos: so rows are frames.
        pace: When to look next.
    """

    def __init__(
        self, store: ObjectStore, files: RunFiles, jobs: Sequence[JobTasks]
    ) -> None:
        self._jobs = jobs
        self._run = files
        self._files = [JobFiles(store, job.fingerprint, job.token) for job in jobs]
        self._numbers = {job.mark: number for number, job in enumerate(jobs)}
        self._done: list[dict[tuple[int, int], int]] = [{} for _ in jobs]
        self._at_work: dict[tuple[int, int, int], int] = {}
        self._next = 0
        self._all = [sum(map(sum, job.rows)) for job in jobs]
        self._sizes = [sum(map(len, job.rows)) for job in jobs]
        self.total_rows = sum(job.length for job in jobs)
        self.total_tasks = sum(self._sizes)
        self.of_videos = all(job.is_video for job in jobs)
        self.rows = self.tasks = 0
        self.pace = Pace(store)

    def look(self, most: int = _MOST_JOBS_A_POLL) -> None:
        """Looks at the next jobs that are not done.

        Args:
            most: At how many.
        """
        with self.pace.look():
            self._look(most)

    def _look(self, most: int) -> None:
        at_work = self._run.at_work()
        for _ in range(min(most, len(self._jobs))):
            number = self._next
            self._next = (number + 1) % len(self._jobs)
            done = self._done[number]
            if len(done) < self._sizes[number]:
                # What is counted stays so, also where a job has ended and is tidied up.
                for family, task in self._files[number].manifests():
                    done[family, task] = self._rows_of(number, family, task)
        # Looked for first: a task that has ended meanwhile is found by its manifest.
        self._at_work = dict(self._not_done(at_work))
        rows = [sum(done.values()) for done in self._done]
        for (number, _, _), more in self._at_work.items():
            rows[number] += more
        self.rows = sum(
            job.length * done // max(whole, 1)
            for job, done, whole in zip(self._jobs, rows, self._all, strict=True)
        )
        self.tasks = sum(map(len, self._done))

    def jobs_done(self) -> int:
        """How many jobs have no task left."""
        return sum(map(self._is_done, range(len(self._jobs))))

    def __str__(self) -> str:
        """What people want to know beside a bar: what is done, what is at work."""
        done, total = self.jobs_done(), len(self._jobs)
        numbers = sorted({number for number, _, _ in self._at_work})
        if not numbers and done < total:
            numbers = [n for n in range(total) if not self._is_done(n)][:1]
        parts = [f"{done}/{total} {'videos' if self.of_videos else 'streams'}"]
        if numbers:
            parts.append(first_of([self._jobs[number].name for number in numbers]))
        return ", ".join(parts if total > 1 else parts[1:])

    def _is_done(self, number: int) -> bool:
        return len(self._done[number]) >= self._sizes[number]

    def _not_done(
        self, at_work: Mapping[str, int]
    ) -> Iterator[tuple[tuple[int, int, int], int]]:
        """Tasks at work that have no manifest yet, and what they have done."""
        for name, rows in at_work.items():
            mark, family, task = name.rsplit("-", 2)
            number, where = self._numbers.get(mark), (int(family), int(task))
            if number is not None and where not in self._done[number]:
                yield (number, *where), min(rows, self._rows_of(number, *where))

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
        self._show = show and visible()
        self._bar: Any = None

    def show(self, progress: Progress) -> None:
        """Draws how far a run is."""
        if self._show and self._bar is None and progress.total_rows:
            from tqdm.auto import tqdm

            self._bar = tqdm(
                total=progress.total_rows,
                unit=" frames" if progress.of_videos else " rows",
                bar_format=_FORMAT,
                desc=str(progress),
                # It is drawn as often as it is looked at.
                mininterval=0,
                **line_width(),
            )
        elif self._bar is not None:
            self._bar.set_description_str(str(progress), refresh=False)
            # Also where nothing is new but the time.
            if not self._bar.update(progress.rows - self._bar.n):
                self._bar.refresh()

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self._bar is not None:
            self._bar.close()


class Watcher:
    """Draws a bar while it is open, in a thread.

    Args:
        store: The database.
        files: Of the run.
        show: Whether to draw at all.
    """

    def __init__(self, store: ObjectStore, files: RunFiles, show: bool) -> None:
        # There are none of a run of too many.
        jobs = files.tasks() if show and visible() else []
        self._show = bool(jobs)
        self._progress = Progress(store, files, jobs)
        self._jobs = len(jobs)
        self._bar = ProgressBar(self._show)
        self._repeated = ExitStack()

    def __enter__(self) -> Watcher:
        if self._show:
            self._bar.show(self._progress)
            self._repeated.enter_context(repeated(self._watch, "progress"))
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if self._show:
            self._repeated.close()
            if kind is None:
                self._progress.look(self._jobs)
                self._bar.show(self._progress)
            self._bar.close()

    def _watch(self) -> None:
        if self._progress.pace.is_due():
            self._progress.look()
        self._bar.show(self._progress)


def first_of(names: Sequence[str]) -> str:
    """The first of some names, or the end of a long one, and how many more there are."""
    shown = printable(names[0])
    if len(shown) > _NAME:
        shown = f"…{shown[1 - _NAME :]}"
    return shown + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def line_width() -> dict[str, Any]:
    """Arguments of ``tqdm``: that of the terminal, if it knows how wide it is.

    Terminals, as of containers, may say that they have no columns.
    """
    try:
        known = os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError):
        known = True
    return {"dynamic_ncols": known, "ncols": None if known else _WIDTH}


def visible() -> bool:
    """Whether there is a terminal or a notebook, in which somebody sees a line."""
    if "ipykernel" in sys.modules:
        return True
    return sys.stderr is not None and sys.stderr.isatty()
