"""What a run and its jobs keep in storage while they are not done.

::

    .work/runs/<run>/driver           locked while the driver of a local run lives
                     graph            the shared graph and how to run it
                     jobs-000000      what jobs 0 to 999 have of their own
                     failed/<job>     set when a job failed: its other tasks stop
                     results/<job>-<phase>
                     outputs/<name>   which sink of a pipeline writes it, and from what
    .work/jobs/<fingerprint>/begun    the token of the first run that began it
                     <token>/<family>-<task>  the manifest of a finished task
                     internal/        streams between phases, a database

Files of a run serve that run alone. Files of a job outlive a run that was killed: a
later run with the same fingerprint goes on with them, and so does one that runs at
the same time. Whoever ends the job first removes them, the token before the rest.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from beam_scanner._pickling import dumps_graph, loads_graph
from beam_scanner.errors import Failure, StorageError
from beam_scanner.jobs import SharedGraph
from beam_scanner.storage.sealed import (
    is_sealed,
    read_sealed,
    seal,
    seal_bytes,
    unseal,
    unseal_bytes,
)
from beam_scanner.storage.store import (
    SCRATCH,
    ObjectNotFoundError,
    ObjectStore,
    storage_errors,
)

WORK = ".work"
JOBS_A_FILE = 1000
_DRIVER = "driver"
_KEPT_BY = (f"/{_DRIVER}", "/graph")

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
    """

    graph: SharedGraph
    work_packet: int
    io_packet: int
    checked: bool
    equal_rows: bool = True
    detached: bool = False
    attempts: int = 2
    digests: tuple[str, ...] = ()


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
    """

    name: str
    own: list[Any]
    fingerprint: str
    outputs: list[str]
    token: str
    mark: str


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _token_of(data: bytes | None) -> str | None:
    """The token in a file; None where it is none."""
    return data.decode() if data is not None and _TOKEN.fullmatch(data) else None


class RunFiles:
    """Files of one run.

    Args:
        store: The database.
        run: The run's name.
    """

    def __init__(self, store: ObjectStore, run: str) -> None:
        # They end with the run: no power failure can make them matter.
        self._store = store.relaxed()
        self.run = run
        self._root = f"{WORK}/runs/{run}"

    def write(self, settings: RunSettings, jobs: Sequence[JobRecord]) -> str:
        """Stores what the workers need.

        Returns:
            A digest of it, for :meth:`settings`: what workers unpickle is what was
            written here, whoever else may write into the database.
        """
        digests = []
        for start in range(0, len(jobs), JOBS_A_FILE):
            data = dumps_graph(list(jobs[start : start + JOBS_A_FILE]))
            digests.append(_digest(data))
            key = f"{self._root}/jobs-{start // JOBS_A_FILE:06d}"
            self._store.put(key, seal_bytes(data))
        data = dumps_graph(replace(settings, digests=tuple(digests)))
        self._store.put(f"{self._root}/graph", seal_bytes(data))
        return _digest(data)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Shows others that this process runs the run, until it ends or dies.

        The lock is the operating system's, so that it goes with the process.
        """
        key = f"{self._root}/{_DRIVER}"
        if self._store.local_path(key) is None:
            yield
            return
        scratch = self._store.scratch()
        with storage_errors("write", scratch):
            file = open(scratch, "w")  # noqa: SIM115
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._store.put(key, Path(scratch))
            yield

    def is_abandoned(self) -> bool:
        """Whether the process that held the run has died."""
        path = self._store.local_path(f"{self._root}/{_DRIVER}")
        try:
            with open(path or "") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

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

    def mark_failed(self, mark: str) -> None:
        """Says that the rest of the job with this mark need not be run."""
        self._store.put_if_absent(self._failed(mark), b"")

    def is_failed(self, mark: str) -> bool:
        """Whether some task of the job has failed."""
        return self._store.exists(self._failed(mark))

    def forget_failed(self, mark: str) -> None:
        """Lets a job that has failed begin again."""
        self._store.delete(self._failed(mark))

    def _failed(self, mark: str) -> str:
        return f"{self._root}/failed/{mark}"

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
        held = f"{self._root}/{_DRIVER}"
        for key in [k for k in self._store.list(f"{self._root}/") if k != held]:
            self._store.delete(key)
        self._store.delete(held)


