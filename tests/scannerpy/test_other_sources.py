"""Streams that are not videos, as inputs and outputs of graphs that are run."""

from __future__ import annotations

import json
import pickle
import struct
import wave
from typing import Any

import numpy as np
import pytest

from beam_scanner import (
    CacheMode,
    JobFailure,
    Kernel,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    ScannerException,
    register_python_op,
)
from beam_scanner.errors import ElementTypeError, RowError
from beam_scanner.kernels import registry
from beam_scanner.storage import (
    AudioStream,
    CaptionStream,
    FilesStream,
    PackedFileStream,
    PythonStream,
    StoredStream,
)
from beam_scanner.types import FrameType
from tests.support.client_helpers import PROCESSES, open_client

RATE = 8000
PERF = PerfParams.manual(4, 8)


@pytest.fixture(autouse=True)
def _ops_of_this_file():
    class Loudness(Kernel):
        def execute(self, audio: FrameType) -> Any:
            return float(np.abs(audio).mean())

    class Words(Kernel):
        def execute(self, captions: bytes) -> Any:
            return " ".join(caption["line"] for caption in json.loads(captions))

    class Join(Kernel):
        def execute(self, loudness: Any, words: Any) -> Any:
            return (round(loudness, 3), words)

    for kernel in (Loudness, Words, Join):
        register_python_op()(kernel)
    yield
    for kernel in (Loudness, Words, Join):
        registry().remove(kernel.__name__)


