"""What a run tells of streams that failed, and what it leaves of that."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from beam_scanner import (
    CacheMode,
    JobFailure,
    Kernel,
    NamedStream,
    PerfParams,
    register_python_op,
)
from beam_scanner.errors import ArgumentError
from beam_scanner.kernels import registry
from beam_scanner.storage import gc, list_streams
from beam_scanner.storage.streams.python import PythonStream
from tests.support.client_helpers import open_client, work_left
from tests.support.failing_kernels import KINDS, ROWS, Panic, Raising, inputs, kept, run

pytestmark = pytest.mark.usefixtures("failing_ops")


def test_nothing_is_left_where_nothing_fails(tmp_path: Path) -> None:
    sc = open_client(tmp_path)
    _, report = run(sc, inputs(["", ""]))
    assert report.failure_file == ""
    assert not (tmp_path / "failures").exists()


def test_failures_are_in_nobodys_way(tmp_path: Path) -> None:
    """A stream may have the folder's name; listing, removing and gc pass them by."""
    sc = open_client(tmp_path)
    _, error = run(sc, inputs(["Panic", ""]))
    own = NamedStream(sc, "failures")
    own.save([b"mine"])
    below = NamedStream(sc, "failures/below")
    below.save([b"mine"])
    names = [stream.name for stream in list_streams(sc.named_storage)]
    assert sorted(names) == ["failures", "failures/below", "out/001"]
    gc(sc.named_storage)
    own.delete()
    assert list(below.load()) == [b"mine"]
    assert [row["stream"] for row in kept(tmp_path)] == ["out/000"]
    assert os.path.exists(error.tally.file)
    assert not [key for key in work_left(tmp_path) if "/runs/" in key]


def test_inputs_that_cannot_be_read_are_failures_too(tmp_path: Path) -> None:
    from beam_scanner import NamedVideoStream

    sc = open_client(tmp_path)
    videos = [NamedVideoStream(sc, n, path=str(tmp_path / n)) for n in ("a", "b\udcff")]
    outputs = [NamedStream(sc, f"out/{n}") for n in range(2)]
    column = sc.ops.Histogram(frame=sc.io.Input(videos))
    with pytest.raises(JobFailure, match="2 of 2 streams failed:"):
        sc.run(sc.io.Output(column, outputs), PerfParams.estimate())
    rows = kept(tmp_path)
    assert [(row["kind"], row["exception"]) for row in rows] == [
        ("input", "VideoError")
    ] * 2
    assert "b\\udcff" in rows[1]["message"]


class OwnStream(PythonStream):
    """Of the user's own; raises at one of several times."""

    def __init__(self, when: str) -> None:
        super().__init__([("", row) for row in range(5)])
        self.when, self.opened = when, 0

    def reader(self) -> Any:
        self.opened += 1
        if self.when == "open" or (self.when == "open later" and self.opened > 2):
            raise asyncio.CancelledError
        found = super().reader()
        for name, error in (("read", Panic), ("seconds", GeneratorExit)):
            if self.when == name:
                setattr(found, name, _raiser(error))
        return found


def _raiser(kind: type[BaseException]) -> Any:
    def raising(*_: Any) -> Any:
        raise kind

    return raising


@pytest.mark.parametrize("when", ["open", "open later", "read", "seconds"])
def test_streams_of_the_users_own_may_raise_anything(tmp_path: Path, when: str) -> None:
    sc = open_client(tmp_path)
    streams = [OwnStream("never"), OwnStream(when), OwnStream("never")]
    outputs, error = run(sc, streams)
    assert [stream.committed() for stream in outputs] == [True, False, True]
    (failure,) = error.failures
    assert failure.stream == "out/001"
    wanted = {"read": "Panic", "seconds": "GeneratorExit"}.get(when, "CancelledError")
    assert failure.exception == wanted


def test_null_instead_of_failing(tmp_path: Path) -> None:
    sc = open_client(tmp_path)
    outputs, report = run(sc, inputs(["", *KINDS]), on_error="null")
    assert all(stream.committed() for stream in outputs)
    for number, stream in enumerate(outputs):
        values = list(stream.load())
        assert [v for v in values if isinstance(v, int)] == [
            row for row in range(ROWS) if row != 3 or number == 0
        ]
        assert len(values) == ROWS
    assert report.failures == []
    assert report.rows_failed == len(KINDS)
    rows = kept(tmp_path)
    assert [row["exception"] for row in rows] == list(KINDS)
    assert {(row["kind"], row["op"], row["row"]) for row in rows} == {
        ("row", "Raising", 3)
    }
    assert rows[0]["first_row"] == 0
    assert rows[0]["last_row"] == ROWS - 1
    assert rows[0]["started"] <= rows[0]["ended"]


def test_it_is_a_part_of_the_fingerprint(tmp_path: Path) -> None:
    sc = open_client(tmp_path)
    streams = inputs([""])
    run(sc, streams)
    again: dict[str, Any] = {"cache_mode": CacheMode.Ignore}
    assert run(sc, streams, **again)[1] is None
    assert run(sc, streams, on_error="null", **again)[1].committed == ["out/000"]


