"""Processes that drive runs, after the program that has started them has ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from beam_scanner import Client, NamedStream
from beam_scanner.errors import JobCancelled, WorkerError
from beam_scanner.run.active_runs import find_active
from tests.run.test_numbered_runs import left, soon
from tests.support import slow_runs
from tests.support.client_helpers import open_client
from tests.support.slow_runs import GO, ROWS, SLEEP, processes, start

pytestmark = pytest.mark.slow


@pytest.fixture
def started(tmp_path: Path) -> tuple[Client, int]:
    """A client, and the id of a run that another program has started, with workers."""
    db = str(tmp_path / "db")
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    printed = subprocess.run(
        [sys.executable, slow_runs.__file__, db, str(tmp_path)],
        # Whoever reads what the program prints must not wait for the run.
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, **path},
    )
    return open_client(db), int(printed.stdout)


def driver(sc: Client, job: int) -> int:
    run = find_active(sc.named_storage.store(), job)
    assert run is not None
    return int(run.worker.rpartition(":")[2])


def test_it_goes_on_without_the_program(
    started: tuple[Client, int], tmp_path: Path
) -> None:
    sc, job = started
    assert sc.get_active_jobs() == [job]
    process = driver(sc, job)
    assert os.getsid(process) == process
    statuses = sc.wait_on_job_gen(job)
    assert soon(lambda: next(statuses).tasks_done)
    (tmp_path / GO).touch()
    assert list(statuses)[-1].jobs_done == 2
    assert list(NamedStream(sc, "out b").load()) == [2 * row for row in range(ROWS)]
    soon(lambda: not Path(f"/proc/{process}").exists() and not processes(tmp_path))
    assert left(sc) == []
    log = Path(sc.db_path) / ".work/logs/00000001.txt"
    assert log.read_text() == ""


def test_workers_are_gone_when_it_is_cancelled(
    started: tuple[Client, int], tmp_path: Path
) -> None:
    sc, job = started
    statuses = sc.wait_on_job_gen(job)
    assert soon(lambda: next(statuses).tasks_done)
    (tmp_path / SLEEP).touch()
    sc.cancel(job)
    assert processes(tmp_path) == []
    with pytest.raises(JobCancelled):
        list(statuses)
    (tmp_path / GO).touch()
    assert start(sc, tmp_path) == job + 1
    assert sc.report(job + 1).reused
    assert left(sc) == []


def test_it_is_told_of_when_it_was_killed(
    started: tuple[Client, int], tmp_path: Path
) -> None:
    sc, job = started
    statuses = sc.wait_on_job_gen(job)
    assert soon(lambda: next(statuses).tasks_done)
    process = driver(sc, job)
    os.kill(process, signal.SIGKILL)
    with pytest.raises(WorkerError, match=re.escape(f":{process} was killed")):
        list(statuses)
    assert sc.get_active_jobs() == []
    soon(lambda: not processes(tmp_path))
    (tmp_path / GO).touch()
    assert start(sc, tmp_path) == job + 1
    assert sc.report(job + 1).reused
    # It is known for what it was also when the next run has tidied up.
    with pytest.raises(WorkerError, match="was killed"):
        sc.wait_on_job(job)
    assert left(sc) == []
