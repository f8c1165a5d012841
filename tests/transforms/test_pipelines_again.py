"""Pipelines that are run again, after changes, failures and interruptions."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.engine import containment, instance
from beam_scanner.run.tasks import attempt
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.transforms import (
    Histogram,
    ReadFromNamedStream,
    ReadFromVideo,
    Resize,
    ShotBoundaries,
    Stride,
    WriteToNamedStream,
    WriteToNamedVideo,
    op,
)
from tests.support.pipeline_kernels import Add, Number, Rank
from tests.support.pipeline_runs import FRAMES, Run, save, stream, video
from tests.support.small_runs import manifests
from tests.support.stored_graphs import check_files, check_work
from tests.support.video_fixtures import frame_number, make_video

ROWS = 20


def _scale(config: Any, x: int) -> int:
    if x == 113 and os.environ.get("PIPELINES_FAIL"):
        raise RuntimeError("told to fail")
    return x * config.args["by"]


Scale = op(_scale)


def _replace_other(config: Any, x: int) -> int:
    other = "a" if x >= 100 else "b"
    save(config.args["db"], f"x/{other}", [x] * ROWS, int)
    return x


ReplaceOther = op(_replace_other)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    for number, name in enumerate("ab"):
        save(tmp_path, f"x/{name}", range(100 * number, 100 * number + ROWS), int)
    return tmp_path


def build(run: Run, films: Path, db: Path, stride: int = 8) -> None:
    frames = run.pipeline | ReadFromVideo(f"{films}/*.mp4")
    small = frames | Stride(stride) | Resize(width=32, height=24)
    run.keep_written("small", small | WriteToNamedVideo(str(db), "small/{stream}"))
    shots = frames | Histogram() | ShotBoundaries()
    run.keep_written("shots", shots | WriteToNamedStream(str(db), "shots/{stream}"))


def files(db: Path) -> dict[str, float]:
    """All files of a database and when they were written; indexes left out."""
    return {
        str(path): path.stat().st_mtime_ns
        for path in db.rglob("*")
        if path.is_file() and ".work/sources" not in str(path)
    }


def check_tidy(db: Path, *names: str) -> None:
    """Nothing is left but the streams, each with its own files alone."""
    for name in names:
        check_files(stream(db, name))
    check_work(NamedStorage(str(db)))


@pytest.mark.slow
def test_what_is_there_is_not_made_again(films: Path, tmp_path: Path) -> None:
    names = [f"{kind}/{film}.mp4" for kind in ("shots", "small") for film in "ab"]
    first = Run()
    build(first, films, tmp_path)
    first.run()
    assert sorted(first.commits("small") + first.commits("shots")) == names
    assert first.counters["frames_decoded"] == 2 * FRAMES
    check_tidy(tmp_path, *names)
    there = files(tmp_path)
    # The same pipeline object, and one that is built anew.
    first.run()
    again = Run()
    build(again, films, tmp_path)
    again.run()
    for run in first, again:
        assert sorted(run.commits("small") + run.commits("shots")) == names
        assert "frames_decoded" not in run.counters
    assert files(tmp_path) == there
    assert first.rows("small commits") == again.rows("small commits")


@pytest.mark.slow
def test_a_changed_argument_replaces(films: Path, tmp_path: Path) -> None:
    for stride in (8, 24):
        run = Run()
        build(run, films, tmp_path, stride)
        run.run()
        assert run.commits("small") == ["small/a.mp4", "small/b.mp4"]
        found = [frame_number(f) for f in video(tmp_path, "small/b.mp4").load()]
        assert found == list(range(100, 100 + FRAMES, stride))
    check_tidy(tmp_path, "small/a.mp4", "small/b.mp4", "shots/a.mp4")


@pytest.mark.slow
def test_a_changed_video_is_read_anew(films: Path, tmp_path: Path) -> None:
    folder, db = tmp_path / "films", tmp_path / "db"
    shutil.copytree(films, folder)
    for first in (100, 500):
        make_video(folder / "b.mp4", frames=30, gop=12, first_number=first)
        run = Run()
        frames = run.pipeline | ReadFromVideo(f"{folder}/*.mp4") | Number()
        sink = WriteToNamedStream(str(db), "numbers/{stream}")
        run.keep_written("numbers", frames | sink)
        run.run()
        assert run.commits("numbers") == ["numbers/a.mp4", "numbers/b.mp4"]
        assert list(stream(db, "numbers/b.mp4").load()) == list(
            range(first, first + 30)
        )
    # That of the other has not changed.
    assert run.counters["frames_decoded"] == 30


@pytest.mark.slow
def test_another_sink_beside_one_that_is_there(films: Path, tmp_path: Path) -> None:
    """A stream that leaves, or another that is stored, is made; the one there stays."""
    db = tmp_path
    for kinds in (["one"], ["one", "two"], ["one", "two", "leaves"]):
        run = Run()
        frames = run.pipeline | ReadFromVideo(f"{films}/a.mp4")
        numbers = frames | Number()
        if "leaves" in kinds:
            run.keep("leaves", numbers)
            kinds = kinds[:-1]
        for name in kinds:
            sink = WriteToNamedStream(str(db), name)
            run.keep_written(name, numbers | f"Write {name}" >> sink)
        run.run()
        for name in kinds:
            assert run.commits(name) == [name]
            assert list(stream(db, name).load()) == list(range(FRAMES))
        check_tidy(db, *kinds)
    assert [value for _, value in run.rows("leaves")] == list(range(FRAMES))


@pytest.fixture
def failing() -> Iterator[None]:
    os.environ["PIPELINES_FAIL"] = "1"
    yield
    os.environ.pop("PIPELINES_FAIL", None)


def test_inputs_that_are_replaced_while_the_pipeline_runs_fail(db: Path) -> None:
    run = Run()
    x = run.pipeline | ReadFromNamedStream(str(db), "x/*", int)
    sink = WriteToNamedStream(str(db), "out/{stream}")
    run.keep_written("out", x | ReplaceOther(db=str(db)) | sink)
    run.run()
    ((name, reason),) = run.failures("out").items()
    assert "was replaced after this run had begun" in reason
    (made,) = run.commits("out")
    assert {name, made.removeprefix("out/")} == {"x/a", "x/b"}
    first = 0 if made.endswith("a") else 100
    assert list(stream(db, made).load()) == list(range(first, first + ROWS))


@pytest.mark.slow
def test_what_failed_is_made_by_the_next_run(failing: None, db: Path) -> None:
    run = Run()
    x = run.pipeline | ReadFromNamedStream(str(db), "x/*", int)
    scaled = x | Scale(by=3)
    run.keep_written("scaled", scaled | WriteToNamedStream(str(db), "scaled/{stream}"))
    ranks = scaled | Rank() | Add()
    sink = WriteToNamedStream(str(db), "ranks/{stream}")
    run.keep_written("ranks", ranks | "Write ranks" >> sink)
    run.run()
    assert run.commits("scaled") == ["scaled/x/a"]
    assert run.commits("ranks") == ["ranks/x/a"]
    # A failure is told once, also where later phases wait for it.
    assert run.failures("scaled") == {"x/b": "RuntimeError: told to fail"}
    assert len(run.rows("ranks failures")) == 1
    del os.environ["PIPELINES_FAIL"]
    # The same pipeline again, which would remember what has failed.
    run.run()
    assert run.commits("scaled") == ["scaled/x/a", "scaled/x/b"]
    assert run.commits("ranks") == ["ranks/x/a", "ranks/x/b"]
    assert run.failures("ranks") == {}
    assert run.counters["op:_scale:rows"] == ROWS
    wanted = [3 * value for value in range(100, 100 + ROWS)]
    assert list(stream(db, "scaled/x/b").load()) == wanted
    assert list(stream(db, "ranks/x/b").load()) == list(range(ROWS))
    check_tidy(db, "scaled/x/a", "scaled/x/b", "ranks/x/a", "ranks/x/b")


class Killed(BaseException):
    """As good as SIGKILL, where it counts as the user's interrupt."""


