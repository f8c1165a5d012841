"""Two runs that write the same streams: one publishes, and the other is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import Failure, StreamExistsError
from beam_scanner.graph.builder import IOGenerator, OpGenerator
from beam_scanner.kernels import register_python_op
from beam_scanner.planner.perf_params import PerfParams
from beam_scanner.run import launch
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.job import Job
from beam_scanner.run.job_files import unfinished_tokens
from beam_scanner.run.options import Limits
from beam_scanner.run.plan_and_commit import commit_job, plan_job
from beam_scanner.run.prepare import prepare
from beam_scanner.run.report import Report, conclude, end_jobs
from beam_scanner.run.run_files import RunFiles
from beam_scanner.run.tasks.stage_elements import TaskId
from beam_scanner.run.tasks.try_task import try_task
from beam_scanner.runners.local.local_run import pipeline_options
from beam_scanner.storage import NamedStorage, NamedStream, gc
from tests.support.harness import drained
from tests.support.small_runs import IN_MEMORY, JOBS, Setting

MINE, THEIRS, OLD = 3, 5, 7
_runs = iter(range(1000))


def run(
    setting: Setting,
    mode: CacheMode,
    by: int,
    meanwhile: dict[str, Callable[[], Any]] | None = None,
    commits: int = 2,
) -> list[Failure]:
    """A run in this process; each of its bundles may be executed several times.

    Args:
        setting: The database.
        mode: What to do about what is there.
        by: What its graph multiplies by.
        meanwhile: What others do: "begun", "ran 0", "ended 0", ...
        commits: How often a commit is executed.
    """
    happens = dict(meanwhile or {})

    def now(what: str) -> None:
        happens.pop(what, lambda: None)()

    prepared = setting.prepare(mode, by)
    if not prepared.jobs:
        return []
    store = setting.storage.store()
    files = RunFiles(store, f"run {next(_runs)}")
    settings = launch._settings(prepared, Limits(), None)
    context = launch.write_run(prepared, files, settings).open()
    now("begun")
    live = list(range(len(prepared.jobs)))
    for phase in range(settings.graph.phases):
        planned = {job: list(plan_job(context, job, phase)) for job in live}
        outcomes = {
            job: [
                drained(try_task(context, item))[0]
                if isinstance(item, TaskId)
                else item
                for item in items
            ]
            for job, items in planned.items()
        }
        now(f"ran {phase}")
        failures = {}
        for job in live:
            for _ in range(commits):
                failures[job] = commit_job(context, job, outcomes[job])
            context.files.put_result(job, phase, failures[job])
        now(f"ended {phase}")
        live = [job for job in live if not failures[job]]
    report = Report()
    phases = settings.graph.phases
    end_jobs(conclude(prepared.jobs, phases, files, report))
    files.remove()
    assert not happens
    return report.failures


def check(setting: Setting, by: int) -> None:
    """The result is there, and nothing else."""
    setting.check_values(by)
    assert gc(setting.storage).keys == ()
    store = setting.storage.store()
    assert list(store.list(".work/")) == []
    assert all(stream.committed() for stream in setting.streams())


@pytest.mark.parametrize("moment", ["ran 1", "ended 0"])
def test_replaced_after_it_had_published(setting: Setting, moment: str) -> None:
    """It knows its own publish again, and takes nothing back or away."""
    other = {moment: lambda: run(setting, CacheMode.Overwrite, THEIRS)}
    failures = run(setting, CacheMode.Overwrite, MINE, other)
    if moment == "ran 1":
        assert failures == []
    else:
        # One of two outputs was published before.
        assert {failure.stream for failure in failures} == {"scaled/0", "scaled/1"}
    check(setting, THEIRS)


@pytest.mark.parametrize("mode", list(CacheMode))
@pytest.mark.parametrize("moment", ["begun", "ran 0"])
@pytest.mark.parametrize("old", [False, True])
def test_another_run_commits_meanwhile(
    setting: Setting, mode: CacheMode, moment: str, old: bool
) -> None:
    if old and mode is CacheMode.Error:
        return
    if old:
        run(setting, CacheMode.Error, OLD)
    other = {moment: lambda: run(setting, CacheMode.Overwrite, THEIRS)}
    failures = run(setting, mode, MINE, other)
    if moment == "begun":
        assert len(failures) == JOBS
        assert "was replaced by another run at 20" in failures[0].reason
        check(setting, THEIRS)
        return
    # The first output was published by then, and was replaced.
    assert {failure.stream for failure in failures} == {"scaled/0", "scaled/1"}
    check(setting, THEIRS)


@pytest.mark.parametrize("moment", ["begun", "ran 0", "ended 0", "ran 1", "ended 1"])
@pytest.mark.parametrize("mode", list(CacheMode))
def test_an_equal_run_meanwhile(setting: Setting, mode: CacheMode, moment: str) -> None:
    """Whoever comes first publishes, and both did."""

    def equal() -> None:
        # It finds streams of a run that is not over, or that was.
        try:
            assert run(setting, mode, MINE) == []
        except StreamExistsError:
            assert mode is CacheMode.Error

    assert run(setting, mode, MINE, {moment: equal}) == []
    check(setting, MINE)


def test_an_equal_run_that_saw_another_stream_takes_over(setting: Setting) -> None:
    """The first can publish no more; its work is not lost for the second."""

    def others() -> None:
        assert run(setting, CacheMode.Overwrite, THEIRS) == []
        assert run(setting, CacheMode.Overwrite, MINE) == []

    assert run(setting, CacheMode.Overwrite, MINE, {"begun": others}) == []
    check(setting, MINE)


@pytest.mark.parametrize("commits", [1, 2])
def test_work_given_up_while_it_runs(setting: Setting, commits: int) -> None:
    """Where another graph has committed the streams, that is no success."""

    def give_up() -> None:
        for key in list(setting.storage.store().list(".work/jobs/")):
            setting.storage.store().delete(key)
        assert run(setting, CacheMode.Overwrite, THEIRS) == []

    failures = run(setting, CacheMode.Overwrite, MINE, {"begun": give_up}, commits)
    assert len(failures) == JOBS
    assert "was replaced by another run at" in failures[0].reason
    check(setting, THEIRS)


def test_the_old_stream_is_removed_meanwhile(setting: Setting) -> None:
    run(setting, CacheMode.Error, OLD)
    remove = {"begun": lambda: [stream.delete() for stream in setting.streams()]}  # type: ignore[func-returns-value]
    assert run(setting, CacheMode.Overwrite, MINE, remove) == []
    check(setting, MINE)


@pytest.mark.parametrize("mode", list(CacheMode))
@pytest.mark.parametrize("cut", [False, True])
def test_streams_whose_files_are_gone_are_made_again(
    setting: Setting, mode: CacheMode, cut: bool
) -> None:
    assert run(setting, CacheMode.Error, MINE) == []
    for stream in setting.streams()[:2]:
        (file, *_) = stream.files()
        if cut:
            os.truncate(file, 1)
        else:
            os.remove(file)
    prepared = setting.prepare(CacheMode.Ignore, MINE)
    assert [len(prepared.jobs), len(prepared.cached)] == [1, JOBS - 1]
    if mode is CacheMode.Error:
        # Others are whole.
        with pytest.raises(StreamExistsError):
            setting.prepare(mode, MINE)
        mode = CacheMode.Ignore
    assert run(setting, mode, MINE) == []
    check(setting, MINE)


def test_a_killed_run_whose_streams_lost_their_files(setting: Setting) -> None:
    """What was published under its token is made under another one."""

    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    with pytest.raises(Killed):
        run(setting, CacheMode.Error, MINE, {"ran 0": die})
    (file, *_) = setting.output("scaled", 0).files()
    os.remove(file)
    (token, other) = sorted(unfinished_tokens(setting.storage.store()))
    assert run(setting, CacheMode.Ignore, MINE) == []
    setting.check_values(MINE)
    generations = {s.descriptor().generation for s in setting.streams()}
    assert len(generations) == 2
    assert len(generations & {token, other}) == 1


OTHERS = 7


@register_python_op(name="WhileOthersWrite")
def while_others_write(config: Any, x: Any) -> Any:
    """Another program stores a stream while this runs."""
    stream = NamedStream(NamedStorage(config.args["db"]), config.args["name"])
    if not stream.committed() or list(stream.load()) != [OTHERS]:
        stream.save([OTHERS], Any)
    return x


@pytest.mark.parametrize("taken", [0, 1])
@pytest.mark.parametrize("mode", list(CacheMode))
def test_none_is_stored_where_one_was_replaced(
    tmp_path: Path, taken: int, mode: CacheMode
) -> None:
    db = str(tmp_path / "db")
    storage = NamedStorage(db)
    given = NamedStream(storage, "given")
    given.save([1, 2, 3], Any)
    outputs = [NamedStream(storage, f"output {number}") for number in range(2)]
    if mode is not CacheMode.Error:
        for output in outputs:
            output.save([0], Any)
    io, ops = IOGenerator(storage), OpGenerator(storage)
    made = ops.WhileOthersWrite(x=io.Input([given]), db=db, name=f"output {taken}")
    graph = [io.Output(made, [output]) for output in outputs]
    prepared = prepare(graph, PerfParams.manual(2, 4), mode, storage)
    report = launch.execute(prepared, storage, pipeline_options(IN_MEMORY), False)
    (failure,) = report.failures
    assert f"'output {taken}' was replaced by another run at 20" in failure.reason
    assert list(outputs[taken].load()) == [OTHERS]
    kept = outputs[1 - taken]
    assert not kept.committed() if mode is CacheMode.Error else list(kept.load()) == [0]
    assert gc(storage).keys == ()


@pytest.mark.parametrize("mode", list(CacheMode))
@pytest.mark.parametrize("removed", [0, 1, JOBS])
def test_stopped_as_it_tidies_up(
    setting: Setting, mode: CacheMode, removed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same run is known again, and does nothing twice; a third one is another."""

    class Killed(BaseException):
        pass

    def stop(done: Sequence[Job]) -> None:
        for job in done[:removed]:
            job.files.remove()
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(launch, "end_jobs", stop)
        with pytest.raises(Killed):
            setting.run(mode, MINE)
    report = setting.run(mode, MINE)
    assert (len(report.cached), report.tasks) == (JOBS, 0)
    check(setting, MINE)
    if mode is CacheMode.Error:
        with pytest.raises(StreamExistsError):
            setting.run(mode, MINE)


@pytest.mark.slow
def test_stopped_as_it_tidies_up_and_again_as_it_goes_on(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run notes what the one before had published."""

    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    def stop(done: Sequence[Job]) -> None:
        done[0].files.remove()
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(launch, "end_jobs", stop)
        with pytest.raises(Killed):
            setting.run(CacheMode.Error, MINE)
    # So that there is something to do; nor may it count as published any more.
    setting.output("sums", 1).delete()
    with monkeypatch.context() as patch:
        patch.setattr(launch, "run_pipeline", die)
        for _ in range(2):
            with pytest.raises(Killed):
                setting.run(CacheMode.Error, MINE)
    report = setting.run(CacheMode.Error, MINE)
    assert (len(report.cached), len(report.committed)) == (1, 1)
    check(setting, MINE)


def test_another_result_is_refused_though_a_run_was_stopped(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(launch, "end_jobs", die)
        with pytest.raises(KeyboardInterrupt):
            setting.run(CacheMode.Error, MINE)
    with pytest.raises(StreamExistsError):
        setting.run(CacheMode.Error, THEIRS)
    setting.check_values(MINE)
