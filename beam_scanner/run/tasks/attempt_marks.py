"""Attempts at a task, counted where the death of a worker does not end the count.

Before an attempt begins it leaves a mark in storage, and removes it when it ends by
itself, well or not. So a mark that is found when a task comes again is that of a worker
that died while it ran the task.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beam_scanner.run.run_files import RunFiles
from beam_scanner.run.tasks.stage_elements import TaskId
from beam_scanner.storage.sealed_files import read_sealed, seal
from beam_scanner.stores.object_store import ObjectNotFoundError, ObjectStore

_FIELDS = ("worker", "started", "alone")


@dataclass(frozen=True)
class Lost:
    """An attempt whose worker died.

    Attributes:
        worker: ``'host:pid'``.
        started: In seconds since 1970.
        alone: Whether the worker ran no other task.
    """

    worker: str
    started: float
    alone: bool


class Attempts:
    """Marks of the attempts at one task.

    Args:
        files: Of the run.
        mark: Of the job.
        stream: Its name, for people.
        task: The task.
    """

    def __init__(self, files: RunFiles, mark: str, stream: str, task: TaskId) -> None:
        key = f"{mark}-{task.family}-{task.task}"
        self._store, self._folder = files.attempts_of(key)
        self._stream = stream
        self._number = task.task

    def lost(self) -> list[Lost]:
        """Attempts that ended with their worker, in order."""
        found = [
            Lost(mark["worker"], mark["started"], mark["alone"])
            for mark in self._marks().values()
            if not _is_alive(mark)
        ]
        return sorted(found, key=lambda lost: lost.started)

    @contextmanager
    def marked(self, alone: bool) -> Iterator[None]:
        """Leaves a mark while open.

        Args:
            alone: Whether the worker runs no other task meanwhile.
        """
        key = f"{self._folder}{uuid.uuid4().hex[:12]}"
        process = os.getpid()
        mark = {
            "stream": self._stream,
            "task": self._number,
            "worker": f"{socket.gethostname()}:{process}",
            "started": time.time(),
            "alone": alone,
            "born": _born(process),
        }
        self._store.put(key, seal(mark))
        try:
            yield
        finally:
            self._store.delete(key)

    def forget(self) -> None:
        """Removes the marks of a task that has ended."""
        for key, mark in self._marks().items():
            if not _is_alive(mark):
                self._store.delete(key)

    def _marks(self) -> dict[str, dict[str, Any]]:
        """Marks of attempts that have begun and not ended, by key."""
        return _read_marks(self._store, self._folder)


def forget_killed(files: RunFiles, workers: Collection[int]) -> None:
    """Removes the marks of attempts whose worker did not die of them.

    When a worker of a local run dies the others end too, in the middle of their tasks,
    which are not to be blamed.

    Args:
        files: Of the run.
        workers: Process ids of those workers, all on this machine.
    """
    store, folder = files.attempts_of()
    killed = {f"{socket.gethostname()}:{process}" for process in workers}
    for key, mark in _read_marks(store, folder).items():
        if mark["worker"] in killed:
            store.delete(key)


def _read_marks(store: ObjectStore, folder: str) -> dict[str, dict[str, Any]]:
    found = {}
    for key in store.list(folder):
        with suppress(ObjectNotFoundError):
            found[key] = read_sealed(store, key, _FIELDS)
    return found


def _born(process: int) -> str:
    """When a process began, since its number may be used again; '' if it is gone."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(errors="replace")
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else f"{_boot()} {fields[18]}"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _is_alive(mark: dict[str, Any]) -> bool:
    """Whether a worker runs the attempt still, as a copy of the task does.

    Of those on other machines nothing is known: they count as dead.
    """
    host, _, process = mark["worker"].rpartition(":")
    if host != socket.gethostname():
        return False
    born = _born(int(process))
    return born != "" and born == str(mark["born"])
