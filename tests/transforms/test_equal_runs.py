"""What leaves is made by every run and every time, whoever else runs the same graph."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from beam_scanner.kernels import register_python_op
from beam_scanner.run import pipeline_stages
from beam_scanner.run.options import ScannerOptions
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.transforms import ReadFromVideo, WriteToNamedStream, op
from beam_scanner.types import FrameType
from tests.support.pipeline_kernels import Count, Number
from tests.support.pipeline_runs import FRAMES, Run
from tests.support.tiers import most_slow


def _one(config: Any, frame: FrameType) -> int:
    return 1


One = op(register_python_op(name="EqualOne")(_one))


def _raise_at_30(config: Any, x: int) -> int:
    if x % 100 == 30:
        raise ValueError("told to fail at 30")
    return x


RaiseAt30 = op(register_python_op(name="EqualRaiseAt30")(_raise_at_30))


def _slow(config: Any, x: int) -> int:
    time.sleep(0.004)
    return x


Slow = op(register_python_op(name="EqualSlow")(_slow))


def films_of(folder: Path, films: Path, names: Sequence[str]) -> str:
    """Copies of one film; gives a pattern for them."""
    folder.mkdir(parents=True)
    for name in names:
        shutil.copy(films / "a.mp4", folder / f"{name}.mp4")
    return str(folder / "*.mp4")


def build(run: Run, db: Path, pattern: str, phases: bool, sink: bool) -> None:
    """Rows that leave as "rows", and a sink as "stored"."""
    run.options.view_as(ScannerOptions).scanner_db = str(db)
    numbers = run.pipeline | ReadFromVideo(pattern) | Number()
    if sink:
        run.keep_written("stored", numbers | WriteToNamedStream(str(db), "n/{stream}"))
    rows = (numbers | Count()).ret0 if phases else numbers | Slow()
    run.keep("rows", rows)


def wanted(name: str, phases: bool) -> list[Any]:
    return [((name, 0, row), row + 1 if phases else row) for row in range(FRAMES)]


def told(run: Run) -> list[Any]:
    return [((k.stream, k.group, k.row), value) for k, value in run.rows("rows")]


def left_of(db: Path) -> list[str]:
    """Files of runs and jobs."""
    found = [*db.glob(".work/jobs/**/*"), *db.glob(".work/runs/**/*")]
    return [str(path) for path in found if path.is_file()]


def twice(monkeypatch: pytest.MonkeyPatch, late: bool) -> Counter[str]:
    """Lets a runner execute every bundle of a stage twice, and keep what comes last.

    Args:
        monkeypatch: Ends it.
        late: Run tasks again when their jobs were committed, too.
    """
    calls: Counter[str] = Counter()
    done: list[Any] = []

    def again(kind: Any) -> None:
        plain = kind.process

        def process(self: Any, element: Any) -> Iterator[Any]:
            if kind is pipeline_stages._Commit:
                element = (element[0], list(element[1]))
            first = list(plain(self, element))
            calls[kind.__name__] += 1
            if kind is pipeline_stages._Run:
                done.append((self, element, first))
            second = list(plain(self, element))
            if kind is pipeline_stages._Commit and late:
                for stage, task, before in done:
                    if task[0] == element[0]:
                        calls["late"] += 1
                        assert shown(plain_run(stage, task)) == shown(before)
            yield from second

        monkeypatch.setattr(kind, "process", process)

    plain_run = pipeline_stages._Run.process
    for kind in (pipeline_stages._Plan, pipeline_stages._Run, pipeline_stages._Commit):
        again(kind)
    return calls


def shown(outputs: Any) -> list[str]:
    """Rows that leave, whatever else comes with them."""
    found = [o for o in outputs if isinstance(o, beam.pvalue.TaggedOutput)]
    return [repr((o.tag, o.value)) for o in found]


@pytest.mark.slow
@pytest.mark.parametrize("phases", [False, True])
@pytest.mark.parametrize("sink", [False, True])
def test_every_bundle_is_executed_twice(
    films: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    phases: bool,
    sink: bool,
) -> None:
    calls = twice(monkeypatch, late=True)
    db, run = tmp_path / "db", Run("--direct_num_workers=1")
    build(run, db, films_of(tmp_path / "in", films, ["x", "y"]), phases, sink)
    run.run()
    assert told(run) == [*wanted("x.mp4", phases), *wanted("y.mp4", phases)]
    assert calls["_Run"] >= 2
    assert calls["late"] >= 2
    if sink:
        assert run.commits("stored") == ["n/x.mp4", "n/y.mp4"]
        assert run.failures("stored") == {}
        for name in ("x.mp4", "y.mp4"):
            found = NamedStream(NamedStorage(str(db)), f"n/{name}")
            assert list(found.load()) == list(range(FRAMES))


@pytest.mark.slow
@pytest.mark.parametrize("phases", [False, True])
@pytest.mark.parametrize("sink", [False, True])
@pytest.mark.parametrize("runs", most_slow([2, 3]))
def test_equal_pipelines_side_by_side(
    films: Path, tmp_path: Path, phases: bool, sink: bool, runs: int
) -> None:
    db = tmp_path / "db"
    pattern = films_of(tmp_path / "in", films, ["x"])
    started = [Run() for _ in range(runs)]
    for run in started:
        build(run, db, pattern, phases, sink)
    failed: list[BaseException] = []

    def go(number: int) -> None:
        time.sleep(0.3 * number)
        try:
            started[number].run()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=go, args=[n]) for n in range(runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failed
    for run in started:
        assert told(run) == wanted("x.mp4", phases)
        if sink:
            assert run.failures("stored") == {}
            assert run.commits("stored") == ["n/x.mp4"]
    assert not left_of(db)


@pytest.mark.slow
def test_one_composite_applied_twice(films: Path, tmp_path: Path) -> None:
    pattern = films_of(tmp_path / "in", films, ["x"])
    run = Run()
    run.options.view_as(ScannerOptions).scanner_db = str(tmp_path / "db")
    for name in ("one", "two"):
        rows = run.pipeline | f"Read {name}" >> ReadFromVideo(pattern)
        ones = rows | f"Op {name}" >> One()
        total = ones | f"V {name}" >> beam.Values()
        run.keep(name, total | f"Sum {name}" >> beam.CombineGlobally(sum))
    run.run()
    assert run.timed("one") == run.timed("two") == [FRAMES]


def test_files_of_equal_content_fail_each(films: Path, tmp_path: Path) -> None:
    pattern = films_of(tmp_path / "in", films, ["x", "y", "z"])
    run = Run()
    run.options.view_as(ScannerOptions).scanner_db = str(tmp_path / "db")
    videos = run.pipeline | ReadFromVideo(pattern)
    rows = videos | Number() | RaiseAt30()
    run.keep("rows", rows)
    run.keep("failures", rows.failures)
    run.run()
    failures = run.timed("failures")
    assert sorted(f.stream for f in failures) == ["x.mp4", "y.mp4", "z.mp4"]
    assert {f.row for f in failures} == {30}
    assert not left_of(tmp_path / "db")
