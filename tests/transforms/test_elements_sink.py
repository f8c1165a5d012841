"""Elements that become streams again."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam import typehints
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing import test_stream
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from beam_scanner import protobufs, types
from beam_scanner.elements.coders import Frame, leaving, value_hint
from beam_scanner.elements.keys import FrameKey
from beam_scanner.elements.records import Commit
from beam_scanner.errors import ArgumentError, Failure, StorageError
from beam_scanner.runners.local import local_run
from beam_scanner.storage import commit as publishing
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.transforms import elements_sink
from beam_scanner.transforms.elements_sink import (
    WriteElements,
    _Commit,
    _Target,
    _Write,
)
from beam_scanner.types import FrameType, NullElement, get_type_info
from beam_scanner.video.encoding import Encoding
from tests.support.pipeline_runs import Run
from tests.support.video_fixtures import frame_number, numbered_frame

Rows = Sequence[tuple[FrameKey, Any]]
IN_MEMORY = ["--direct_running_mode=in_memory"]
LOSSLESS = Encoding(codec="raw")


COMMITS: list[Commit] = []
FAILURES: list[Failure] = []


def keep(found: Commit | Failure) -> None:
    """By a global name, since pipelines copy whatever else a function refers to."""
    if isinstance(found, Failure):
        FAILURES.append(found)
    else:
        COMMITS.append(found)


class Database:
    """A database that rows are written to."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder)

    @property
    def commits(self) -> list[Commit]:
        return sorted(COMMITS)

    @property
    def failures(self) -> list[Failure]:
        return sorted(FAILURES, key=str)

    def stream(self, name: str) -> NamedStream:
        return NamedStream(NamedStorage(self.path), name)

    def write(
        self, rows: Rows, name: str = "out/{stream}", hint: Any = None, **options: Any
    ) -> None:
        """Writes rows in memory, and keeps what the sink gives."""
        COMMITS.clear()
        FAILURES.clear()
        with beam.Pipeline(FnApiRunner(), PipelineOptions(IN_MEMORY)) as pipeline:
            made = pipeline | beam.Create(rows)
            if hint is not None:
                typed = beam.Map(lambda kv: kv).with_output_types(
                    typehints.Tuple[FrameKey, hint]
                )
                made = made | "Typed" >> typed
            found = made | WriteElements(self.path, name, **options)
            _ = found.commits | "C" >> beam.Map(keep)
            _ = found.failures | "F" >> beam.Map(keep)

    def seconds(self, name: str) -> list[float]:
        with self.stream(name).reader() as reader:
            return reader.seconds(np.arange(len(reader))).tolist()

    def segment_files(self, name: str) -> list[str]:
        root = Path(self.path, name)
        return [str(p) for p in root.rglob("*") if p.is_file() and p.suffix != ".json"]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    made = Database(tmp_path / "db")
    monkeypatch.setattr(elements_sink, "VALUES_A_CHUNK", 4)
    monkeypatch.setattr(elements_sink, "FRAMES_A_CHUNK", 3)
    return made


def keys(stream: str, rows: Sequence[int], group: int = 0) -> list[FrameKey]:
    return [FrameKey(stream, group, row, row / 8) for row in rows]


VALUES: dict[str, tuple[Any, Any]] = {
    "bytes": (bytes, lambda row: b"%d" % row),
    "any": (Any, lambda row: {"row": row}),
    "array": (np.ndarray, lambda row: np.full((2, row % 3), row, np.int16)),
    "boxes": (
        types.BboxList,
        lambda row: [
            protobufs.BoundingBox(x1=row / 8, label=i) for i in range(row % 3)
        ],
    ),
    "frames": (FrameType, lambda row: np.full((4, 6, 1), row, np.float32)),
}


@pytest.mark.parametrize("kind", list(VALUES))
def test_rows_of_any_order_and_number(database: Database, kind: str) -> None:
    annotation, make = VALUES[kind]
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    info = get_type_info(annotation)
    given, wanted = [], {}
    for stream in ("a", "b/ü 1.mp4", "c"):
        rows = sorted(chance.sample(range(40), chance.randint(1, 20)))
        groups = sorted(chance.choices((0, 1, 5), k=len(rows)))
        made = []
        for group, row in zip(groups, rows, strict=True):
            time = chance.choice([None, row / 8])
            null = chance.random() < 0.2
            element = (
                make(row) if annotation is FrameType else info.serialize(make(row))
            )
            value = None if null else leaving(info)(element)
            made.append((FrameKey(stream, group, row, time), value))
        given += made
        wanted[stream] = made
    chance.shuffle(given)
    database.write(given, hint=value_hint(info, nullable=True))
    assert database.failures == []
    for stream, made in wanted.items():
        name = f"out/{stream}"
        found = list(database.stream(name).load())
        assert len(found) == len(made)
        for (key, value), loaded in zip(made, found, strict=True):
            if value is None:
                assert loaded == NullElement()
            else:
                np.testing.assert_equal(loaded, make(key.row))
        times = [np.nan if k.pts_seconds is None else k.pts_seconds for k, _ in made]
        np.testing.assert_array_equal(database.seconds(name), times)
        found_info = database.stream(name).type()
        assert found_info == info
    assert [(c.stream, c.rows) for c in database.commits] == [
        (f"out/{stream}", len(made)) for stream, made in sorted(wanted.items())
    ]
    for commit in database.commits:
        assert os.path.exists(os.path.join(commit.path, "stream.json"))
        fingerprint = database.stream(commit.stream).descriptor().fingerprint
        assert fingerprint == commit.fingerprint


