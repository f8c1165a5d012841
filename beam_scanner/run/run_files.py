"""What a run and its jobs keep in storage while they are not done.

::

    .work/runs/<run>/driver           locked while the driver of a local run lives
                     graph            the shared graph and how to run it
                     jobs-000000      what jobs 0 to 999 have of their own
                     failed/<job>     why a job failed: its other tasks stop
                     attempts/<job>-<family>-<task>/<id>  see ``attempts``
                     stopped          set when too many had: all that is left stops
                     results/<job>-<phase>
                     outputs/<name>   which sink of a pipeline writes it, and from what
                     jobs/<job>/...   files of a job that this run has for itself
    .work/jobs/<fingerprint>/begun    its token, and what the outputs are to replace
                     <token>/<family>-<task>  the manifest of a finished task
                     <token>/published/<family>  what was published, once it was
                     internal/        streams between phases, a database

Files of a run serve that run alone. Files of a job outlive a run that was killed: a
later run with the same fingerprint goes on with them, and so does one that runs at
the same time. Whoever ends the job first removes them, the token before the rest. A
job of which rows leave has its files in its run: what leaves is made by every run,
and no other run may take away what it is made from.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from beam_scanner.errors import Failure, StorageError
from beam_scanner.kernels.pickling import dumps_graph, loads_graph
from beam_scanner.run.fingerprints import SharedGraph
from beam_scanner.storage.sealed_files import (
    is_sealed,
    read_sealed,
    seal,
    seal_bytes,
    unseal,
    unseal_bytes,
)
from beam_scanner.storage.stream_names import DESCRIPTOR
from beam_scanner.storage.writer_marks import held, is_abandoned
from beam_scanner.stores.object_store import SCRATCH, ObjectNotFoundError, ObjectStore

WORK = ".work"
JOBS_A_FILE = 1000
_DRIVER = "driver"
_ATTEMPT = ("worker", "started", "alone")
_BEGUN = "begun"
_PUBLISHED = "published"
_KEPT_BY = (f"/{_DRIVER}", "/graph", f"/{_BEGUN}")

Manifest = dict[str, Any]
_MANIFEST_FIELDS = {"run", "outputs", "trace"}
_TOKEN = re.compile(rb"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class RunSettings:
    """How every job of a run is to be run.

    Attributes:
        graph: What the jobs share.
        work_packet: Rows handled at a time.
        io_packet: Output rows a task, about; 0 to choose.
        checked: Whether every job was bound before the run began.
        equal_rows: Whether all outputs of a job must have equally many rows.
        detached: Whether no driver waits for the end.
        attempts: How often a task is tried before its job fails.
        digests: Of the files of the jobs.
        max_failures: How many jobs may fail before the rest is not run; None for all.
        jobs: How many jobs there are; 0 if nobody knows.
        failed: How many of them had failed before.
        task_timeout: Seconds that an attempt may take; 0 for any number.
        here: ``process_token`` of the process that may run tasks itself; in all others
            a process of their own, which may die, runs them.
    """

    graph: SharedGraph
    work_packet: int
    io_packet: int
    checked: bool
    equal_rows: bool = True
    detached: bool = False
    attempts: int = 3
    digests: tuple[str, ...] = ()
    max_failures: int | None = None
    jobs: int = 0
    failed: int = 0
    task_timeout: float = 0.0
    here: str = ""


@dataclass(frozen=True)
class JobRecord:
    """What one job has of its own.

    Attributes:
        name: Name of its first output.
        own: See ``SharedGraph.own_values``.
        fingerprint: Of the whole job.
        outputs: Fingerprint of each output of the run.
        token: Generation of its streams, and the mark of its unfinished work; empty
            for a job whose outputs are there already.
        mark: What tells it from all other jobs of the run.
        seen: For each output of the run the generation that it may replace, '' for
            none: what was there when the run began.
        leaves: Whether rows leave, so that its files are the run's own.
    """

    name: str
    own: list[Any]
    fingerprint: str
    outputs: list[str]
    token: str
    mark: str
    seen: tuple[str, ...] = ()
    leaves: bool = False

    def files(self, store: ObjectStore, run: str) -> JobFiles:
        """The files of the job in a run."""
        if self.leaves:
            return JobFiles(store, self.mark, self.token, run)
        return JobFiles(store, self.fingerprint, self.token)


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


class RunFiles:
    """Files of one run.

    Args:
        store: The database.
        run: The run's name.

    Attributes:
        marked: How many jobs this object has marked as failed.
    """

    def __init__(self, store: ObjectStore, run: str) -> None:
        # They end with the run: no power failure can make them matter.
        self._store = store.relaxed()
        self.run = run
        self.marked = 0
        self._root = f"{WORK}/runs/{run}"

    def write(self, settings: RunSettings, jobs: Sequence[JobRecord]) -> str:
        """Stores what the workers need.

        Returns:
            A digest of it, for :meth:`settings`: what workers unpickle is what was
            written here, whoever else may write into the database.
        """
        # First what tells others that the run is more than a leftover.
        self._store.put(f"{self._root}/graph", b"")
        digests = []
        for start in range(0, len(jobs), JOBS_A_FILE):
            data = dumps_graph(list(jobs[start : start + JOBS_A_FILE]))
            digests.append(_digest(data))
            key = f"{self._root}/jobs-{start // JOBS_A_FILE:06d}"
            self._store.put(key, seal_bytes(data))
        data = dumps_graph(replace(settings, digests=tuple(digests)))
        self._store.put(f"{self._root}/graph", seal_bytes(data))
        return _digest(data)

    def held(self) -> AbstractContextManager[None]:
        """Shows others that this process runs the run, until it ends or dies."""
        return held(self._store, f"{self._root}/{_DRIVER}")

    def is_abandoned(self) -> bool:
        """Whether the process that held the run has died."""
        return is_abandoned(self._store, f"{self._root}/{_DRIVER}")

    def settings(self, digest: str = "") -> RunSettings:
        """The shared part.

        Args:
            digest: What :meth:`write` returned; empty where only damage is looked for.

        Raises:
            StorageError: It is not what was written.
        """
        found = loads_graph(self._read("graph", digest))
        assert isinstance(found, RunSettings)
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
                f"{self._store.describe(key)!r} is not what this run has written"
            )
        return data

    def mark_failed(self, mark: str, failure: Failure) -> None:
        """Says that the rest of the job with this mark need not be run."""
        data = seal(asdict(failure))
        self.marked += self._store.put_if_absent(self._failed(mark), data)

    def failed(self, mark: str) -> Failure | None:
        """Why the first task of the job failed; None if none has."""
        try:
            found = read_sealed(self._store, self._failed(mark), ["stream", "reason"])
        except ObjectNotFoundError:
            return None
        return Failure(**found)

    def forget_failed(self, mark: str) -> None:
        """Lets a job that has failed begin again."""
        self._store.delete(self._failed(mark))

    def failed_jobs(self) -> int:
        """How many jobs have failed."""
        return sum(1 for _ in self._store.list(f"{self._root}/failed/"))

    def stop(self, failed: int) -> None:
        """Says that no more is to be run.

        Args:
            failed: How many jobs have failed.
        """
        self._store.put_if_absent(f"{self._root}/stopped", str(failed).encode())

    def stopped_at(self) -> int | None:
        """How many jobs had failed when the run was stopped; None if it was not."""
        data = self._store.try_read(f"{self._root}/stopped")
        return None if data is None else int(data)

    def forget_stop(self) -> None:
        """Lets a run begin again."""
        self._store.delete(f"{self._root}/stopped")

    def _failed(self, mark: str) -> str:
        return f"{self._root}/failed/{mark}"

    def put_attempt(self, task: str, attempt: str, mark: dict[str, Any]) -> None:
        """Says that an attempt at a task has begun."""
        key = f"{self._root}/attempts/{task}/{attempt}"
        self._store.put(key, seal(mark))

    def forget_attempt(self, task: str, attempt: str) -> None:
        """Says that an attempt has ended by itself."""
        self._store.delete(f"{self._root}/attempts/{task}/{attempt}")

    def attempts(self, task: str) -> dict[str, dict[str, Any]]:
        """Attempts at a task that have begun and not ended."""
        found = {}
        for key in self._store.list(f"{self._root}/attempts/{task}/"):
            with suppress(ObjectNotFoundError):
                found[key.rsplit("/", 1)[1]] = read_sealed(self._store, key, _ATTEMPT)
        return found

    def put_result(self, job: int, phase: int, failures: Sequence[Failure]) -> None:
        """Stores how a job ended a phase."""
        listed = [asdict(failure) for failure in failures]
        data = seal({"job": job, "phase": phase, "failures": listed})
        self._store.put(f"{self._root}/results/{job}-{phase}", data)

    def results(self) -> dict[tuple[int, int], list[Failure]]:
        """The failures of each (job, phase) that has ended."""
        found = {}
        for key in self._store.list(f"{self._root}/results/"):
            ended = read_sealed(self._store, key, ["job", "phase", "failures"])
            failures = [Failure(**item) for item in ended["failures"]]
            found[ended["job"], ended["phase"]] = failures
        return found

    def remove(self) -> None:
        """Removes all files of the run."""
        # Last goes what tells that the driver has died.
        driver = f"{self._root}/{_DRIVER}"
        keys = [k for k in self._store.list(f"{self._root}/") if k != driver]
        for key in keys:
            self._store.delete(key)
        for folder in {_internal_of(key) for key in keys} - {""}:
            _remove_scratch(self._store, folder)
        self._store.delete(driver)


class JobFiles:
    """Files of one job, found by its fingerprint.

    Args:
        store: The database.
        fingerprint: The job's.
        own: The token that :meth:`begin` gave, where that was called elsewhere.
        run: The run that has them for itself; '' where runs of equal jobs share them.
    """

    def __init__(
        self, store: ObjectStore, fingerprint: str, own: str = "", run: str = ""
    ) -> None:
        self.store = store
        self._store = store
        # A manifest that a power failure swallows or empties costs a task, while
        # flushing each to the disk would cost every small stream.
        self._manifests = store.relaxed()
        above = f"{WORK}/runs/{run}" if run else WORK
        self._root = f"{above}/jobs/{fingerprint}"
        self._begun = f"{self._root}/{_BEGUN}"
        self._shared = not run
        self._own = own

    def token(self) -> str | None:
        """The token of a job that was begun and not finished; None if there is none."""
        data = self._store.try_read(self._begun)
        return None if data is None else _token(data)

    def begin(
        self,
        seen: Sequence[str] = (),
        is_spent: Callable[[str], bool] = lambda token: False,
    ) -> str:
        """Begins the job, or joins one that was begun; returns its token.

        Args:
            seen: For each output the generation that it may replace. A run that has
                seen others than the one that it joins takes the job over: that one can
                publish no more.
            is_spent: Whether streams of a token were published and replaced: then its
                files may be on their way out.
        """
        new = uuid.uuid4().hex
        while True:
            data = self._store.try_read(self._begun)
            # With one that is damaged nobody can go on.
            token = (None if data is None else _token(data)) or new
            if data is not None and token != new and is_spent(token):
                self._remove(data)
                continue
            mine = _begun(token, seen)
            if data == mine or self._store.put_if(self._begun, mine, data):
                self._own = token
                return token

    def is_over(self) -> bool:
        """Whether another run has ended the job and removed its files."""
        return self._shared and self.token() != self._own

    @property
    def internal(self) -> str:
        """Key of the database of streams between phases."""
        return f"{self._root}/internal"

    def manifest(self, family: int, task: int) -> Manifest | None:
        """What a finished task left; None if it is not finished."""
        data = self._store.try_read(self._key(family, task))
        if data is None:
            return None
        try:
            found = unseal(data, required=False)
        except StorageError:
            return None
        if not is_sealed(data):
            # Without its checksum it has one field too many, unless it never had one.
            return found if set(found) == _MANIFEST_FIELDS else None
        place = found.pop("place", None)
        return found if place == [self._own, family, task] else None

    def put_manifest(
        self, family: int, task: int, manifest: Manifest, replace: bool = False
    ) -> bool:
        """Ends a task; of several attempts the first one wins.

        Args:
            family: Family of the task.
            task: Its number.
            manifest: JSON-able.
            replace: Put it in place of one whose segments are gone.

        Returns:
            Whether this attempt's manifest is the one that counts.
        """
        data = seal({**manifest, "place": [self._own, family, task]})
        if replace:
            self._manifests.put(self._key(family, task), data)
            return True
        return self._manifests.put_if_absent(self._key(family, task), data)

    def manifests(self) -> Iterator[tuple[int, int]]:
        """(family, task) of every finished task."""
        folder = self._folder()
        for key in self._store.list(folder, lambda f: f == f"{folder}{_PUBLISHED}/"):
            family, _, task = key.removeprefix(folder).partition("-")
            yield int(family), int(task)

    def put_published(self, family: int, told: Sequence[Any]) -> None:
        """Notes that the outputs of a family were published, for whoever asks again.

        Args:
            family: Which.
            told: JSON-able, of each output.
        """
        data = seal({"family": family, "told": list(told)})
        self._manifests.put(f"{self._folder()}{_PUBLISHED}/{family}", data)

    def published(self, family: int) -> list[Any] | None:
        """What was noted of a family; None if it was not published yet."""
        key = f"{self._folder()}{_PUBLISHED}/{family}"
        # A note that is damaged counts as none: publishing again changes nothing.
        with suppress(StorageError):
            return list(read_sealed(self._store, key, ["family", "told"])["told"])
        return None

    def remove(self, seen: Sequence[str] | None = None) -> bool:
        """Removes all files of the job, unless another run has begun it anew.

        Args:
            seen: Only if no other run has taken the job over since it was begun with
                this; see :meth:`begin`.

        Returns:
            Whether it did.
        """
        data = self._store.try_read(self._begun)
        if data is None or (self._own and _token(data) != self._own):
            return False
        if seen is not None and data != _begun(_token(data) or "", seen):
            return False
        return self._remove(data)

    def _remove(self, begun: bytes) -> bool:
        # What is listed before the token goes is of nobody who begins after that; but
        # streams between phases have the same descriptors then.
        keys = [k for k in self._store.list(f"{self._root}/") if k != self._begun]
        found = {
            k: self._store.try_read(k) for k in keys if k.endswith(f"/{DESCRIPTOR}")
        }
        # The token goes first: without it, what is left is only garbage.
        if not self._store.delete_if(self._begun, begun):
            return False
        for key in keys:
            data = found.get(key)
            if data is None:
                self._store.delete(key)
            else:
                self._store.delete_if(key, data)
        _remove_scratch(self._store, self.internal)
        return True

    def _folder(self) -> str:
        # What a run left that was killed as it removed a job's files must not count.
        assert self._own, "begin() gives the token"
        return f"{self._root}/{self._own}/"

    def _key(self, family: int, task: int) -> str:
        return f"{self._folder()}{family}-{task:08d}"


def _begun(token: str, seen: Sequence[str]) -> bytes:
    return "\n".join([token, *seen]).encode()


def _token(begun: bytes) -> str | None:
    """The token in a file; None where it is damaged."""
    token = begun.partition(b"\n")[0]
    return token.decode() if _TOKEN.fullmatch(token) else None


def _internal_of(key: str) -> str:
    folder, found, _ = key.partition("/internal/")
    return f"{folder}/internal" if found else ""


def _remove_scratch(store: ObjectStore, database: str) -> None:
    """Removes the empty folder of temporary files that a database leaves."""
    store.delete(f"{database}/{SCRATCH}none")


def remove_abandoned(store: ObjectStore) -> None:
    """Removes the files of local runs whose drivers have died; their jobs' stay."""
    ending = f"/{_DRIVER}"
    for key in list(store.list(f"{WORK}/runs/")):
        if key.endswith(ending):
            run = RunFiles(store, key.split("/")[2])
            if run.is_abandoned():
                run.remove()


