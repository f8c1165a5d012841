"""A run in a worker: its jobs, when it stops, and who shares what of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import Failure, StorageError
from beam_scanner.run import worker_run as runs
from beam_scanner.run.job import JobRecord
from beam_scanner.run.run_files import RunFiles
from beam_scanner.run.run_settings import RunSettings
from beam_scanner.run.shared_graph import SharedGraph
from beam_scanner.run.worker_run import (
    Run,
    StoredRun,
    close_runs,
    process_token,
    run_of,
)
from beam_scanner.stores.local_store import LocalStore

EMPTY = SharedGraph((), ())


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close_runs()


def run(folder: Path, **settings: Any) -> Run:
    store = LocalStore(folder)
    return Run(
        store,
        RunFiles(store, "run"),
        replace(RunSettings(EMPTY), **settings),
        lambda job: JobRecord(f"job {job}", [], f"f{job}", ("g",), token="t"),
    )


def stored(folder: Path, name: str = "run", jobs: int = 1) -> StoredRun:
    store = LocalStore(folder)
    records = [JobRecord(str(n), [], f"f{n}", ("g",)) for n in range(jobs)]
    digest = RunFiles(store, name).write(RunSettings(EMPTY, work_packet=3), records)
    return StoredRun(store.url, name, digest)


def test_a_run_without_a_limit_never_stops(tmp_path: Path) -> None:
    one = run(tmp_path)
    one.files.mark_failed("0", Failure("a", "why"))
    assert one.stop_reason() == ""


def test_a_run_stops_when_more_have_failed_than_may(tmp_path: Path) -> None:
    one = run(tmp_path, max_failures=2, jobs=9, failed=1)
    one.files.mark_failed("0", Failure("a", "why"))
    assert one.stop_reason() == ""
    # What this process has found itself is counted at once.
    one.files.mark_failed("1", Failure("b", "why"))
    reason = one.stop_reason()
    assert reason.startswith("not run: stopped after 3 of 9 streams failed")
    one.files.forget_failed("1")
    assert one.stop_reason() == reason


def test_a_stop_by_another_process_is_seen_within_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    one = run(tmp_path, max_failures=2)
    assert one.stop_reason() == ""
    RunFiles(LocalStore(tmp_path), "run").stop(7)
    now[0] += 0.9
    assert one.stop_reason() == ""
    now[0] += 0.2
    assert "stopped after 7 streams failed" in one.stop_reason()


def test_a_storage_that_is_away_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = run(tmp_path, numbered=True)

    def away(files: RunFiles) -> None:
        raise StorageError("away")

    with monkeypatch.context() as patch:
        patch.setattr(RunFiles, "stopped_at", away)
        assert one.stop_reason(now=True) == ""
        assert not one.is_cancelled()
    one.files.cancel()
    assert one.stop_reason(now=True)
    assert one.is_cancelled()


def test_a_job_is_one_object_until_many_others_were_asked_for(tmp_path: Path) -> None:
    one = run(tmp_path)
    first = one.job(0)
    assert first.record.name == "job 0"
    assert one.job(0) is first
    for number in range(1, runs._JOBS_KEPT + 1):
        one.job(number)
    assert one.job(0) is not first
    last = one.job(runs._JOBS_KEPT)
    assert one.job(runs._JOBS_KEPT) is last


def test_a_stored_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    source = stored(tmp_path, jobs=3)
    opened = source.open()
    assert opened.settings.work_packet == 3
    assert [opened.job(n).record.name for n in range(3)] == ["0", "1", "2"]
    assert source.homes() == [source.db]
    assert source.of_phase(1) is source


def test_a_process_opens_a_run_once_and_closes_it_alone(tmp_path: Path) -> None:
    one, two = stored(tmp_path, "one"), stored(tmp_path, "two")
    opened, other = run_of(one), run_of(two)
    assert run_of(one) is opened
    close_runs("one")
    assert run_of(one) is not opened
    assert run_of(two) is other
    close_runs()
    assert run_of(two) is not other


class OtherPart:
    """The same run, with the kernels of another phase."""

    def __init__(self, source: StoredRun) -> None:
        self.run, self.part, self.open = source.run, "phase 1", source.open


def test_parts_of_a_run_count_failures_together(tmp_path: Path) -> None:
    source = stored(tmp_path)
    one = run_of(source)
    two = run_of(OtherPart(source))  # type: ignore[arg-type]
    assert two is not one
    assert two.files is one.files


def test_a_fork_has_a_token_of_its_own() -> None:
    mine = process_token()
    assert process_token() == mine
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, process_token().encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, "rb") as file:
        theirs = file.read().decode()
    assert len(theirs) == len(mine) == 32
    assert theirs != mine
