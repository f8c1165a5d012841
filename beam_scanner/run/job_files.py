"""Files of a job: its finished tasks, until its outputs are published.

::

    .work/jobs/<fingerprint>/begun    its token, and which generations its outputs may replace
                     <token>/<family>-<task>  the manifest of a finished task
                     <token>/published/<family>  what was published, once it was
                     internal/        streams between phases, a database

Files of a job outlive a run that was killed: a later run with the same fingerprint
goes on with them, and so does one that runs at the same time. The first run to end the
job removes them, the token before the rest. A job whose rows leave the
graph has its files in its run, below ``.work/runs/<run>/jobs/``: every run computes these
rows, and no other run may remove what they are computed from.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from beam_scanner.errors import StorageError
from beam_scanner.storage.sealed_files import is_sealed, read_sealed, seal, unseal
from beam_scanner.storage.stream_names import DESCRIPTOR, JOBS, RUNS
from beam_scanner.stores.object_store import SCRATCH, ObjectStore

BEGUN = "begun"
_PUBLISHED = "published"

Manifest = dict[str, Any]
_MANIFEST_FIELDS = {"run", "outputs", "trace"}
_TOKEN = re.compile(rb"[A-Za-z0-9_-]{1,64}")


class JobFiles:
    """Files of one job, found by its fingerprint.

    Args:
        store: The database.
        fingerprint: The job's.
        token: What :meth:`begin` returned, where that was called elsewhere.
        run: The only run that uses them; '' where runs of equal jobs share them.
    """

    def __init__(
        self, store: ObjectStore, fingerprint: str, token: str = "", run: str = ""
    ) -> None:
        self._store = store
        # A manifest that a power failure swallows or empties costs a task, while
        # flushing each to the disk would cost every small stream.
        self._manifests = store.relaxed()
        above = f"{RUNS}{run}/jobs/" if run else JOBS
        self._root = f"{above}{fingerprint}"
        self._begun = f"{self._root}/{BEGUN}"
        self._shared = not run
        self._token = token

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
            # Nobody can resume a job whose token is damaged.
            token = (None if data is None else _token(data)) or new
            if data is not None and token != new and is_spent(token):
                self._remove(data)
                continue
            mine = _begun(token, seen)
            if data == mine or self._store.put_if(self._begun, mine, data):
                self._token = token
                return token

    def is_over(self) -> bool:
        """Whether another run has ended the job and removed its files."""
        return self._shared and self.token() != self._token

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
        return found if place == [self._token, family, task] else None

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
        data = seal({**manifest, "place": [self._token, family, task]})
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

    def put_published(self, family: int, notes: Sequence[Any]) -> None:
        """Notes that the outputs of a family were published, for stages that run again.

        Args:
            family: Which.
            notes: JSON-able, one for each output.
        """
        data = seal({"family": family, "told": list(notes)})
        self._manifests.put(f"{self._folder()}{_PUBLISHED}/{family}", data)

    def published(self, family: int) -> list[Any] | None:
        """What was noted of a family; None if it was not published yet."""
        key = f"{self._folder()}{_PUBLISHED}/{family}"
        # A note that is damaged counts as none: publishing again changes nothing.
        with suppress(StorageError):
            return list(read_sealed(self._store, key, ["family", "told"])["told"])
        return None

    def published_under(self, token: str) -> set[str]:
        """The fingerprints of what was published under a token, as far as noted."""
        found: set[str] = set()
        for key in self._store.list(f"{self._root}/{token}/{_PUBLISHED}/"):
            with suppress(StorageError):
                notes = read_sealed(self._store, key, ["family", "told"])["told"]
                found.update(note[1] for note in notes if note)
        return found

    def remove(self, seen: Sequence[str] | None = None) -> bool:
        """Removes all files of the job, unless another run has begun it again.

        Args:
            seen: Only if no other run has taken the job over since it was begun with
                this; see :meth:`begin`.

        Returns:
            Whether it did.
        """
        data = self._store.try_read(self._begun)
        if data is None or (self._token and _token(data) != self._token):
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
        remove_scratch(self._store, self.internal)
        return True

    def _folder(self) -> str:
        # What a run left that was killed as it removed a job's files must not count.
        assert self._token, "begin() sets the token"
        return f"{self._root}/{self._token}/"

    def _key(self, family: int, task: int) -> str:
        return f"{self._folder()}{family}-{task:08d}"


def _begun(token: str, seen: Sequence[str]) -> bytes:
    return "\n".join([token, *seen]).encode()


def _token(begun: bytes) -> str | None:
    """The token in a file; None where it is damaged."""
    token = begun.partition(b"\n")[0]
    return token.decode() if _TOKEN.fullmatch(token) else None


def internal_of(key: str) -> str:
    """Key of the database of streams between phases that a file is in; '' if in none."""
    folder, found, _ = key.partition("/internal/")
    return f"{folder}/internal" if found else ""


def remove_scratch(store: ObjectStore, database: str) -> None:
    """Removes the empty folder of temporary files that a database leaves."""
    store.delete(f"{database}/{SCRATCH}none")


def unfinished_jobs(store: ObjectStore) -> Iterator[tuple[str, str]]:
    """(fingerprint, token) of jobs that were begun, not finished, and can go on."""
    return _begun_jobs(store, JOBS, 3)


def unfinished_tokens(store: ObjectStore) -> Iterator[str]:
    """Tokens of jobs that were begun and not finished: their segments are needed."""
    yield from (token for _, token in unfinished_jobs(store))
    yield from (token for _, token in _begun_jobs(store, RUNS, 5))


def _begun_jobs(
    store: ObjectStore, folder: str, depth: int
) -> Iterator[tuple[str, str]]:
    for key in begun_keys(store, folder, depth):
        data = store.try_read(key)
        token = None if data is None else _token(data)
        if token is not None:
            yield key.split("/")[-2], token


def begun_keys(store: ObjectStore, folder: str, depth: int) -> Iterator[str]:
    """Keys of the files of tokens that lie so many folders deep."""
    for key in store.list(folder):
        if key.count("/") == depth and key.endswith(f"/{BEGUN}"):
            yield key
