"""A run in a worker process: loaded once, used by all its tasks."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from beam_scanner.engine.instance_pool import KernelPool
from beam_scanner.errors import StorageError
from beam_scanner.run.job import Job, JobId, JobRecord
from beam_scanner.run.run_files import CANCELLED, JOBS_A_FILE, RunFiles
from beam_scanner.run.run_settings import RunSettings, reason_stopped
from beam_scanner.run.sent_file_systems import unpack_file_systems
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.stores.open import open_store

_LOOK_SECONDS, _FAR_LOOK_SECONDS = 1.0, 5.0
"""How often a process looks whether others have stopped the run: in a folder, and in a
bucket, where each look has its price."""

_JOBS_KEPT = 32
_JOB_FILES_KEPT = 4


class RunCancelled(Exception):
    """Ends a task of a run that is to be cancelled."""


class Run:
    """A run as a worker process sees it.

    Args:
        store: The database that keeps its work.
        files: Of the run.
        settings: How its jobs are to be run.
        record: Finds the record of one job.
    """

    def __init__(
        self,
        store: ObjectStore,
        files: RunFiles,
        settings: RunSettings,
        record: Callable[[JobId], JobRecord],
    ) -> None:
        # No method: its cache would hold the run in a cycle, and with it all kernels.
        def opened(job: JobId) -> Job:
            made = Job(
                record(job),
                settings.graph,
                store,
                files.run,
                decoder=settings.decoder,
            )
            # Now, under the lock: threads must share the nodes of one graph.
            _ = made.families
            return made

        unpack_file_systems(settings.file_systems)
        self.store = store
        self.files = files
        self.settings = settings
        self.kernels = KernelPool(files.run)
        self._lock = threading.Lock()
        self._opened = lru_cache(_JOBS_KEPT)(opened)
        self.is_local = store.is_local
        self._stopped: int | str | None = None
        self._looked = (-1, 0.0)

    def stop_reason(self, now: bool = False) -> str:
        """Why no more tasks are to be run; empty if they are.

        Cheap: storage is asked once in a while, and after each failure found here.

        Args:
            now: Ask it at once.
        """
        stopped = self._look(now)
        if stopped is None:
            return ""
        most = self.settings.max_failures
        return reason_stopped(stopped, self.settings.jobs, most)

    def is_cancelled(self) -> bool:
        """Whether tasks that are at work are to end, too; as cheap."""
        return self._look(False) == CANCELLED

    def _look(self, now: bool) -> int | str | None:
        if not self.settings.numbered and self.settings.max_failures is None:
            # Nobody could stop it.
            return None
        marked, when = self._looked
        seconds = _LOOK_SECONDS if self.is_local else _FAR_LOOK_SECONDS
        due = marked != self.files.marked or time.monotonic() > when + seconds
        if self._stopped != CANCELLED and (due or now):
            self._looked = (self.files.marked, time.monotonic())
            # The next look may get through: no task is to fail by it.
            with suppress(StorageError):
                self._stopped = self._ask()
        return self._stopped

    def _ask(self) -> int | str | None:
        most = self.settings.max_failures
        if self._stopped is None and most is not None:
            failed = self.settings.failed + self.files.failed_jobs()
            if failed > most:
                self.files.stop(failed)
        return self.files.stopped_at()

    def job(self, job: JobId) -> Job:
        """One job of the run."""
        with self._lock:
            return self._opened(job)


class RunSource(Protocol):
    """Where workers find a run; small and picklable.

    Attributes:
        run: The run's name.
        part: Which kernels of the run it has; ``'all'`` for all.
    """

    @property
    def run(self) -> str:
        """See the class."""

    @property
    def part(self) -> str:
        """See the class."""

    def of_phase(self, phase: int) -> RunSource:
        """The source for the stage that executes a phase, with its kernels."""

    def open(self) -> Run:
        """Loads the run."""

    def homes(self) -> list[str]:
        """URLs of the databases that keep what failed."""


@dataclass(frozen=True)
class StoredRun:
    """A run whose driver has written it to storage; its jobs are numbers.

    Attributes:
        db: URL of the database.
        run: Name of the run.
        digest: Of what was written for it; see ``RunFiles.write``.
    """

    db: str
    run: str
    digest: str = ""

    @property
    def part(self) -> str:
        """What is stored has all kernels."""
        return "all"

    def of_phase(self, phase: int) -> StoredRun:
        """See :class:`RunSource`."""
        return self

    def homes(self) -> list[str]:
        """Its failures are kept in the database."""
        return [self.db]

    def open(self) -> Run:
        """See :class:`RunSource`."""
        store = open_store(self.db)
        files = RunFiles(store, self.run)
        settings = files.settings(self.digest)

        # Jobs come in about the order of their numbers: few files serve many jobs.
        @lru_cache(_JOB_FILES_KEPT)
        def records(file: int) -> list[JobRecord]:
            return files.jobs(file, settings.digests)

        def record(job: JobId) -> JobRecord:
            file, index = divmod(int(job), JOBS_A_FILE)
            return records(file)[index]

        return Run(store, files, settings, record)


class _Process:
    token = uuid.uuid4().hex


def process_token() -> str:
    """An id of this process; its forks have others."""
    return _Process.token


def _after_fork() -> None:
    _Process.token = uuid.uuid4().hex


os.register_at_fork(after_in_child=_after_fork)

_open: dict[tuple[str, str], Run] = {}
_open_lock = threading.Lock()


def run_of(source: RunSource) -> Run:
    """The run in this process, opened at its first use."""
    key = source.run, source.part
    with _open_lock:
        if key not in _open:
            opened = source.open()
            for (run, _), other in _open.items():
                if run == source.run:
                    # They count the failures that this process has found.
                    opened.files = other.files
            _open[key] = opened
        return _open[key]


def close_runs(run: str | None = None) -> None:
    """Closes the kernels of a run (of all runs for None) in this process."""
    with _open_lock:
        gone = [key for key in _open if run is None or key[0] == run]
        closed = [_open.pop(key) for key in gone]
    for closing in closed:
        closing.kernels.close()