def test_video(database: Database) -> None:
    rows = [3, 4, 7, 8, 9, 20]
    given = [(key, numbered_frame(key.row)) for key in keys("film.mp4", rows)]
    database.write(given[::-1], "small/{stream}", video=True, encoding=LOSSLESS)
    stream = database.stream("small/film.mp4")
    assert [frame_number(frame) for frame in stream.load()] == rows
    assert database.seconds("small/film.mp4") == [row / 8 for row in rows]
    assert [
        np.array_equal(f, numbered_frame(r))
        for f, r in zip(stream.load(), rows, strict=True)
    ] == [True] * 6
    assert len([f for f in stream.files() if f.endswith(".mp4")]) == 4


def test_no_more_than_a_chunk_is_held(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []
    in_order = elements_sink._in_order

    def spy(rows: Any) -> Any:
        found = in_order(rows)
        held.append(len(found))
        return found

    monkeypatch.setattr(elements_sink, "_in_order", spy)
    database.write([(key, b"x") for key in keys("a", range(0, 60, 2))])
    assert held == [2] * 15
    assert len(database.stream("out/a").files()) == 15


def test_a_row_that_comes_twice(database: Database) -> None:
    before = [(key, b"old") for key in keys("a", [0])]
    database.write(before)
    given = [(key, b"%d" % key.row) for key in keys("a", [0, 5, 9, 5])]
    others = [(key, b"x") for key in keys("b", [1])]
    database.write(given + others)
    (failure,) = database.failures
    assert (failure.stream, failure.row) == ("out/a", 5)
    assert str(failure) == "stream 'out/a', row 5: row 5 came more than once"
    assert [c.stream for c in database.commits] == ["out/b"]
    assert list(database.stream("out/a").load()) == [b"old"]
    assert len(database.segment_files("out/a")) == 1


def test_failures_that_nobody_reads(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [(FrameKey(s, 0, 0), 1) for s in "aab"]
    with Run() as run:
        _ = run.pipeline | beam.Create(rows) | WriteElements(database.path, "{stream}")
    assert "stream 'a', row 0: row 0 came more than once" in caplog.text
    assert run.counters["failures"] == run.counters["streams_committed"] == 1
    assert not database.stream("a").committed()


def test_what_is_there_stays_when_tidying_fails(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise StorageError("nothing can be deleted")

    monkeypatch.setattr(publishing, "tidy", fail)
    database.write([(key, b"x") for key in keys("a", range(9))])
    assert database.failures == []
    assert list(database.stream("out/a").load()) == [b"x"] * 9


def test_equal_rows_of_two_slice_groups_are_two_rows(database: Database) -> None:
    given = [(key, b"%d" % g) for g in (1, 0) for key in keys("a", [2], g)]
    database.write(given)
    assert list(database.stream("out/a").load()) == [b"0", b"1"]


@pytest.mark.parametrize(
    ("value", "options", "reason"),
    [
        (7, {"type": bytes}, "type Bytes expected bytes, got int 7"),
        ([1], {"video": True}, "type FrameType expected an H x W x C array, got list"),
        (beam.Row(x9=1), {"type": types.Bbox}, "type Bbox expected rows with its"),
    ],
)
def test_values_of_another_type(
    database: Database, value: Any, options: Any, reason: str
) -> None:
    good = {bytes: b"x", types.Bbox: beam.Row(x1=0.5)}
    right = good.get(options.get("type"), numbered_frame(1))
    database.write(
        [*((key, right) for key in keys("a", [0, 1])), (keys("a", [7])[0], value)]
        + [(key, right) for key in keys("b", [0])],
        **options,
    )
    (failure,) = database.failures
    assert (failure.stream, failure.row) == ("out/a", 7)
    assert failure.reason.startswith(reason)
    assert [c.stream for c in database.commits] == ["out/b"]
    assert not database.stream("out/a").committed()
    assert database.segment_files("out/a") == []


def test_frames_of_other_sizes(database: Database) -> None:
    sizes = [(64, 48)] * 3 + [(32, 24)]
    frames = [numbered_frame(i, size) for i, size in enumerate(sizes)]
    given = list(zip(keys("a", range(4)), frames, strict=True))
    database.write(given, video=True)
    (failure,) = database.failures
    assert "row 3 of stream 'out/a' is 32x24, earlier rows are 64x48" in failure.reason
    database.write(given, video=True, encoding=LOSSLESS)
    loaded = database.stream("out/a").load()
    assert [frame.shape[:2] for frame in loaded] == [(h, w) for w, h in sizes]


def test_two_streams_of_one_name(database: Database) -> None:
    given = [(key, b"x") for s in ("a", "b", "c") for key in keys(s, [0, 1])]
    database.write(given, "out")
    (failure,) = database.failures
    assert failure.stream == "out"
    assert failure.reason == (
        "'a' and 'b' would both be written to stream 'out': put {stream} into its name"
    )
    assert not database.stream("out").committed()
    database.write([row for row in given if row[0].stream == "a"], "out")
    assert [c.stream for c in database.commits] == ["out"]


@pytest.mark.parametrize("stream", ["../../x", "x" * 900, "bad\udc80"])
def test_impossible_stream_names(database: Database, stream: str) -> None:
    given = [(FrameKey(s, 0, 0), b"x") for s in (stream, "good")]
    database.write(given, "{stream}")
    (failure,) = database.failures
    assert failure.reason.startswith("stream name")
    assert [c.stream for c in database.commits] == ["good"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("db", ""), "expected a stream name"),
        (("db", 3), "expected a stream name"),
        (("db", "../{stream}"), "would leave the database folder"),
        (("nfs://db", "x"), "cannot open a database"),
        (("db", "x", True, bytes), "must be FrameType, not Bytes"),
    ],
)
def test_impossible_arguments(arguments: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        WriteElements(*arguments)


def test_what_is_refused_as_the_pipeline_is_built(tmp_path: Path) -> None:
    pipeline = beam.Pipeline()
    values = pipeline | beam.Create([(FrameKey("a", 0, 0), b"x")])
    sink = WriteElements(str(tmp_path), "x", encoding=LOSSLESS)
    with pytest.raises(ArgumentError, match="'x' is of type Bytes: only frames have"):
        _ = values | sink
    endless = beam.Pipeline() | test_stream.TestStream().advance_watermark_to_infinity()
    with pytest.raises(ArgumentError, match="an unbounded PCollection never completes"):
        _ = endless | WriteElements(str(tmp_path), "x")


def test_other_elements_end_the_pipeline(database: Database) -> None:
    """Where their type is not known; else the sink cannot be applied."""
    row = (FrameKey("a", 0, 1), b"x")
    for element in ("text", ("a", b"x"), FrameKey("a", 0, 0)):
        with pytest.raises(
            Exception, match=r"only \(FrameKey, value\) elements can be"
        ):
            database.write([row, element])  # type: ignore[list-item]


def test_nothing_to_write(database: Database) -> None:
    database.write([], type=bytes)
    assert (database.commits, database.failures) == ([], [])


@pytest.mark.slow
def test_replacing_a_stream(database: Database) -> None:
    rows = [(key, b"%d" % key.row) for key in keys("a", range(9))]
    database.write(rows)
    (first,) = database.commits
    kept = set(database.segment_files("out/a"))
    database.write(random.sample(rows, 9))
    (again,) = database.commits
    assert again == first
    assert len(database.segment_files("out/a")) == 3
    assert not kept & set(database.segment_files("out/a"))
    changes: list[tuple[Rows, Any]] = [
        (rows[:-1], {}),
        ([(rows[0][0], b"new"), *rows[1:]], {}),
        ([(replace(rows[0][0], pts_seconds=9.0), rows[0][1]), *rows[1:]], {}),
        ([(rows[0][0], None), *rows[1:]], {}),
        (rows, {"type": Any}),
    ]
    for changed, options in changes:
        database.write(changed, **options)
        (commit,) = database.commits
        assert commit.fingerprint != first.fingerprint


def test_bundles_that_are_tried_again(database: Database) -> None:
    with beam.Pipeline(FnApiRunner(), PipelineOptions(IN_MEMORY)) as pipeline:
        made = pipeline | beam.Create([(FrameKey("a", 0, 0), b"x")])
        target = WriteElements(database.path, "out/{stream}")._target(made)
    write, commit = _Write(target), _Commit(target)
    told = []
    for number in range(2):
        rows = [(4 * number + i, 0.5, b"%d" % i) for i in range(4)]
        element = (
            ("out/a", "a", 0, number),
            {"rows": rows, "place": [(number, 4 * number)]},
        )
        lost = list(write.process(element))
        told += list(write.process(element))
        assert len(lost) == 1
    assert len(database.segment_files("out/a")) == 4
    planned = ("planned", '[["a"], 2, ""]')
    results = [
        list(commit.process(("out/a", [planned, *(item for _, item in told)])))
        for _ in range(2)
    ]
    assert results[0] == results[1]
    assert len(database.segment_files("out/a")) == 2
    assert list(database.stream("out/a").load()) == [b"0", b"1", b"2", b"3"] * 2


def test_a_part_that_is_lost(database: Database) -> None:
    info = elements_sink.dumps_graph(get_type_info(bytes))  # type: ignore[attr-defined]
    target = _Target(database.path, "out/{stream}", "g1", info, None)
    told = list(
        _Write(target).process(
            (("out/a", "a", 0, 0), {"rows": [(0, 0.0, b"x")], "place": [(0, 0)]})
        )
    )
    planned = ("planned", '[["a"], 2, ""]')
    (found,) = _Commit(target).process(("out/a", [planned, told[0][1]]))
    assert found.tag == "failures"
    assert found.value.reason == (
        "stream 'out/a': 1 of 2 parts were written, although none failed"
    )
    assert database.segment_files("out/a") == []


def test_a_write_that_fails_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [OSError("a network that fails once")]
    write = elements_sink._Write._segment

    def flaky(*arguments: Any) -> Any:
        if left:
            raise left.pop()
        return write(*arguments)

    monkeypatch.setattr(elements_sink._Write, "_segment", flaky)
    database.write([(key, b"x") for key in keys("a", range(9))])
    assert database.failures == []
    assert database.stream("out/a").len() == 9


def test_a_disk_that_fails(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    write = elements_sink._Write._segment

    def fail(self: Any, name: str, *arguments: Any) -> Any:
        if name == "out/a":
            raise OSError("the disk is gone")
        return write(self, name, *arguments)

    monkeypatch.setattr(elements_sink._Write, "_segment", fail)
    database.write([(key, b"x") for s in "ab" for key in keys(s, range(9))])
    (failure,) = database.failures
    assert (failure.stream, failure.reason) == ("out/a", "OSError: the disk is gone")
    assert "test_elements_sink" in failure.traceback
    assert [c.stream for c in database.commits] == ["out/b"]


def test_commits_are_rows_and_sinks_are_used_twice(tmp_path: Path) -> None:
    values = [(key, b"x") for key in keys("a", range(3))]
    with beam.Pipeline(FnApiRunner(), PipelineOptions(IN_MEMORY)) as pipeline:
        made = pipeline | beam.Create(values)
        # Windows are Beam's: a stream is one whatever they are.
        windows = (
            made
            | beam.MapTuple(lambda k, v: TimestampedValue((k, v), k.row))
            | beam.WindowInto(FixedWindows(1))
        )
        both = [
            rows
            | label >> WriteElements(str(tmp_path), f"{label}/{{stream}}", type=bytes)
            for label, rows in (("one", made), ("two", windows))
        ]
        commits = [found.commits for found in both] | beam.Flatten()
        assert both[0].commits.element_type == Commit
        picked = commits | beam.Select("stream", "rows")
        wanted = [("one/a", 3), ("two/a", 3)]
        assert_that(picked | beam.Map(tuple), equal_to(wanted))


def test_type_hints_tell_the_type(database: Database) -> None:
    rows = [(key, numbered_frame(key.row)) for key in keys("a", range(2))]
    database.write(rows, hint=Frame)
    assert database.stream("out/a").type() == get_type_info(FrameType)
    database.write(rows, hint=np.ndarray)
    assert database.stream("out/a").type() == get_type_info(np.ndarray)
    database.write(rows, hint=typehints.Any)
    assert database.stream("out/a").type() == get_type_info(Any)


@pytest.mark.slow
@pytest.mark.processes
def test_worker_processes(tmp_path: Path) -> None:
    flags = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    found = {}
    for mode, options in (("processes", flags), ("memory", IN_MEMORY)):
        database = Database(tmp_path / mode)

        def build(pipeline: beam.Pipeline, path: str = database.path) -> None:
            rows = pipeline | beam.Create(range(70)) | beam.Reshuffle()
            frames = rows | beam.Map(numbered)
            _ = frames | WriteElements(path, "{stream}", video=True)

        local_run.run(local_run.pipeline_options(options), build)
        found[mode] = [
            (
                stream.fingerprint().partition(":")[0],
                [Path(f).read_bytes() for f in stream.files()],
            )
            for stream in (database.stream("even"), database.stream("odd"))
        ]
        assert [frame_number(f) for f in database.stream("odd").load()] == list(
            range(1, 70, 2)
        )
    assert found["processes"] == found["memory"]


def numbered(row: int) -> tuple[FrameKey, Any]:
    return FrameKey(("even", "odd")[row % 2], 0, row, row / 25), numbered_frame(row)