def remove_garbage(store: ObjectStore) -> None:
    """Removes what is of no use to any run; none may be about to begin or end.

    That is the files of runs whose drivers have died, what workers wrote for a run
    that was over, and what is left of jobs whose removal was cut short.
    """
    remove_abandoned(store)
    for key in _strays(store):
        store.delete(key)
    found = list(store.list(f"{WORK}/jobs/"))
    # Listed after them: a job that begins meanwhile loses nothing.
    begun = {key.split("/")[2] for key in _begun_keys(store, f"{WORK}/jobs/", 3)}
    for key in found:
        if key.split("/")[2] not in begun:
            store.delete(key)


def _strays(store: ObjectStore) -> list[str]:
    """Files of runs that have neither a driver nor a graph."""
    keys = list(store.list(f"{WORK}/runs/"))
    known = {key.split("/")[2] for key in keys if key.endswith(_KEPT_BY)}
    return [key for key in keys if key.split("/")[2] not in known]


def unfinished_jobs(store: ObjectStore) -> Iterator[tuple[str, str]]:
    """(fingerprint, token) of jobs that were begun, not finished, and can go on."""
    for key in _begun_keys(store, f"{WORK}/jobs/", 3):
        data = store.try_read(key)
        token = None if data is None else _token(data)
        if token is not None:
            yield key.split("/")[-2], token


def unfinished_tokens(store: ObjectStore) -> Iterator[str]:
    """Tokens of jobs that were begun and not finished: their segments are needed."""
    yield from (token for _, token in unfinished_jobs(store))
    for key in _begun_keys(store, f"{WORK}/runs/", 5):
        data = store.try_read(key)
        token = None if data is None else _token(data)
        if token is not None:
            yield token


def _begun_keys(store: ObjectStore, folder: str, depth: int) -> Iterator[str]:
    for key in store.list(folder):
        if key.count("/") == depth and key.endswith(f"/{_BEGUN}"):
            yield key


def live_runs(store: ObjectStore) -> list[str]:
    """Local runs whose drivers live."""
    ending = f"/{_DRIVER}"
    if store.local_path(WORK) is None:
        return []
    found = [k for k in store.list(f"{WORK}/runs/") if k.endswith(ending)]
    runs = [RunFiles(store, key.split("/")[2]) for key in found]
    return [run.run for run in runs if not run.is_abandoned()]
