"""Runs that are going on, by their numbers: what other processes can know of them.

::

    .work/active/<number>/run      which run it is, and where it is driven
                          driver   shows that its driver lives; see ``liveness``

A run takes its number when it begins. When it has ended, its profile, which says how,
takes the place of these files. If there is neither, or the driver has died, nobody goes
on with the run; the next run notes so in its profile.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from beam_scanner.errors import GO_ON, StorageError, WorkerError
from beam_scanner.measure.spans import spans_here
from beam_scanner.run.liveness import Life, LifeWatch
from beam_scanner.run.profiler import (
    active_key,
    has_profile,
    profile_ids,
    store_death,
    store_profile,
)
from beam_scanner.storage.sealed_files import read_sealed, seal
from beam_scanner.storage.stream_names import ACTIVE
from beam_scanner.stores.object_store import ObjectNotFoundError, ObjectStore

if TYPE_CHECKING:
    from beam_scanner.run.report import Report

BEING_SUBMITTED = "that is being submitted"
"""Stands for the name of a job that has none yet."""

_OVER = ("FAILED", "CANCELLED", "DONE", "UPDATED", "DRAINED")
_ASK_SECONDS = 5.0
_BEGIN_SECONDS = 5.0
_FIELDS = ("run", "jobs", "started", "worker", "raises", "log", "service")


@dataclass(frozen=True)
class ActiveRun:
    """A run that has begun, and not ended as it should.

    Attributes:
        run: Its name in storage.
        jobs: How many streams it is to make.
        raises: Whether who waits for it is told of failures by an exception.
        log: Where what its processes print is, for a run of its own process.
        service: The Beam job that goes on without a driver, if it is one; see
            ``beam_internals.job_states``.
        started: When it began, in seconds since 1970.
        worker: Machine and process of its driver.
        number: The run's.
    """

    run: str
    jobs: int
    raises: bool = True
    log: str = ""
    service: Mapping[str, str] = field(default_factory=dict)
    started: float = field(default_factory=time.time)
    worker: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    number: int = 0

    @property
    def life(self) -> str:
        """Key of the file that shows that its driver lives."""
        return f"{ACTIVE}{self.number:08d}/driver"

    @property
    def _key(self) -> str:
        return active_key(self.number)

    def numbered(self, store: ObjectStore) -> ActiveRun:
        """The run with a number of its own, from now on known to others."""
        store = store.relaxed()
        known = [*profile_ids(store), *_numbers(store)]
        made = replace(self, number=max(known, default=0) + 1)
        while True:
            if store.put_if_absent(made._key, made._data()):
                # A run that has ended since has left its profile first.
                if not has_profile(store, made.number):
                    return made
                store.delete(made._key)
            made = replace(made, number=made.number + 1)

    def put(self, store: ObjectStore) -> None:
        """Stores what has changed."""
        store.relaxed().put(self._key, self._data())

    def remove(self, store: ObjectStore) -> None:
        """Removes its files: its profile is there."""
        store.delete(self.life)
        store.delete(self._key)

    def _data(self) -> bytes:
        values = asdict(self)
        return seal({name: values[name] for name in _FIELDS})


def find_active(store: ObjectStore, number: int) -> ActiveRun | None:
    """The run of a number, alive or dead; None if it has not begun, or has ended."""
    try:
        found = read_sealed(store, active_key(number), _FIELDS)
    except ObjectNotFoundError:
        return None
    return ActiveRun(**{name: found[name] for name in _FIELDS}, number=number)


def active_runs(store: ObjectStore) -> Iterator[ActiveRun]:
    """All runs that have begun and not ended as they should, alive or dead."""
    for number in _numbers(store):
        try:
            found = find_active(store, number)
        except StorageError:
            # A damaged file is of no run that could be followed.
            continue
        if found is not None:
            yield found


def end_active(
    store: ObjectStore,
    run: ActiveRun,
    report: Report,
    life: Life | None = None,
    error: BaseException | None = None,
) -> None:
    """Ends a run: its profile takes the place of its files.

    Args:
        store: The database.
        run: The run.
        report: How it went.
        life: Of its driver.
        error: What has ended it before its time.
    """
    if life is not None:
        life.hush()
    report.number = run.number
    report.seconds = max(report.seconds, time.time() - run.started)
    report.spans += [["Driver", *each] for each in spans_here()]
    store_profile(store, report, run.raises, error)
    run.remove(store)


def bury_dead(store: ObjectStore) -> None:
    """Notes in its profile that a run has died, for all that have."""
    for run in list(active_runs(store)):
        watch = RunWatch(store, run, waits=False)
        if watch.is_dead():
            store_death(store, run.number, watch.death())
        if has_profile(store, run.number):
            run.remove(store)


def _numbers(store: ObjectStore) -> list[int]:
    names = {key.split("/")[2] for key in store.list(ACTIVE)}
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


class RunWatch:
    """Watches whether a run goes on.

    Args:
        store: The database.
        run: The run.
        waits: See :class:`~beam_scanner.run.liveness.LifeWatch`.
    """

    def __init__(self, store: ObjectStore, run: ActiveRun, waits: bool) -> None:
        self._store = store
        self._run = run
        self._life = LifeWatch(store, run.life, waits)
        self._looked = (0.0, "")

    def is_dead(self) -> bool:
        """Whether nobody goes on with it, although it has not ended."""
        service = self._run.service
        # While it is submitted, the program that does so has it.
        is_submitted = bool(service) and service["job"] != BEING_SUBMITTED
        over = self._state() in _OVER if is_submitted else self._life.is_dead()
        return over and self._is_there()

    def death(self) -> WorkerError:
        """The error that says how it died."""
        run = self._run
        how = f"its process {run.worker} was killed, or its machine stopped"
        if run.service:
            how = f"its job {run.service['job']} is {self._state()}, and says no more"
        elif run.log:
            how += f" (what it has printed is in {run.log!r})"
        return WorkerError(f"run {run.number} has died: {how}. {GO_ON}")

    def _state(self) -> str:
        """The state of its job, asked now and then; '' if nobody can tell."""
        # It asks Beam, which takes seconds to load.
        from beam_scanner.beam_internals.job_states import job_state

        when, state = self._looked
        if not when or time.monotonic() > when + _ASK_SECONDS:
            state = job_state(self._run.service)
            self._looked = (time.monotonic(), state)
        return state

    def _is_there(self) -> bool:
        """Whether it has not ended since, nor begun just now."""
        run = self._run
        if has_profile(self._store, run.number):
            return False
        begins = time.time() < run.started + _BEGIN_SECONDS
        return not begins or bool(run.service) or self._store.exists(run.life)
