"""Runs that are stopped anywhere, and the runs that go on from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import StreamExistsError
from beam_scanner.graph.builder import IOGenerator, OpGenerator
from beam_scanner.kernels import register_python_op
from beam_scanner.planner.perf_params import PerfParams
from beam_scanner.run import launch, run_tokens
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.launch import execute
from beam_scanner.run.prepare import prepare
from beam_scanner.run.report import Report, end_jobs
from beam_scanner.run.run_files import noted_tokens, remove_garbage
from beam_scanner.runners.local.local_run import pipeline_options
from beam_scanner.storage import NamedStream
from beam_scanner.stores.local_store import LocalStore
from tests.support.small_runs import (
    IN_MEMORY,
    JOBS,
    PACKET,
    ROWS,
    TASKS_A_JOB,
    Setting,
    contents,
    manifests,
)
from tests.support.staged import Killed, Steps, Turns, without_beam
from tests.support.stored_graphs import check_files, check_work
from tests.support.tiers import most_slow

TASKS = JOBS * TASKS_A_JOB
OLD = 7
"""What the streams held before were made with."""


@pytest.fixture(autouse=True)
def staged(monkeypatch: pytest.MonkeyPatch) -> None:
    without_beam(monkeypatch)
    # Flushing to the disk would take most of the time here.
    plain = LocalStore.__init__

    def quick(self: LocalStore, root: Any, durable: bool = False) -> None:
        plain(self, root, durable)

    monkeypatch.setattr(LocalStore, "__init__", quick)


@pytest.fixture
def wanted(tmp_path: Path) -> dict[str, list[bytes]]:
    """What an undisturbed run stores."""
    setting = Setting.make(tmp_path / "undisturbed")
    report = setting.run()
    assert (report.tasks, report.reused) == (TASKS, 0)
    setting.check_values()
    check_all(setting)
    return bytes_of(setting)


def bytes_of(setting: Setting) -> dict[str, list[bytes]]:
    return {stream.name(): contents(stream) for stream in setting.streams()}


def check_all(setting: Setting, folders: bool = True) -> None:
    check_work(setting.storage, folders)
    for stream in setting.streams():
        check_files(stream)


def fresh(path: Path, mode: CacheMode) -> tuple[Setting, dict[str, list[bytes]]]:
    """A setting for a run of that mode, and what its streams hold before."""
    setting = Setting.make(path)
    if mode is CacheMode.Error:
        return setting, {}
    setting.run(by=OLD)
    return setting, bytes_of(setting)


def kill_points(path: Path, steps: Steps, mode: CacheMode) -> range:
    setting, _ = fresh(path / "count", mode)
    prepared = setting.prepare(mode)
    steps.count = 0
    setting.run(mode)
    assert prepared.tasks == TASKS
    return range(steps.count)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "after", "every"),
    [
        pytest.param(CacheMode.Error, False, 1, marks=pytest.mark.slow),
        (CacheMode.Ignore, True, 4),
        (CacheMode.Overwrite, False, 5),
    ],
)
def test_a_run_killed_at_any_change_goes_on_where_it_was(
    mode: CacheMode,
    after: bool,
    every: int,
    wanted: dict[str, list[bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = Steps(monkeypatch)
    seen: set[int] = set()
    for point in kill_points(tmp_path, steps, mode)[::every]:
        setting, before = fresh(tmp_path / f"{point}", mode)
        assert steps.kill(point, after, lambda s=setting: s.run(mode))  # type: ignore[misc]
        for stream in setting.streams():
            if stream.committed():
                assert contents(stream) in (
                    before.get(stream.name()),
                    wanted[stream.name()],
                )
            else:
                assert stream.name() not in before
        seen.add(rerun(setting, mode, wanted))
    assert len(seen) >= TASKS / every


def rerun(setting: Setting, mode: CacheMode, wanted: dict[str, list[bytes]]) -> int:
    """Runs again; gives how many tasks were done before."""
    done = manifests(setting.storage)
    there = bytes_of(setting) if all(s.committed() for s in setting.streams()) else {}
    tokens = list(setting.storage.store().list(".work/jobs/"))
    begun = [key for key in tokens if key.endswith("/begun")]
    removing = there == wanted and len(begun) < JOBS
    known = noted_tokens(setting.storage.store()).interrupted
    if removing and mode is CacheMode.Error and not known:
        # It was over: this is another run.
        with pytest.raises(StreamExistsError):
            setting.run(mode)
        assert setting.run(CacheMode.Ignore).tasks == 0
    else:
        report = setting.run(mode)
        assert not report.failures
        assert len(report.committed) + len(report.cached) == JOBS
        again = TASKS_A_JOB * len(report.committed)
        assert report.tasks + report.reused == again
        if removing and known:
            assert report.tasks == 0
        if not removing:
            over = TASKS_A_JOB * len(report.cached)
            assert report.reused == len(done) - over
    assert bytes_of(setting) == wanted
    setting.check_values()
    remove_garbage(setting.storage.store())
    # A process that was killed leaves its temporary files to ``gc``.
    setting.storage.store().clear_scratch(-1)
    check_all(setting, folders=False)
    return len(done)


def stopped_at_the_end(path: Path, steps: Steps) -> Iterator[Setting]:
    """Settings with a run that was killed as it tidied up, and is known."""
    for point in kill_points(path, steps, CacheMode.Error)[::-5]:
        setting, _ = fresh(path / f"{point}", CacheMode.Error)
        assert steps.kill(point, True, setting.run)
        if not all(stream.committed() for stream in setting.streams()):
            break
        store = setting.storage.store()
        begun = [key for key in store.list(".work/jobs/") if key.endswith("/begun")]
        if not begun and noted_tokens(store).interrupted:
            yield setting


def run_of(setting: Setting, job: int, name: str = "", by: int = 2) -> Report:
    """Runs one job alone; if a name is given, to another stream."""
    io, ops = IOGenerator(setting.storage), OpGenerator(setting.storage)
    scaled = ops.SmallScale(x=io.Input([setting.input(job)]), by=by)
    sums = ops.SmallSum(x=scaled)
    outputs = [setting.output(kind, job) for kind in ("scaled", "sums")]
    if name:
        outputs = [NamedStream(setting.storage, f"{name}/{n}") for n in range(2)]
    made = [io.Output(scaled, outputs[:1]), io.Output(sums, outputs[1:])]
    perf = PerfParams.manual(2, PACKET)
    prepared = prepare(made, perf, CacheMode.Error, setting.storage)
    return execute(prepared, setting.storage, pipeline_options(IN_MEMORY), False)


@pytest.mark.slow
def test_an_interrupted_run_is_known_after_other_runs_and_gc(
    wanted: dict[str, list[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = 0
    for setting in stopped_at_the_end(tmp_path, Steps(monkeypatch)):
        store = setting.storage.store()
        assert run_of(setting, 0, "elsewhere", by=3).tasks
        remove_garbage(store)
        assert run_of(setting, 1, "elsewhere too", by=3).tasks
        report = setting.run()
        assert (report.tasks, len(report.cached)) == (0, JOBS)
        assert bytes_of(setting) == wanted
        # Now it is over.
        with pytest.raises(StreamExistsError):
            setting.run()
        check_all(setting, folders=False)
        seen += 1
    assert seen


def test_a_part_of_an_interrupted_run_does_not_end_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting in stopped_at_the_end(tmp_path, Steps(monkeypatch)):
        assert run_of(setting, 0).cached == ["scaled/0"]
        with pytest.raises(StreamExistsError):
            run_of(setting, 0)
        assert run_of(setting, 1).cached == ["scaled/1"]
        with pytest.raises(StreamExistsError):
            run_of(setting, 1)
        remove_garbage(setting.storage.store())
        check_all(setting, folders=False)


@pytest.mark.slow
def test_streams_that_are_removed_after_an_interruption_are_made_again(
    wanted: dict[str, list[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting in stopped_at_the_end(tmp_path, Steps(monkeypatch)):
        for kind in ("scaled", "sums"):
            setting.output(kind, 1).delete()
        report = setting.run()
        assert (report.cached, report.committed) == (["scaled/0"], ["scaled/1"])
        assert bytes_of(setting) == wanted
        with pytest.raises(StreamExistsError):
            setting.run()
        for stream in setting.streams():
            check_files(stream)


def test_tokens_of_runs_that_died_go_with_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = next(stopped_at_the_end(tmp_path, Steps(monkeypatch)))
    store = setting.storage.store()
    remove_garbage(store)
    assert [key.split("/")[-1] for key in store.list(".work/runs/")] == ["tokens"]
    monkeypatch.setattr(run_tokens, "MOST_SECONDS", 0.0)
    remove_garbage(store)
    assert list(store.list(".work/runs/")) == []


def test_what_a_run_at_work_has_committed_is_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own files of these jobs, and what it has noted, stay as they are."""
    setting = Setting.make(tmp_path)
    plain, tried = end_jobs, []

    def meanwhile(done: Any) -> None:
        store = setting.storage.store()
        before = {key: store.read(key) for key in store.list(".work/")}
        with pytest.raises(StreamExistsError):
            setting.run()
        report = setting.run(CacheMode.Ignore)
        tried.append((report.tasks, len(report.cached)))
        assert {key: store.read(key) for key in before} == before
        plain(done)

    monkeypatch.setattr(launch, "end_jobs", meanwhile)
    report = setting.run()
    assert tried == [(0, JOBS)]
    assert len(report.committed) == JOBS
    assert len(report.traces) == report.tasks == TASKS
    check_all(setting)


