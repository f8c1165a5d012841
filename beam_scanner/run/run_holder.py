"""A process of its own that drives a run, and goes on when the program ends.

The program has checked the run and written it to storage, as for workers; what it hands
over is where. The process has its own session, so that no terminal ends it, finds
modules where the program does, and prints into a file. The locks that show that a
driver lives go over to it, so at no moment is the run without one.
"""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from beam_scanner.forks import fork_client
from beam_scanner.measure.spans import Recorder, spans_here
from beam_scanner.run.active_runs import ActiveRun, end_active
from beam_scanner.run.launch import Course, drive
from beam_scanner.run.liveness import adopted
from beam_scanner.run.report import Report
from beam_scanner.run.sent_file_systems import WithOptions, unpack_file_systems
from beam_scanner.run.worker_run import StoredRun
from beam_scanner.runners.local import worker
from beam_scanner.storage.writer_marks import keep_locked
from beam_scanner.stores.open import open_store

_PROGRAM = "from beam_scanner.run.run_holder import main; main()"
_NO_FILE = -1


@dataclass(frozen=True)
class Handover:
    """A run, for the process that takes it to its end; what is large is in storage.

    Attributes:
        active: Its number, and what others know of it.
        source: Where it is written.
        report: What is known of it.
        small: See ``Course``.
        interrupted: See ``Course``.
        options: The user's Beam options.
        file_systems: Those that its database may need.
    """

    active: ActiveRun
    source: StoredRun
    report: Report
    small: bool
    interrupted: bool
    options: Any
    file_systems: bytes

    @classmethod
    def of(cls, course: Course, active: ActiveRun, options: Any) -> Handover:
        """What is to be handed over of a run that was written."""
        course.report.spans += [["Driver", *each] for each in spans_here()]
        return cls(
            active,
            course.source,
            course.report,
            course.small,
            course.interrupted,
            options,
            course.settings.file_systems,
        )

    def course(self) -> Course:
        """The run, as it stands in storage."""
        return Course.read(
            self.source,
            self.report,
            small=self.small,
            interrupted=self.interrupted,
        )


def start_holder(handover: Handover, log: str, locks: Sequence[int | None]) -> int:
    """Starts a process that drives a run; gives its id.

    Args:
        handover: The run.
        log: The file that it prints into.
        locks: Descriptors of its two locks: that it goes on, and that its files are
            needed. None where there is none.
    """
    level = logging.getLogger().getEffectiveLevel()
    data = os.memfd_create("run")
    try:
        with open(data, "wb", closefd=False) as file:
            pickle.dump((level, WithOptions(handover)), file)
        files = [data, *(_NO_FILE if lock is None else lock for lock in locks)]
        os.makedirs(os.path.dirname(log), exist_ok=True)
        with open(log, "ab") as printed:
            process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, *map(str, files)],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                env=fork_client.worker_variables(),
                cwd=fork_client.working_folder(),
                pass_fds=[file for file in files if file != _NO_FILE],
                start_new_session=True,
            )
    finally:
        os.close(data)
    # Nobody else takes note of its end while this program lives.
    threading.Thread(target=process.wait, name="detached run", daemon=True).start()
    return process.pid


def main() -> None:
    """Drives the run that this process was given."""
    data, life, lock = map(int, sys.argv[1:])
    held = None
    if lock != _NO_FILE:
        # Until this process ends.
        os.set_inheritable(lock, False)
        held = keep_locked(os.fdopen(lock, "wb"))
    with open(data, "rb") as file:
        level, packed = pickle.loads(os.pread(data, os.fstat(file.fileno()).st_size, 0))
    worker.log_to_stderr(level)
    handover: Handover = packed.take()
    unpack_file_systems(handover.file_systems)
    try:
        _drive(handover, None if life == _NO_FILE else life)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    # The workers have gone; Python would take apart all that was imported.
    del held
    worker.leave()


def _drive(handover: Handover, lock: int | None) -> None:
    store = open_store(handover.source.db)
    life = adopted(store, handover.active.life, lock)
    report = handover.report
    with Recorder().recording():
        try:
            drive(handover.course(), handover.options, show_progress=False)
        except BaseException as error:
            end_active(store, handover.active, report, life, error)
            raise
        else:
            end_active(store, handover.active, report, life)
        finally:
            life.leave()