class JobFiles:
    """Files of one job, found by its fingerprint.

    Args:
        store: The database.
        fingerprint: The job's.
        own: The token that :meth:`begin` gave, where that was called elsewhere.
    """

    def __init__(self, store: ObjectStore, fingerprint: str, own: str = "") -> None:
        self._store = store
        # A manifest that a power failure swallows or empties costs a task, while
        # flushing each to the disk would cost every small stream.
        self._manifests = store.relaxed()
        self._root = f"{WORK}/jobs/{fingerprint}"
        self._own = own

    def token(self) -> str | None:
        """The token of a job that was begun and not finished; None if there is none."""
        return _token_of(self._store.try_read(f"{self._root}/begun"))

    def begin(self) -> str:
        """Begins the job, or joins one that was begun; returns its token."""
        token = uuid.uuid4().hex
        key = f"{self._root}/begun"
        while not self._store.put_if_absent(key, token.encode()):
            data = self._store.try_read(key)
            found = _token_of(data)
            # None: just now another run has ended the job, which begins anew.
            if found is not None:
                token = found
                break
            if data is not None:
                # It is damaged, so nobody can go on with it.
                self._store.put(key, token.encode())
                break
        self._own = token
        return token

    def is_over(self) -> bool:
        """Whether another run has ended the job and removed its files."""
        return self.token() != self._own

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
        for key in self._store.list(folder):
            family, _, task = key.removeprefix(folder).partition("-")
            yield int(family), int(task)

    def remove(self) -> None:
        """Removes all files of the job."""
        # The token goes first: without it, what is left is only garbage.
        self._store.delete(f"{self._root}/begun")
        for key in list(self._store.list(f"{self._root}/")):
            self._store.delete(key)
        # A database leaves the empty folder of its temporary files.
        self._store.delete(f"{self.internal}/{SCRATCH}none")

    def _folder(self) -> str:
        # What a run left that was killed as it removed a job's files must not count.
        assert self._own, "begin() gives the token"
        return f"{self._root}/{self._own}/"

    def _key(self, family: int, task: int) -> str:
        return f"{self._folder()}{family}-{task:08d}"


def remove_abandoned(store: ObjectStore) -> None:
    """Removes the files of local runs whose drivers have died; their jobs' stay."""
    ending = f"/{_DRIVER}"
    for key in list(store.list(f"{WORK}/runs/")):
        if key.endswith(ending):
            run = RunFiles(store, key.split("/")[-2])
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
    begun = {token_key.split("/")[-2] for token_key in _begun(store)}
    for key in found:
        if key.split("/")[2] not in begun:
            store.delete(key)


def _strays(store: ObjectStore) -> list[str]:
    """Files of runs that have neither a driver nor a graph."""
    keys = list(store.list(f"{WORK}/runs/"))
    known = {key.split("/")[2] for key in keys if key.endswith(_KEPT_BY)}
    return [key for key in keys if key.split("/")[2] not in known]


def unfinished_jobs(store: ObjectStore) -> Iterator[tuple[str, str]]:
    """(fingerprint, token) of jobs that were begun and not finished."""
    for key in _begun(store):
        token = _token_of(store.try_read(key))
        if token is not None:
            yield key.split("/")[-2], token


def unfinished_tokens(store: ObjectStore) -> Iterable[str]:
    """Tokens of jobs that were begun and not finished: their segments are needed."""
    return (token for _, token in unfinished_jobs(store))


def _begun(store: ObjectStore) -> Iterator[str]:
    for key in store.list(f"{WORK}/jobs/"):
        if key.count("/") == 3 and key.endswith("/begun"):
            yield key
