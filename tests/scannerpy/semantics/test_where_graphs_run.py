"""Options, several clients, other programs."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

from beam_scanner import (
    Client,
    FrameType,
    NamedStream,
    NamedVideoStream,
    PerfParams,
)
from tests.support.client_helpers import (
    open_client,
    work_left,
)
from tests.support.semantics import run, times_of
from tests.support.video_fixtures import frame_number, numbered_frame

# Where graphs run


@pytest.mark.parametrize(
    "options",
    [
        None,
        [],
        ["--runner=DirectRunner"],
        ["--runner=FnApiRunner", "--direct_num_workers=1"],
        "typed",
    ],
    ids=str,
)
def test_options(tmp_path, small_video, options, monkeypatch):
    """All mean this machine; flags of the program itself are not read."""
    if options == "typed":
        options = pytest.importorskip(
            "apache_beam.options.pipeline_options"
        ).PipelineOptions([])
    monkeypatch.setattr(sys, "argv", ["program", "--runner=NoSuchRunner"])
    with Client(db_path=str(tmp_path / "db"), options=options) as sc:
        source = sc.io.Input([NamedVideoStream(sc, "clip", path=small_video)])
        output = NamedStream(sc, "out")
        run(sc, sc.io.Output(sc.ops.SemNumber(frame=source), [output]))
        assert list(output.load()) == list(range(1000, 1060))


# Several clients


@pytest.mark.slow
def test_two_clients_at_the_same_time(tmp_path, test_video):
    """Different outputs in one database, from two threads, over one new video."""
    errors = []

    def work(number):
        try:
            with open_client(tmp_path / "db") as sc:
                for turn in range(3):
                    source = sc.io.Input(
                        [NamedVideoStream(sc, "film", path=test_video)]
                    )
                    ranged = sc.streams.Range(source, [(number * 100, 720)])
                    made = sc.ops.SemNumber(frame=ranged)
                    name = f"out{number}-{turn}"
                    run(sc, sc.io.Output(made, [NamedStream(sc, name)]))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    with open_client(tmp_path / "db") as sc:
        for number in range(2):
            for turn in range(3):
                found = list(NamedStream(sc, f"out{number}-{turn}").load())
                assert found == list(range(number * 100, 720))
    assert not work_left(tmp_path / "db")


# Other programs


def test_outputs_open_in_other_programs(sc, frame):
    """pandas, DuckDB and a video player, with none of our code."""
    pd = pytest.importorskip("pandas")
    duckdb = pytest.importorskip("duckdb")
    av = pytest.importorskip("av")
    some = sc.streams.Stride(frame, [30])
    number = sc.ops.SemNumber(frame=some)
    hist = sc.ops.Histogram(frame=some)
    shots = sc.ops.ShotBoundaries(histograms=hist)
    blob = sc.ops.SemEmpty(x=number)
    names = ["hist", "blob", "shots", "video", "exact"]
    columns = [hist, blob, shots, some, some.lossless()]
    streams = [
        (NamedVideoStream if column.type is None else NamedStream)(sc, name)
        for name, column in zip(names, columns, strict=True)
    ]
    run(
        sc,
        [sc.io.Output(c, [s]) for c, s in zip(columns, streams, strict=True)],
        PerfParams.manual(1, 4),
    )
    for stream in streams:
        files = stream.files(".parquet")
        table = pd.concat([pd.read_parquet(file) for file in files])
        assert table["row"].tolist() == list(range(24))
        assert table["time"].to_numpy() == pytest.approx(np.arange(24) * 30 / 25)
        found = duckdb.sql(
            f"select count(*), min(row), max(row) from read_parquet({files})"
        ).fetchall()
        assert found == [(24, 0, 23)]
    histograms = [
        value for file in streams[0].files() for value in pd.read_parquet(file)["value"]
    ]
    for value, expected in zip(histograms, streams[0].load(), strict=True):
        assert np.array_equal(np.stack([np.asarray(v) for v in value]), expected)
    [(pixels,)] = duckdb.sql(
        f"select list_sum(value[1]) from read_parquet({streams[0].files()}) limit 1"
    ).fetchall()
    assert pixels == 64 * 48
    for stream in streams[3:]:
        pictures = []
        for file in stream.files(".mp4"):
            with av.open(file) as container:
                pictures += [
                    f.to_ndarray(format="rgb24") for f in container.decode(video=0)
                ]
        assert [frame_number(p) for p in pictures] == list(range(0, 720, 30))
    exact = NamedVideoStream(sc, "film").load(rows=range(0, 720, 30))
    assert all(np.array_equal(a, b) for a, b in zip(pictures, exact, strict=True))


def test_frames_written_by_hand_are_an_input(sc):
    stream = NamedVideoStream(sc, "by hand")
    stream.save([numbered_frame(i) for i in (5, 2)], FrameType, seconds=[1.0, 1.5])
    output = NamedStream(sc, "out")
    made = sc.ops.SemNumber(frame=sc.io.Input([stream]))
    run(sc, sc.io.Output(made, [output]))
    assert list(output.load()) == [5, 2]
    assert times_of(output) == [1.0, 1.5]
