"""Failures of pipelines: as data beside their outputs, and no more than once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
import pytest

from beam_scanner.elements.keys import FrameKey
from beam_scanner.errors import ElementTypeError
from beam_scanner.storage.failure_files import COLUMNS
from beam_scanner.transforms import (
    Gather,
    ReadAllFromNamedStream,
    ReadFromNamedStream,
    WriteToNamedStream,
    op,
)
from tests.support.pipeline_runs import Run, save, stream


class Panic(BaseException):
    """What no ``except Exception`` catches."""


def _picky(config: Any, value: int) -> int:
    """Panics at multiples of 7."""
    if value % 7 == 0:
        raise Panic(f"value {value} \udcff")
    return value + 1


Picky = op(_picky)
STREAMS = {"x/a": range(1, 30), "x/b": range(1, 5), "x/c": range(14, 20)}


@pytest.fixture
def db(tmp_path: Path) -> Path:
    for name, values in STREAMS.items():
        save(tmp_path / "in", name, values, int)
    return tmp_path


def read(run: Run, db: Path) -> Any:
    return run.pipeline | ReadFromNamedStream(str(db / "in"), "x/*", type=int)


def kept(db: Path) -> list[dict[str, Any]]:
    """What was left in all files of a database."""
    files = sorted((db / "failures").glob("*.parquet"))
    tables = [pq.read_table(file) for file in files]
    assert all(table.schema.equals(COLUMNS) for table in tables)
    return [row for table in tables for row in table.to_pylist()]


def test_a_sink_leaves_its_failures_beside_its_outputs(db: Path) -> None:
    out, other = db / "out", db / "other"
    with Run() as run:
        made = read(run, db) | Picky()
        run.keep_written("out", made | WriteToNamedStream(str(out), "{stream}"))
        made | "Other" >> WriteToNamedStream(str(other), "{stream}")
    assert run.commits("out") == ["x/b"]
    assert sorted(run.failures("out")) == ["x/a", "x/c"]
    for each in (out, other):
        (file,) = (each / "failures").iterdir()
        assert file.suffix == ".parquet"
        rows = sorted(kept(each), key=lambda row: row["stream"])
        assert [(row["stream"], row["row"]) for row in rows] == [("x/a", 6), ("x/c", 0)]
        assert {row["exception"] for row in rows} == {"Panic"}
        assert rows[0]["message"] == "value 7 \\udcff"
        assert rows[0]["kind"] == "exception"
        assert "_picky" in rows[0]["traceback"]
        assert rows[0]["ended"] is not None
    assert not (db / "in" / "failures").exists()


def test_where_nothing_fails_nothing_is_left(db: Path) -> None:
    with Run() as run:
        few = read(run, db) | Gather([1])
        few | Picky() | WriteToNamedStream(str(db / "out"), "{stream}")
    assert stream(db / "out", "x/a").committed()
    assert not (db / "out" / "failures").exists()


def test_rows_that_leave_without_a_sink_leave_failures_in_the_work_database(
    db: Path,
) -> None:
    with Run(f"--scanner_db={db / 'work'}") as run:
        run.keep("rows", read(run, db) | Picky())
    assert {row["stream"] for row in kept(db / "work")} == {"x/a", "x/c"}


def test_what_is_found_before_tasks_is_a_failure_too(db: Path) -> None:
    save(db / "in", "x/text", ["a"], str)
    with Run() as run:
        names = run.pipeline | beam.Create(["x/b", "x/none", "x/text"])
        made = names | ReadAllFromNamedStream(str(db / "in"), type=int) | Picky()
        made | WriteToNamedStream(str(db / "out"), "{stream}")
    rows = {row["stream"]: row for row in kept(db / "out")}
    assert set(rows) == {"x/none", "x/text"}
    assert {row["kind"] for row in rows.values()} == {"input"}


def test_null_instead_of_failing(db: Path) -> None:
    """Each row once, though two branches compute some of them, and both ways out."""
    with Run() as run:
        made = read(run, db) | Picky(on_error="null")
        run.keep("rows", made)
        run.keep_written("out", made | WriteToNamedStream(str(db / "out"), "{stream}"))
        few = made | Gather([0, 1])
        few | "Few" >> WriteToNamedStream(str(db / "out"), "few/{stream}")
        run.keep("failures", made.failures)
    wanted = {
        (name, row)
        for name, values in STREAMS.items()
        for row, value in enumerate(values)
        if value % 7 == 0
    }
    assert run.commits("out") == sorted(STREAMS)
    gone = {(k.stream, k.row) for k, value in run.rows("rows") if value is None}
    assert gone == wanted
    assert len(run.rows("rows")) == sum(map(len, STREAMS.values()))
    told = run.rows("failures")
    assert sorted((f.stream, f.row) for f in told) == sorted(wanted)
    rows = kept(db / "out")
    assert sorted((row["stream"], row["row"]) for row in rows) == sorted(wanted)
    assert {row["kind"] for row in rows} == {"row"}
    assert {row["exception"] for row in rows} == {"Panic"}


def test_nulls_that_leave_have_room_in_the_declared_type(db: Path) -> None:
    run = Run()
    made = read(run, db) | Picky(on_error="null")
    assert made.element_type == beam.typehints.Tuple[FrameKey, int | None] or (
        "None" in str(made.element_type)
    )
    with Run() as again:
        strict = read(again, db) | Picky(on_error="null").with_output_types(
            tuple[FrameKey, int]
        )
        again.keep("rows", strict)
        again.keep("failures", strict.failures)
    failed = [f for f in again.rows("failures") if f.kind == "exception"]
    assert {f.stream for f in failed} == {"x/a", "x/c"}
    assert all(f.exception == ElementTypeError.__name__ for f in failed)


def test_a_pipeline_stops_after_too_many_failures(tmp_path: Path) -> None:
    for number in range(30):
        save(tmp_path / "in", f"x/{number:02d}", [7, number], int)
    with Run("--max_failures=2") as run:
        made = run.pipeline | ReadFromNamedStream(str(tmp_path / "in"), "x/*", type=int)
        written = made | Picky() | WriteToNamedStream(str(tmp_path / "out"), "{stream}")
        run.keep_written("out", written)
    rows = kept(tmp_path / "out")
    assert sum(row["kind"] == "exception" for row in rows) == 3
    skipped = [row for row in rows if row["kind"] == "skipped"]
    assert len(skipped) == 27
    assert "stopped after 3 streams failed (max_failures=2)" in skipped[0]["message"]


def test_elements_that_come_back(db: Path) -> None:
    keys = [FrameKey("a", 0, 0), FrameKey("a", 0, 0), FrameKey("b", 0, 0)]
    with Run() as run:
        rows = run.pipeline | beam.Create([(key, 1) for key in keys])
        run.keep_written("out", rows | WriteToNamedStream(str(db / "out"), "{stream}"))
    assert run.commits("out") == ["b"]
    ((row),) = kept(db / "out")
    assert (row["stream"], row["row"]) == ("a", 0)
