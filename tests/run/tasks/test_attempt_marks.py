"""Marks of attempts: those of workers that died are found by whoever comes next."""

from __future__ import annotations

import multiprocessing
import os
import socket
from pathlib import Path

import pytest

from beam_scanner.run.run_files import RunFiles
from beam_scanner.run.tasks import attempt_marks
from beam_scanner.run.tasks.attempt_marks import Attempts
from beam_scanner.run.tasks.stage_elements import TaskId
from beam_scanner.storage.sealed_files import seal
from beam_scanner.stores.local_store import LocalStore


def attempts(folder: Path, task: int = 0) -> Attempts:
    files = RunFiles(LocalStore(folder), "run")
    return Attempts(files, "mark", "film", TaskId("job", 1, task, 3, ((0, 4),)))


def mark(folder: Path, name: str, **changes: object) -> None:
    process = os.getpid()
    whole = {
        "stream": "film",
        "task": 0,
        "worker": f"{socket.gethostname()}:{process}",
        "started": 1.0,
        "alone": False,
        "born": attempt_marks._born(process),
    }
    store, marks = RunFiles(LocalStore(folder), "run").attempts_of("mark-1-0")
    store.put(f"{marks}{name}", seal(whole | changes))


def test_an_attempt_that_ends_by_itself_leaves_nothing(tmp_path: Path) -> None:
    one = attempts(tmp_path)
    with one.marked(alone=False):
        assert len(list(LocalStore(tmp_path).list(".work/runs/run/attempts/"))) == 1
    with pytest.raises(ZeroDivisionError), one.marked(alone=False):
        raise ZeroDivisionError
    assert one.lost() == []
    assert list(LocalStore(tmp_path).list(".work/runs/run/attempts/")) == []


def test_an_attempt_of_a_living_worker_is_not_lost(tmp_path: Path) -> None:
    with attempts(tmp_path).marked(alone=True):
        assert attempts(tmp_path).lost() == []
        # Nor does another who has ended the task forget it.
        attempts(tmp_path).forget()
        assert len(list(LocalStore(tmp_path).list(".work/runs/run/attempts/"))) == 1


def _dies(folder: Path) -> None:
    with attempts(folder).marked(alone=True):
        os._exit(1)


@pytest.mark.processes
def test_an_attempt_whose_worker_died_is_lost_until_it_is_forgotten(
    tmp_path: Path,
) -> None:
    child = multiprocessing.get_context("fork").Process(target=_dies, args=[tmp_path])
    child.start()
    child.join(30)
    (lost,) = attempts(tmp_path).lost()
    assert lost.worker == f"{socket.gethostname()}:{child.pid}"
    assert lost.alone
    assert attempts(tmp_path, task=1).lost() == []
    attempts(tmp_path).forget()
    assert attempts(tmp_path).lost() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"worker": "another-machine:1"},
        {"worker": f"{socket.gethostname()}:{2**22 + 1}"},
        # The number of a process that died is used again.
        {"born": "another boot 1"},
        {"born": ""},
    ],
)
def test_who_is_not_surely_alive_counts_as_dead(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    mark(tmp_path, "living")
    assert attempts(tmp_path).lost() == []
    mark(tmp_path, "dead", **changes)
    assert len(attempts(tmp_path).lost()) == 1


def test_who_was_killed_with_another_is_not_to_blame(tmp_path: Path) -> None:
    host = socket.gethostname()
    for name, worker in (("a", f"{host}:1"), ("b", f"{host}:2"), ("c", "else:2")):
        mark(tmp_path, name, worker=worker, born="another boot 1")
    attempt_marks.forget_killed(RunFiles(LocalStore(tmp_path), "run"), [2, 3])
    lost = attempts(tmp_path).lost()
    assert sorted(each.worker for each in lost) == ["else:2", f"{host}:1"]


def test_lost_attempts_come_in_the_order_of_their_beginning(tmp_path: Path) -> None:
    for name, started in (("a", 3.0), ("b", 1.0), ("c", 2.0)):
        mark(tmp_path, name, worker="elsewhere:1", started=started)
    assert [lost.started for lost in attempts(tmp_path).lost()] == [1.0, 2.0, 3.0]
