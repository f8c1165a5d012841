"""Files of a run: what its driver and workers share through storage until it ends.

::

    .work/runs/<run>/driver           locked while the driver of a local run lives
                     graph            the shared graph and how to run it
                     jobs-000000      the records of jobs 0 to 999
                     tokens           of its jobs, see ``run_tokens``
                     failed/<job>     why a job failed; its remaining tasks stop
                     attempts/<job>-<family>-<task>/<id>  see ``attempt_marks``
                     stopped          written when too many jobs failed, or the run is to be
                                      cancelled; the remaining tasks stop
                     tasks            how many tasks each job has, for its progress
                     rows/<job>-<family>-<task>   rows so far of a task that takes long
                     results/<job>-<phase>
                     outputs/<name>   which sink of a pipeline writes it, and from what
                     jobs/<job>/...   files of a job that no other run shares

A *family* is a group of outputs that the same tasks make. Only that run uses these files;
what outlives a run is in ``job_files``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from beam_scanner.errors import Failure, StorageError
from beam_scanner.kernels.pickling import dumps_graph, loads_graph
from beam_scanner.run.job_files import BEGUN, begun_keys, internal_of, remove_scratch
from beam_scanner.run.run_tokens import (
    TOKENS,
    RunTokens,
    forget_tokens,
    is_tokens,
    keep_tokens,
    note_tokens,
    old_tokens,
    tokens_of_runs,
)
from beam_scanner.storage.sealed_files import (
    read_sealed,
    seal,
    seal_bytes,
    unseal_bytes,
)
from beam_scanner.storage.stream_names import JOBS, RUNS
from beam_scanner.storage.writer_marks import held, is_abandoned, is_held
from beam_scanner.stores.object_store import ObjectNotFoundError, ObjectStore

if TYPE_CHECKING:
    from beam_scanner.run.job import JobRecord
    from beam_scanner.run.run_settings import RunSettings

JOBS_A_FILE = 1000
_DRIVER = "driver"
CANCELLED = "cancelled"
_RESULT = ("job", "phase", "failures", "spans")
_KEPT_BY = (f"/{_DRIVER}", "/graph", f"/{BEGUN}")


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


class JobTasks(NamedTuple):
    """How many tasks a job has, and what people call it.

    Attributes:
        fingerprint: Of the job.
        token: Of the job.
        rows: For each family the rows that each of its tasks makes, of all outputs.
        mark: Of the job.
        name: Of its first input.
        length: Rows of its longest output.
        is_video: Whether it reads frames.
    """

    fingerprint: str
    token: str
    rows: list[list[int]]
    mark: str = ""
    name: str = ""
    length: int = 0
    is_video: bool = False


class JobEnd(NamedTuple):
    """How a job ended a phase; see :meth:`RunFiles.put_result`."""

    failures: list[Failure]
    spans: list[list[Any]]


class RunFiles:
    """Files of one run.

    Args:
        store: The database.
        run: The run's name.

    Attributes:
        url: Of the database.
        marked: How many jobs this object has marked as failed.
    """

    def __init__(self, store: ObjectStore, run: str) -> None:
        # Not needed after the run, so they need not survive a power failure.
        self._store = store.relaxed()
        self.url = store.url
        self.run = run
        self.marked = 0
        self._root = f"{RUNS}{run}"

    def write(
        self,
        settings: RunSettings,
        jobs: Sequence[JobRecord],
        published: Collection[str] = (),
    ) -> str:
        """Stores what the workers need.

        Args:
            settings: How to run the jobs.
            jobs: The jobs.
            published: Tokens of jobs that an interrupted run had published.

        Returns:
            A digest of it, for :meth:`settings`: workers unpickle only what was written
            here, even if others can write into the database.
        """
        # First, so that nobody takes the other files for leftovers of a dead run.
        self._store.put(f"{self._root}/graph", b"")
        tokens = {*published, *(job.token for job in jobs)} - {""}
        note_tokens(self._store, self.run, tokens)
        digests = []
        for start in range(0, len(jobs), JOBS_A_FILE):
            data = dumps_graph(list(jobs[start : start + JOBS_A_FILE]))
            digests.append(_digest(data))
            key = f"{self._root}/jobs-{start // JOBS_A_FILE:06d}"
            self._store.put(key, seal_bytes(data))
        data = dumps_graph(replace(settings, digests=tuple(digests)))
        self._store.put(f"{self._root}/graph", seal_bytes(data))
        return _digest(data)

    def held(self) -> AbstractContextManager[BinaryIO | None]:
        """Locks the run for this process, its driver, until the process ends or dies.

        It stays locked for a child that is given the file.
        """
        return held(self._store, f"{self._root}/{_DRIVER}")

    def is_abandoned(self) -> bool:
        """Whether the process that held the run has died."""
        return is_abandoned(self._store, f"{self._root}/{_DRIVER}")

    def is_live(self) -> bool:
        """Whether a process of this machine is known to hold the run."""
        return is_held(self._store, f"{self._root}/{_DRIVER}")

    def settings(self, digest: str = "") -> RunSettings:
        """The shared part.

        Args:
            digest: What :meth:`write` returned; empty to check only for damage.

        Raises:
            StorageError: It is not what was written.
        """
        found: RunSettings = loads_graph(self._read("graph", digest))
        return found

    def jobs(self, number: int, digests: Sequence[str] = ()) -> list[JobRecord]:
        """The jobs of file ``number``; ``digests``: those of the settings.

        Raises:
            StorageError: They are not what was written.
        """
        digest = digests[number] if digests else ""
        found = loads_graph(self._read(f"jobs-{number:06d}", digest))
        assert isinstance(found, list)
        return found

    def _read(self, file: str, digest: str) -> bytes:
        key = f"{self._root}/{file}"
        try:
            data = unseal_bytes(self._store.read(key))
        except ObjectNotFoundError:
            raise
        except StorageError as error:
            raise StorageError(f"{self._store.describe(key)!r}: {error}") from error
        if digest and _digest(data) != digest:
            raise StorageError(
                f"{self._store.describe(key)!r} is not what this run wrote"
            )
        return data

    def write_tasks(self, jobs: Sequence[JobTasks]) -> None:
        """Stores what the progress of the run is counted by."""
        data = seal({"jobs": [list(job) for job in jobs]})
        self._store.put(f"{self._root}/tasks", data)

    def tasks(self) -> list[JobTasks]:
        """What the progress of the run is counted by; empty if nothing was stored."""
        try:
            found = read_sealed(self._store, f"{self._root}/tasks", ["jobs"])
        except ObjectNotFoundError:
            return []
        return [JobTasks(*job) for job in found["jobs"]]

    def note_rows(self, task: str, rows: int) -> None:
        """Stores how many rows a task has made so far; see :meth:`at_work`."""
        self._store.put(f"{self._root}/rows/{task}", str(rows).encode())

    def forget_rows(self, task: str) -> None:
        """Removes what :meth:`note_rows` has stored."""
        self._store.delete(f"{self._root}/rows/{task}")

    def at_work(self) -> dict[str, int]:
        """Rows so far of the tasks that worker processes are at, or that take long.

        Tasks are called ``<job>-<family>-<task>``; of one that tasks of several jobs
        share, the first of them is known.
        """
        found = {}
        for key in self._store.list(self.attempts_of()[1]):
            found[key.split("/")[-2].replace("-merged-", "-")] = 0
        # In a bucket there are none: see ``RowsSoFar``.
        notes = self._store.list(f"{self._root}/rows/") if self._store.is_local else ()
        for key in notes:
            found[key.rpartition("/")[2]] = int(self._store.try_read(key) or 0)
        return found

    def mark_failed(self, mark: str, failure: Failure) -> None:
        """Stores why a job failed, so that its remaining tasks are not run."""
        data = seal(failure._asdict())
        self.marked += self._store.put_if_absent(self._failed(mark), data)

    def failed(self, mark: str) -> Failure | None:
        """Why the first task of the job failed; None if none has."""
        try:
            found = read_sealed(self._store, self._failed(mark), ["stream", "reason"])
        except ObjectNotFoundError:
            return None
        return Failure(**found)

    def forget_failed(self, mark: str) -> None:
        """Removes the failure of a job, which then can be run again."""
        self._store.delete(self._failed(mark))

    def failed_jobs(self) -> int:
        """How many jobs have failed."""
        return sum(1 for _ in self._store.list(f"{self._root}/failed/"))

    def stop(self, failed: int) -> None:
        """Stops the run: tasks that have not begun are not run.

        Args:
            failed: How many jobs have failed.
        """
        self._store.put_if_absent(f"{self._root}/stopped", str(failed).encode())

    def cancel(self) -> None:
        """Stops the run, and the tasks that are at work."""
        self._store.put(f"{self._root}/stopped", CANCELLED.encode())

    def stopped_at(self) -> int | str | None:
        """How many jobs had failed when the run was stopped, or that it is cancelled.

        None if it was not stopped.
        """
        data = self._store.try_read(f"{self._root}/stopped")
        if data is None:
            return None
        return CANCELLED if data == CANCELLED.encode() else int(data)

    def forget_stop(self) -> None:
        """Removes the mark of a stopped run, which then can be run again."""
        self._store.delete(f"{self._root}/stopped")

    def _failed(self, mark: str) -> str:
        return f"{self._root}/failed/{mark}"

    def attempts_of(self, task: str = "") -> tuple[ObjectStore, str]:
        """The store and the folder for marks of attempts at a task, or at any."""
        folder = f"{self._root}/attempts/"
        return self._store, f"{folder}{task}/" if task else folder

    def put_result(
        self,
        job: int,
        phase: int,
        failures: Sequence[Failure],
        spans: Sequence[Sequence[Any]] = (),
    ) -> None:
        """Stores how a job ended a phase.

        Args:
            job: The job.
            phase: The phase.
            failures: Why it has failed.
            spans: What took how long, for the profile; see ``Ended``.
        """
        listed = [failure._asdict() for failure in failures]
        about = {"job": job, "phase": phase, "failures": listed, "spans": list(spans)}
        self._store.put(f"{self._root}/results/{job}-{phase}", seal(about))

    def results(self) -> dict[tuple[int, int], JobEnd]:
        """How each (job, phase) has ended."""
        found = {}
        for key in self._store.list(f"{self._root}/results/"):
            ended = read_sealed(self._store, key, _RESULT)
            failures = [Failure(**item) for item in ended["failures"]]
            end = JobEnd(failures, ended["spans"])
            found[ended["job"], ended["phase"]] = end
        return found

    def remove(self, tokens: bool = True) -> None:
        """Removes all files of the run.

        Args:
            tokens: Those, too: the run has ended, and need not be known again.
        """
        # The driver's file goes last: if this is cut short, the run counts as abandoned
        # and is removed by the next one.
        driver = f"{self._root}/{_DRIVER}"
        stay = {driver}
        if not tokens:
            keep_tokens(self._store, self.run)
            stay.add(f"{self._root}/{TOKENS}")
        keys = [k for k in self._store.list(f"{self._root}/") if k not in stay]
        for key in keys:
            self._store.delete(key)
        for folder in {internal_of(key) for key in keys} - {""}:
            remove_scratch(self._store, folder)
        self._store.delete(driver)


def noted_tokens(store: ObjectStore) -> RunTokens:
    """The tokens of the jobs of all runs, by whether the run is known to be at work."""
    return tokens_of_runs(store, lambda run: RunFiles(store, run).is_live())


def end_interrupted(store: ObjectStore, tokens: Collection[str], run: str = "") -> None:
    """Removes what runs have left whose drivers have died; their jobs' files stay.

    Args:
        store: The database.
        tokens: Of jobs that ``run`` goes on with, or that are over: no run that has died
            need be known by them any more.
        run: A run that has noted them; none if empty.
    """
    forget_tokens(store, tokens, lambda r: r == run or RunFiles(store, r).is_live())
    remove_abandoned(store)


def remove_abandoned(store: ObjectStore) -> None:
    """Removes the files of local runs whose drivers have died, other than tokens."""
    for run in _held_runs(store):
        if run.is_abandoned():
            run.remove(tokens=False)


def _held_runs(store: ObjectStore) -> list[RunFiles]:
    """Runs that have, or had, a driver on some machine."""
    keys = [key for key in store.list(RUNS) if key.endswith(f"/{_DRIVER}")]
    return [RunFiles(store, key.split("/")[2]) for key in keys]


def remove_garbage(store: ObjectStore) -> None:
    """Removes files that no run needs, also beside runs at work.

    That is the files of runs whose drivers have died, what workers wrote for a run
    that was over, and what is left of jobs whose removal was cut short. Tokens of runs
    that died stay for a while.
    """
    remove_abandoned(store)
    for key in _strays(store):
        store.delete(key)
    found = list(store.list(JOBS))
    # Listed after them: a job that begins meanwhile loses nothing.
    begun = {key.split("/")[2] for key in begun_keys(store, JOBS, 3)}
    for key in found:
        if key.split("/")[2] not in begun:
            store.delete(key)


def _strays(store: ObjectStore) -> list[str]:
    """Files of runs that have neither a driver nor a graph, but for young tokens."""
    found = list(store.list(RUNS))
    old = set(old_tokens(store))
    # Listed after them: so does what a run puts first when it begins.
    known = {k.split("/")[2] for k in store.list(RUNS) if k.endswith(_KEPT_BY)}
    return [
        key
        for key in found
        if key.split("/")[2] not in known and (not is_tokens(key) or key in old)
    ]


def live_runs(store: ObjectStore) -> list[str]:
    """Local runs whose drivers live."""
    if not store.is_local:
        return []
    return [run.run for run in _held_runs(store) if not run.is_abandoned()]