def test_rows_needed_by_two_tasks_are_told_once(tmp_path: Path) -> None:
    sc = open_client(tmp_path)
    stream = PythonStream([("", row) for row in range(40)])
    bad = [3, 4, 9, 10, 19, 20, 21, 39]
    column = sc.ops.Warmed(value=sc.io.Input([stream]), bad=bad, on_error="null")
    output = NamedStream(sc, "out")
    perf = PerfParams.manual(5, 10)
    report = sc.report(sc.run(sc.io.Output(column, [output]), perf))
    assert report.tasks > 1
    made = [value if isinstance(value, list) else None for value in output.load()]
    assert made == [
        None
        if row in bad
        else [seen for seen in range(max(0, row - 2), row + 1) if seen not in bad]
        for row in range(40)
    ]
    assert [(row["stream"], row["row"]) for row in kept(tmp_path)] == [
        ("out", row) for row in bad
    ]
    assert report.rows_failed == len(bad)


def test_null_has_no_meaning_for_some_ops(tmp_path: Path) -> None:
    sc = open_client(tmp_path)
    column = sc.io.Input(inputs([""]))
    for kernel, options, what in (
        (Raising, {"unbounded_state": True}, "unbounded state"),
        (_Whole, {"whole_stream": True}, "all rows"),
    ):
        register_python_op(name="Odd", **options)(kernel)  # type: ignore[arg-type]
        try:
            with pytest.raises(ArgumentError, match=f"on_error of op Odd.*{what}"):
                sc.ops.Odd(value=column, on_error="null")
        finally:
            registry().remove("Odd")
    with pytest.raises(ArgumentError, match="'fail' or 'null', got 'skip'"):
        sc.ops.Raising(value=column, on_error="skip")


class _Whole(Kernel):
    def execute(self, value: Sequence[Any]) -> Sequence[Any]:
        return value


RESUMED = """
import os, sys
sys.path[:0] = {path!r}
import beam_scanner.run.launch as launch
from beam_scanner import Client
from typing import Any
from beam_scanner import NamedStream, PerfParams, register_python_op
from beam_scanner.kernels import Kernel
from beam_scanner.storage.streams.python import PythonStream
from tests.support.client_helpers import IN_MEMORY
from tests.support.failing_kernels import Panic

class Dies(Kernel):
    def execute(self, value: Any) -> Any:
        if value[1] == 30 and not os.path.exists({mark!r}):
            open({mark!r}, "w").close()
            os._exit(9)
        if value[1] % 10 == 3:
            raise Panic("three")
        return value[1]

if __name__ == "__main__":
    register_python_op(name="Dies")(Dies)
    sc = Client(db_path={db!r}, options=IN_MEMORY)
    stream = PythonStream([("", row) for row in range(40)])
    column = sc.ops.Dies(value=sc.io.Input([stream]), on_error="null")
    number = sc.run(
        sc.io.Output(column, [NamedStream(sc, "out")]), PerfParams.manual(5, 10)
    )
    report = sc.report(number)
    print(report.reused, report.rows_failed)
"""


@pytest.mark.slow
def test_a_run_that_goes_on_tells_what_the_first_one_found(tmp_path: Path) -> None:
    db, mark = tmp_path / "db", tmp_path / "mark"
    script = tmp_path / "script.py"
    path = [entry for entry in sys.path if entry]
    script.write_text(
        textwrap.dedent(RESUMED).format(path=path, db=str(db), mark=str(mark))
    )
    args = [sys.executable, str(script)]
    first = subprocess.run(args, capture_output=True, text=True, timeout=120)
    assert first.returncode == 9, first.stderr
    again = subprocess.run(args, capture_output=True, text=True, timeout=120)
    assert again.stdout.split() == ["3", "4"], again.stderr
    assert [row["row"] for row in kept(db)] == [3, 13, 23, 33]


def test_a_run_that_was_stopped_knows_what_it_has_committed(tmp_path: Path) -> None:
    sc = open_client(tmp_path / "db")
    bad = tmp_path / "bad"
    bad.touch()

    @register_python_op(name="StoppedRunsPass")
    def stopped_runs_pass(config: Any, x: Any) -> int:
        if x == 5 and os.path.exists(path):
            raise ValueError("bad")
        return x

    path = str(bad)
    try:
        given = sc.io.Input([PythonStream([n]) for n in range(9)])
        made = [NamedStream(sc, f"out/{n}") for n in range(9)]
        output = sc.io.Output(sc.ops.StoppedRunsPass(x=given), made)
        perf = PerfParams.manual(1, 1)
        with pytest.raises(JobFailure):
            sc.run(output, perf, max_failures=0, show_progress=False)
        assert any(stream.committed() for stream in made)
        bad.unlink()
        # The same run again, under CacheMode.Error.
        sc.run(output, perf, show_progress=False)
        assert [next(stream.load()) for stream in made] == list(range(9))
        assert not any("/runs/" in name for name in work_left(tmp_path / "db"))
    finally:
        registry().remove("StoppedRunsPass")
