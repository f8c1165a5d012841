"""Runs with a number, by which any process can follow and cancel them.

A run is driven by the process that has called for it, or, detached, by one that goes on
without it: a process of its own, where workers are this machine's; else the job itself,
whose last step does what a driver does at the end.
"""

from __future__ import annotations

import os
import socket
import tempfile
import uuid
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO

from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions

from beam_scanner.beam_internals.job_states import describe_job
from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    GraphError,
    MissingDependencyError,
    StorageError,
)
from beam_scanner.run.active_runs import (
    BEING_SUBMITTED,
    ActiveRun,
    bury_dead,
    end_active,
)
from beam_scanner.run.end_detached import EndDetached
from beam_scanner.run.launch import Course, execute, submit
from beam_scanner.run.liveness import Life
from beam_scanner.run.options import Limits
from beam_scanner.run.prepare import Prepared
from beam_scanner.run.profiler import has_profile, log_key
from beam_scanner.run.report import Report
from beam_scanner.run.run_holder import Handover, start_holder
from beam_scanner.runners.start import ends_with_us
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.stores.object_store import ObjectStore

_REFUSED = (ArgumentError, ElementTypeError, GraphError, MissingDependencyError)
"""Nothing has begun where one of these is raised."""


def run_numbered(
    prepared: Prepared,
    storage: NamedStorage,
    options: PipelineOptions,
    *,
    show_progress: bool,
    max_failures: float | None,
    limits: Limits,
    detach: bool,
    raises: bool,
) -> Report:
    """Runs a prepared run under a number, and keeps its profile.

    Args:
        prepared: What to run.
        storage: The database.
        options: The user's Beam options.
        show_progress: Whether to draw a progress bar.
        max_failures: See ``Client.run``.
        limits: Of each task.
        detach: Return as soon as another process, or the runner, has the run.
        raises: Whether who waits for it is told of failures by an exception.

    Returns:
        How it went; with ``detach`` what is known already.

    Raises:
        ArgumentError: A kernel or an argument cannot be sent to workers.
        WorkerError: The pipeline could not be run; finished tasks are kept.
    """
    store = storage.store(create=True)
    bury_dead(store)
    active = ActiveRun(uuid.uuid4().hex, prepared.total, raises).numbered(store)
    detached = _Detached(store, active, options) if detach else None
    life = Life(store, active.life)
    try:
        report = execute(
            prepared,
            storage,
            options,
            show_progress,
            max_failures,
            limits,
            active.run,
            partial(detached.hand_over, life=life) if detached else None,
        )
    except _REFUSED:
        life.hush()
        active.remove(store)
        raise
    except BaseException as error:
        if detached is None or not detached.has_gone:
            end_active(store, active, Report(), life, error)
        raise
    else:
        if detached is None or not detached.has_gone:
            end_active(store, active, report, life)
    finally:
        life.leave()
    report.number = active.number
    return report


class _Detached:
    """Gives a run to whoever goes on with it.

    Args:
        store: The database.
        active: The run.
        options: The user's Beam options.

    Attributes:
        has_gone: Whether somebody has it.
    """

    def __init__(
        self, store: ObjectStore, active: ActiveRun, options: PipelineOptions
    ) -> None:
        self._store = store
        self._active = active
        self._options = options
        self.has_gone = False

    def hand_over(self, course: Course, lock: BinaryIO | None, life: Life) -> None:
        """Hands it over; see ``launch.HandOver``."""
        if ends_with_us(self._options):
            self._start_process(course, lock, life)
        else:
            self._submit(course)

    def _start_process(self, course: Course, lock: BinaryIO | None, life: Life) -> None:
        log = self._store.local_path(log_key(self._active.number))
        log = log or os.path.join(
            tempfile.gettempdir(), f"beam_scanner-{self._active.run}.txt"
        )
        active = replace(self._active, log=log)
        handover = Handover.of(course, active, self._options)
        process = start_holder(
            handover, log, [life.lock, lock.fileno() if lock else None]
        )
        self._gone(course)
        worker = f"{socket.gethostname()}:{process}"
        # Its driver has it: without this, others only know this process in its place.
        with suppress(StorageError):
            self._tell(replace(active, worker=worker))

    def _submit(self, course: Course) -> None:
        service: dict[str, Any] = {"job": BEING_SUBMITTED, "endpoint": ""}
        active = replace(self._active, service=service)
        active.put(self._store)
        handover = Handover.of(course, active, None)
        result = submit(course, self._options, EndDetached.of(handover))
        self._gone(course)
        endpoint = self._options.view_as(PortableOptions).job_endpoint
        with suppress(StorageError):
            self._tell(replace(active, service=describe_job(result, endpoint)))

    def _tell(self, active: ActiveRun) -> None:
        """Stores who goes on with it."""
        active.put(self._store)
        if has_profile(self._store, active.number):
            # It has ended meanwhile, and taken its files away.
            active.remove(self._store)

    def _gone(self, course: Course) -> None:
        self.has_gone = course.handed_over = True
