"""Tasks of several short streams: the same as those of one, and as safe."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.job import Job
from beam_scanner.run.options import Limits
from beam_scanner.run.run_files import remove_garbage
from beam_scanner.run.tasks import merged_attempt
from beam_scanner.run.tasks.task_outputs import put_manifest
from beam_scanner.stores.local_store import LocalStore
from tests.support.client_helpers import PROCESSES
from tests.support.short_runs import LENGTHS, Model, Shorts, alone
from tests.support.small_runs import contents
from tests.support.staged import Killed, Steps, without_beam
from tests.support.stored_graphs import check_files, check_work

JOBS = range(len(LENGTHS))


@pytest.fixture
def shorts(tmp_path: Path) -> Shorts:
    made = Shorts.make(tmp_path / "db")
    made.model = Model(notes=str(tmp_path / "calls"))
    return made


def sizes(shorts: Shorts) -> list[int]:
    """Rows of each call of the model."""
    return [int(line) for line in Path(shorts.model.notes).read_text().split()]


def test_batches_are_full_and_files_are_the_same(
    shorts: Shorts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_beam(monkeypatch)
    report = shorts.run()
    assert (len(report.committed), report.tasks) == (len(JOBS), 7)
    for job in JOBS:
        shorts.check(job)
    together = sizes(shorts)
    assert sum(together) == sum(LENGTHS)
    with monkeypatch.context() as patch:
        alone(patch)
        other = Shorts.make(tmp_path / "alone")
        other.model = Model(notes=str(tmp_path / "calls alone"))
        other_report = other.run()
    assert sorted(together) == [2, 4, 7, 8, 8]
    assert sorted(sizes(other)) == [1, 2, 2, 3, 4, 4, 5, 8]
    assert report.counters["rows_written"] == other_report.counters["rows_written"]
    assert report.counters["op:Infer:calls"] == len(together)
    for mine, its in zip(shorts.streams(), other.streams(), strict=True):
        assert contents(mine) == contents(its)
        check_files(mine)
    check_work(shorts.storage)


def check_all_but(shorts: Shorts, *bad: int) -> None:
    """All jobs are committed but some, of which nothing is."""
    for job in JOBS:
        if job not in bad:
            shorts.check(job)
        kinds = ("doubled", "sums")
        there = [shorts.output(kind, job).committed() for kind in kinds]
        assert there == [job not in bad] * 2


def test_a_model_that_raises_costs_one_stream(
    shorts: Shorts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    without_beam(monkeypatch)
    shorts.model.at, shorts.model.how = 401, "raise"
    report = shorts.run()
    (failure,) = report.failures
    assert (failure.stream, failure.op, failure.row) == ("doubled/4", "Infer", 0)
    assert (failure.attempts, failure.task) == (Limits().attempts, 0)
    check_all_but(shorts, 4)
    (said,) = [r.getMessage() for r in caplog.records if "one by one" in r.getMessage()]
    assert "3 streams" in said
    assert "doubled/3, doubled/4, doubled/5" in said
    assert "told to fail" in said
    # The attempt at all three, then each by itself: nothing is tried together again.
    assert sizes(shorts).count(7) == 1
    shorts.model.mended.touch()
    # A file that a model names counts by its content.
    Path(shorts.model.notes).unlink()
    again = shorts.run(CacheMode.Ignore)
    assert (len(again.cached), again.committed) == (len(JOBS) - 1, ["doubled/4"])
    check_all_but(shorts)
    check_work(shorts.storage)


def test_the_row_of_a_failure_is_counted_in_its_stream(
    shorts: Shorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(value: Any) -> int:
        if value == 2 * 402:
            raise KeyError("402")
        return int(value)

    without_beam(monkeypatch)
    shorts.postprocess = check
    (failure,) = shorts.run().failures
    assert (failure.stream, failure.op, failure.row) == ("doubled/4", "Infer", 2)
    assert (failure.first_row, failure.last_row) == (0, 3)
    check_all_but(shorts, 4)


def test_an_input_that_cannot_be_read_costs_one_stream(
    shorts: Shorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_beam(monkeypatch)
    prepared = shorts.prepare()
    for file in Path(shorts.storage.db_path, "in4").glob("*.segments/*"):
        file.write_bytes(file.read_bytes()[:-8] + b"damaged!")
    report = shorts.execute(prepared)
    assert [failure.stream for failure in report.failures] == ["doubled/4"]
    check_all_but(shorts, 4)


def test_batches_that_are_too_large_together_may_fit_alone(
    shorts: Shorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_beam(monkeypatch)
    shorts.model.how = "memory"
    report = shorts.run()
    failed = {failure.stream: failure.exception for failure in report.failures}
    # Those have more than 4 rows.
    assert failed == dict.fromkeys(["doubled/1", "doubled/6"], "DeviceMemoryError")
    check_all_but(shorts, 1, 6)


def test_who_failed_together_once_has_all_attempts_left(
    shorts: Shorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_beam(monkeypatch)
    shorts.model.at, shorts.model.how = 401, "once"
    report = shorts.run(limits=Limits(attempts=1))
    assert not report.failures
    check_all_but(shorts)


def test_rows_that_may_fail_are_those_of_their_streams(
    shorts: Shorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_beam(monkeypatch)
    shorts.on_error = "null"
    shorts.model.at, shorts.model.how = 401, "raise"
    report = shorts.run()
    assert not report.failures
    (rows,) = report.null_rows
    assert (rows.failure.stream, rows.failure.op, rows.rows) == (
        "doubled/4",
        "Infer",
        (1,),
    )
    assert report.rows_failed == report.counters["rows_failed"] == 1
    found: list[Any] = list(shorts.output("doubled", 4).load())
    assert [isinstance(value, int) for value in found] == [True, False, True, True]
    assert 7 in sizes(shorts)
    for job in JOBS:
        if job != 4:
            shorts.check(job)


@pytest.mark.parametrize(
    ("first", "after"),
    [
        (0, False),
        *(
            pytest.param(first, first % 2 == 0, marks=pytest.mark.slow)
            for first in range(1, 12)
        ),
    ],
)
def test_a_run_that_is_killed_anywhere_goes_on(
    first: int, after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_beam(monkeypatch)
    plain = LocalStore.__init__
    # Flushing to the disk would take most of the time.
    monkeypatch.setattr(
        LocalStore, "__init__", lambda store, root, durable=False: plain(store, root)
    )
    steps, wanted = Steps(monkeypatch), Shorts.make(tmp_path / "wanted", (2, 3))
    steps.count = 0
    wanted.run(CacheMode.Ignore)
    files = [contents(stream) for stream in wanted.streams()]
    assert steps.count > 20
    for at in range(first, steps.count, 12):
        shorts = Shorts.make(tmp_path / f"{at}", (2, 3))
        assert steps.kill(at, after, lambda s=shorts: s.run(CacheMode.Ignore))  # type: ignore[misc]
        report = shorts.run(CacheMode.Ignore)
        assert not report.failures
        assert [contents(stream) for stream in shorts.streams()] == files
        store = shorts.storage.store()
        remove_garbage(store)
        store.clear_scratch(-1)
        check_work(shorts.storage, folders=False)
        for stream in shorts.streams():
            check_files(stream)


def test_tasks_that_are_done_are_not_done_again(
    shorts: Shorts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed when it has put the second of three manifests."""
    without_beam(monkeypatch)
    real = put_manifest

    def dies(job: Job, *args: Any) -> None:
        if job.record.name == "doubled/5":
            raise Killed
        real(job, *args)

    with monkeypatch.context() as patch:
        patch.setattr(merged_attempt, "put_manifest", dies)
        with pytest.raises(Killed):
            shorts.run()
    Path(shorts.model.notes).unlink()
    report = shorts.run(CacheMode.Ignore)
    assert report.reused == 2
    # Neither of its neighbours is made again for the third.
    assert sorted(sizes(shorts)) == [1, 2]
    check_all_but(shorts)
    check_work(shorts.storage)


def test_logs_name_the_stream_and_its_row(
    shorts: Shorts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    without_beam(monkeypatch)
    caplog.set_level(logging.INFO, "short streams")
    shorts.run()
    rows = [(job, row) for job in JOBS for row in range(LENGTHS[job])]
    said = {r.getMessage() for r in caplog.records if r.name == "short streams"}
    assert said == {
        f"[stream 'doubled/{job}', op ShortSum, row {row}] row {row}"
        for job, row in rows
    }


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize(
    ("how", "kind"),
    [("die", "death"), pytest.param("hang", "timeout", marks=pytest.mark.slow)],
)
def test_what_ends_a_process_costs_one_stream(
    shorts: Shorts, how: str, kind: str
) -> None:
    shorts.model.at, shorts.model.how = 401, how
    seconds = 10 if how == "hang" else 120
    limits = Limits(attempts=2, timeout=seconds)
    report = shorts.run(flags=PROCESSES, limits=limits)
    (failure,) = report.failures
    assert (failure.stream, failure.op) == ("doubled/4", "Infer")
    assert (failure.kind, failure.attempts) == (kind, 2)
    check_all_but(shorts, 4)