def is_kill(error: BaseException) -> bool:
    return isinstance(error, Killed)


def _stops(config: Any, x: int) -> int:
    if x == int(os.environ.get("PIPELINES_KILL", -1)):
        raise Killed
    return x


Stops = op(_stops)


@pytest.mark.slow
def test_a_killed_pipeline_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed run leaves manifests of its tasks; they are not run again."""
    rows = 3000
    save(tmp_path, "long", range(rows), int)

    def pipeline() -> Run:
        run = Run()
        x = run.pipeline | ReadFromNamedStream(str(tmp_path), "long", int) | Stops()
        run.keep_written("copy", x | WriteToNamedStream(str(tmp_path), "copy"))
        return run

    monkeypatch.setenv("PIPELINES_KILL", "1500")
    for module in (containment, instance, attempt):
        monkeypatch.setattr(module, "is_interrupt", is_kill)
    with pytest.raises(RuntimeError, match="Killed"):
        pipeline().run()
    assert not stream(tmp_path, "copy").committed()
    done = manifests(NamedStorage(str(tmp_path)))
    monkeypatch.delenv("PIPELINES_KILL")
    assert done
    run = pipeline()
    run.run()
    assert run.commits("copy") == ["copy"]
    assert list(stream(tmp_path, "copy").load()) == list(range(rows))
    # 500 rows a task; the one that was killed is begun anew.
    assert run.counters["op:_stops:rows"] == rows - 500 * len(done)
    check_tidy(tmp_path, "copy")