@pytest.fixture
def sound(tmp_path):
    """20 seconds; second i has amplitude i / 100."""
    path = tmp_path / "sound.wav"
    samples = np.repeat(np.arange(20) * 32768 // 100, RATE)
    samples[::2] *= -1
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return str(path)


@pytest.fixture
def captions(tmp_path):
    """One every other second."""
    path = tmp_path / "captions.srt"
    blocks = [
        f"{i}\n00:00:{2 * i:02},500 --> 00:00:{2 * i + 1:02},000\nline {i}\n"
        for i in range(10)
    ]
    path.write_text("\n".join(blocks))
    return str(path)


def _run(sc, column, output, mode=CacheMode.Overwrite):
    made = sc.io.Output(column, [output])
    return sc.run(made, PERF, cache_mode=mode, show_progress=False)


@pytest.mark.parametrize(
    "options",
    [None, pytest.param(PROCESSES, marks=pytest.mark.processes)],
    ids=["here", "processes"],
)
def test_sound_and_captions_are_joined_by_time(options, sound, captions, tmp_path):
    with open_client(tmp_path / "db", options) as sc:
        audio = sc.io.Input([AudioStream(sound, frame_size=1.0)])
        lines = sc.io.Input([CaptionStream(captions, window_size=1.0, max_time=20)])
        joined = sc.ops.Join(
            loudness=sc.ops.Loudness(audio=audio), words=sc.ops.Words(captions=lines)
        )
        output = NamedStream(sc, "joined")
        _run(sc, sc.streams.Stride(joined, [2]), output)
        assert list(output.load()) == [
            (pytest.approx(2 * i / 100, abs=1e-3), f"line {i}") for i in range(10)
        ]
        # Rows keep the times of what they were made from.
        with output.reader() as reader:
            assert reader.seconds(np.arange(10)).tolist() == list(range(0, 20, 2))


@pytest.mark.parametrize(
    "options",
    [None, pytest.param(PROCESSES, marks=pytest.mark.processes)],
    ids=["here", "processes"],
)
def test_values_and_packed_files_to_files(options, tmp_path):
    values = [{"n": i} for i in range(20)]
    packed = tmp_path / "packed"
    packed.write_bytes(struct.pack("<21Q20s", 20, *[1] * 20, bytes(range(20))))
    paths = [tmp_path / "out" / f"{i}.bin" for i in range(20)]
    with open_client(tmp_path / "db", options) as sc:
        output = FilesStream(paths)
        _run(sc, sc.ops.Pass(input=sc.io.Input([PythonStream(values)])), output)
        assert [pickle.loads(element) for element in output.load()] == values
        again = NamedStream(sc, "again")
        _run(sc, sc.ops.Pass(input=sc.io.Input([output])), again)
        assert [pickle.loads(element) for element in again.load()] == values
        if options is not None:
            return
        # Replaced when all are there.
        source = sc.io.Input([PackedFileStream(packed)])
        _run(sc, sc.ops.Pass(input=source), output)
        assert list(output.load()) == [bytes([i]) for i in range(20)]
        assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(
            path.name for path in paths
        )


def test_sound_is_stored_exactly(sound, sc):
    output = NamedVideoStream(sc, "sound")
    _run(sc, sc.io.Input([AudioStream(sound, frame_size=1.5)]), output)
    direct = list(AudioStream(sound, frame_size=1.5).load())
    assert output.len() == len(direct) == 13
    assert all(map(np.array_equal, output.load(), direct))


def test_values_of_a_python_stream_go_through_ops_as_values(sc):
    output = NamedStream(sc, "values")
    values = sc.io.Input([PythonStream([1.0, 2.0])])
    words = sc.io.Input([PythonStream(["a", "b"])])
    _run(sc, sc.ops.Join(loudness=values, words=words), output)
    assert list(output.load()) == [(1.0, "a"), (2.0, "b")]


def test_results_are_kept_while_the_content_is_the_same(sc, tmp_path):
    class Counts(FilesStream):
        reads = 0

        def load_bytes(self, rows=None):
            Counts.reads += 1
            return super().load_bytes(rows)

    path = tmp_path / "in.bin"
    path.write_bytes(b"1")
    output = NamedStream(sc, "kept")

    def run():
        made = sc.io.Output(sc.io.Input([Counts([path])]), [output])
        return sc.run(made, PERF, cache_mode=CacheMode.Ignore, show_progress=False)

    assert run() is not None
    assert run() is None
    reads = Counts.reads
    path.write_bytes(b"2")
    assert run() is not None
    assert Counts.reads > reads
    assert list(output.load()) == [b"2"]


def test_what_can_be_known_before_workers_start(sound, sc, tmp_path):
    frames = sc.io.Input([AudioStream(sound, 1.0)])
    with pytest.raises(ElementTypeError, match=r"holds bytes, .* encode them"):
        sc.io.Output(frames, [FilesStream([tmp_path / "a"])])
    rows = sc.io.Input([PythonStream([b"a", b"b"])])
    with pytest.raises(ScannerException, match="two rows would be written to file"):
        sc.io.Output(rows, [FilesStream([tmp_path / "a", tmp_path / "a"])])
    with pytest.raises(ScannerException, match="cannot serve as a Scanner output"):
        sc.io.Output(rows, [PythonStream([])])


@pytest.mark.parametrize("kind", ["missing", "text", "length"])
def test_a_bad_input_fails_its_own_stream(kind, sound, captions, sc, tmp_path):
    """Whatever it is that cannot be read, and whenever that shows."""
    good = tmp_path / "good.bin"
    good.write_bytes(b"good")
    packed = tmp_path / "packed"
    packed.write_bytes(struct.pack("<2Q1s", 1, 1, b"p"))
    bad = tmp_path / "bad"
    if kind == "text":
        bad.write_text("nothing of the kind")
    elif kind == "length":
        bad.write_bytes(struct.pack("<2Q", 1, 9))
    streams = {
        "sound": (AudioStream(sound, 1.0), AudioStream(bad, 1.0)),
        "captions": (CaptionStream(captions, 1.0, 20), CaptionStream(bad, 1.0, 20)),
        "packed": (PackedFileStream(packed), PackedFileStream(bad)),
        "files": (FilesStream([good]), FilesStream([good, tmp_path / "none"])),
    }
    for name, pair in streams.items():
        if name == "captions" and kind == "length":
            continue
        # The bad one comes last, first, or alone.
        inputs = {"missing": pair, "text": pair[::-1], "length": pair[1:]}[kind]
        output = NamedVideoStream if name == "sound" else NamedStream
        outputs = [output(sc, f"{name} {i}") for i in range(len(inputs))]
        wrong = inputs.index(pair[1])
        made = sc.io.Output(sc.io.Input(list(inputs)), outputs)
        with pytest.raises(JobFailure) as caught:
            sc.run(made, PERF, show_progress=False)
        (failure,) = caught.value.failures
        assert failure.stream == f"{name} {wrong}"
        path = tmp_path / ("none" if name == "files" else "bad")
        assert str(path) in failure.reason
        assert "\n" not in failure.reason
        committed = [stream.committed() for stream in outputs]
        assert committed == [i != wrong for i in range(len(inputs))]


def test_an_input_that_raises_what_it_likes(sc, tmp_path):
    """Streams of the user's own are inputs like all others."""

    class Own(PythonStream):
        def len(self):
            if self.value == "broken":
                raise KeyError("no such row")
            return super().len()

        def __init__(self, value):
            self.value = value
            super().__init__([value])

        reader = StoredStream.reader

    inputs = [Own("a"), Own("broken"), Own("b")]
    outputs = [NamedStream(sc, f"own {i}") for i in range(3)]
    with pytest.raises(
        JobFailure, match=r"KeyError: 'no such row' \(own 1\)"
    ) as caught:
        sc.run(sc.io.Output(sc.io.Input(inputs), outputs), PERF, show_progress=False)
    assert len(caught.value.failures) == 1
    assert [stream.committed() for stream in outputs] == [True, False, True]
    # Of a graph that is wrong, too, all inputs are looked at, and none is to blame.
    gathered = sc.streams.Gather(sc.io.Input(inputs[::2]), [[0], [9]])
    with pytest.raises(RowError, match="row 9 is out of range"):
        sc.run(sc.io.Output(gathered, outputs[::2]), PERF, CacheMode.Overwrite)


def test_a_path_for_each_row(sc, tmp_path):
    rows = sc.io.Input([PythonStream([b"a", b"b", b"c"])])
    output = FilesStream([tmp_path / "0", tmp_path / "1"])
    with pytest.raises(JobFailure, match="2 paths, and needs one for each row"):
        _run(sc, rows, output)
    assert not output.exists()
    few = FilesStream([tmp_path / str(i) for i in range(4)])
    with pytest.raises(JobFailure, match="has 4 paths, but 3 rows are to be written"):
        _run(sc, rows, few)
    assert not few.exists()