def test_who_goes_on_with_a_run_at_work_leaves_its_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs share their jobs: one ends them, then the other one dies."""
    setting, steps = Setting.make(tmp_path), Steps(monkeypatch)
    others: list[Report] = []
    plain = launch.run_pipeline  # type: ignore[attr-defined]

    def first(*given: Any, **named: Any) -> None:
        if others:
            plain(*given, **named)
            return
        others.append(Report())
        others[0] = setting.run(CacheMode.Ignore)
        steps.dead = True
        raise Killed

    monkeypatch.setattr(launch, "run_pipeline", first)
    with pytest.raises(Killed):
        setting.run()
    steps.dead = False
    assert others[0].tasks == TASKS
    assert setting.run().tasks == 0
    with pytest.raises(StreamExistsError):
        setting.run()
    check_all(setting, folders=False)


@register_python_op(name="IntsAfterNone")
def ints_after_none(config: Any, x: Any) -> Any:
    """Its first segments are written again when the type of all is known."""
    return None if x < ROWS - 1 else x


@register_python_op(name="IntsAndText")
def ints_and_text(config: Any, x: Any) -> Any:
    """Its segments become pickles, all of them."""
    return x if x < ROWS - 1 else "the last"


def rewritten(setting: Setting) -> tuple[Report, list[NamedStream]]:
    """Runs a graph whose outputs are written again as they are published."""
    io, ops = IOGenerator(setting.storage), OpGenerator(setting.storage)
    x = io.Input([setting.input(0)])
    columns = [ops.IntsAfterNone(x=x), ops.IntsAndText(x=x), ops.SmallScale(x=x)]
    names = ["a", "b", "c"]
    streams = [NamedStream(setting.storage, name) for name in names]
    made = [io.Output(c, [s]) for c, s in zip(columns, streams, strict=True)]
    perf = PerfParams.manual(2, PACKET)
    prepared = prepare(made, perf, CacheMode.Error, setting.storage)
    options = pipeline_options(IN_MEMORY)
    return execute(prepared, setting.storage, options, False), streams


@pytest.mark.filterwarnings("ignore:values of op IntsAndText")
@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 6])
def test_segments_that_publishing_has_written_again_are_not_computed_again(
    every: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch)
    setting = Setting.make(tmp_path / "count")
    steps.count = 0
    report, streams = rewritten(setting)
    wanted, tasks = [contents(stream) for stream in streams], report.tasks
    types = [stream.descriptor().type_name for stream in streams]
    assert types == ["Any[int | None]", "Any", "Any[int]"]
    points, published = steps.count, set()
    for point in range(points - 1, -1, -every):
        setting = Setting.make(tmp_path / f"{point}")
        streams = [NamedStream(setting.storage, name) for name in "abc"]
        assert steps.kill(point, True, lambda s=setting: rewritten(s))  # type: ignore[misc]
        there = [stream.committed() for stream in streams]
        if not any(there):
            break
        if not noted_tokens(setting.storage.store()).interrupted:
            continue  # It was over.
        published.add(sum(there))
        report, _ = rewritten(setting)
        assert report.tasks == 0
        assert report.reused in (0, tasks)
        assert [contents(stream) for stream in streams] == wanted
    assert len(published) > 1


@pytest.mark.parametrize("seed", most_slow(range(20), 2))
def test_of_two_drivers_that_may_not_overwrite_one_ends_well(
    seed: int,
    wanted: dict[str, list[bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setting, _ = fresh(tmp_path / "db", CacheMode.Error)
    with monkeypatch.context() as patch:
        results = Turns(patch, seed).run(setting.run, setting.run)
    refused = [r for r in results if isinstance(r, StreamExistsError)]
    well = [r for r in results if isinstance(r, Report)]
    assert well, results
    assert len(refused) + len(well) == 2, results
    for report in well:
        assert not report.failures, report.failures[0].traceback
        assert len(report.committed) + len(report.cached) == JOBS
    assert bytes_of(setting) == wanted
    remove_garbage(setting.storage.store())
    check_all(setting, folders=False)


@pytest.mark.parametrize("seed", most_slow(range(20), 4))
def test_two_drivers_of_one_graph_end_well(
    seed: int,
    wanted: dict[str, list[bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mode = CacheMode.Overwrite if seed % 2 else CacheMode.Ignore
    setting, _ = fresh(tmp_path / "db", mode)
    with monkeypatch.context() as patch:
        turns = Turns(patch, seed)
        results = turns.run(*(lambda: setting.run(mode) for _ in range(2)))
    for result in results:
        if isinstance(result, BaseException):
            raise result
        assert not result.failures, result.failures[0].traceback
        assert len(result.committed) + len(result.cached) == JOBS
    assert bytes_of(setting) == wanted
    setting.check_values()
    remove_garbage(setting.storage.store())
    check_all(setting, folders=False)
