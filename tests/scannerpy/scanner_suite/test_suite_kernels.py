"""Scanner's own tests of sources, sinks, Python kernels and failures."""

from __future__ import annotations

import os
import pickle
import signal
import struct
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Tuple  # noqa: UP035

import numpy as np
import psutil
import pytest

from beam_scanner import (
    Client,
    ColumnType,
    FrameType,
    JobFailure,
    Kernel,
    KernelConfig,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    ScannerException,
    register_python_op,
)
from beam_scanner.run.tasks import supervisor
from tests.support.client_helpers import PROCESSES, numbers, open_client
from tests.support.scanner_suite import (
    FilesStream,
    PackedFile,
    PythonStream,
    clip,
    run,
)
from tests.support.video_fixtures import frame_number


def test_packed_file_source(cl, tmp_path):
    path = tmp_path / "packed"
    path.write_bytes(struct.pack("=5Q", 4, 0, 1, 2, 3))
    data = cl.io.Input([PackedFile(str(path))])
    output = NamedStream(cl, "test_cpp_source")
    run(cl, cl.io.Output(cl.ops.Pass(input=data), [output]))
    assert [struct.unpack("=Q", b)[0] for b in output.load()] == [0, 1, 2, 3]


def test_files_source_and_sink(cl, tmp_path):
    paths = [str(tmp_path / f"in{i}") for i in range(4)]
    for i, path in enumerate(paths):
        Path(path).write_bytes(struct.pack("=Q", i))
    data = cl.ops.Pass(input=cl.io.Input([FilesStream(paths)]))
    named = NamedStream(cl, "test_files_source")
    written = [str(tmp_path / f"out{i}") for i in range(4)]
    sink = FilesStream(written)
    run(cl, [cl.io.Output(data, [named]), cl.io.Output(data, [sink])])
    expected = [struct.pack("=Q", i) for i in range(4)]
    assert list(named.load()) == expected
    assert [Path(path).read_bytes() for path in written] == expected
    assert list(sink.load()) == expected


def test_python_source(cl):
    rows = [{f"{i}": i} for i in range(4)]
    data = cl.io.Input([PythonStream(rows)])
    output = NamedStream(cl, "test_python_source")
    run(cl, cl.io.Output(cl.ops.Pass(input=data), [output]))
    assert list(output.load(fn=pickle.loads)) == rows
    assert [pickle.loads(b) for b in output.load()] == rows


@register_python_op()
class SuitePy(Kernel):
    def __init__(self, config, kernel_arg):
        assert kernel_arg == 1
        self.x = 20
        self.y = 20

    def new_stream(self, x, y):
        self.x = x
        self.y = y

    def execute(self, frame: FrameType) -> Any:
        return {"x": self.x, "y": self.y, "row": frame_number(frame)}


def test_python_kernel(cl):
    range_frame = cl.streams.Range(clip(cl), ranges=[{"start": 0, "end": 3}])
    test_out = cl.ops.SuitePy(frame=range_frame, kernel_arg=1, x=[0], y=[0])
    output = NamedStream(cl, "test_hist")
    run(cl, cl.io.Output(test_out, [output]))
    assert list(output.load()) == [{"x": 0, "y": 0, "row": i} for i in range(3)]


@register_python_op()
class SuiteResource(Kernel):
    def __init__(self, config, path):
        self.path = path

    def fetch_resources(self):
        count = int(Path(self.path).read_text())
        Path(self.path).write_text(str(count + 1))

    def setup_with_resources(self):
        assert int(Path(self.path).read_text()) == 1

    def execute(self, frame: FrameType) -> Any:
        return None


def test_fetch_resources(cl, tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")
    range_frame = cl.streams.Range(clip(cl), [(0, 30)])
    test = cl.ops.SuiteResource(frame=range_frame, path=str(counter))
    output = NamedStream(cl, "test_fetch_resources")
    with pytest.warns(UserWarning, match="pipeline_instances_per_node"):
        perf = PerfParams.manual(1, 3, pipeline_instances_per_node=2)
    run(cl, cl.io.Output(test, [output]), perf)
    assert list(output.load()) == [None] * 30
    assert counter.read_text() == "1"


@register_python_op(batch=50)
class SuitePyBatch(Kernel):
    def execute(self, frame: Sequence[FrameType]) -> Sequence[bytes]:
        assert 1 <= len(frame) <= 50
        return [b"%d" % frame_number(f) for f in frame]


@register_python_op(stencil=[0, 1])
class SuitePyStencil:
    """Without the base class, as in Scanner's guide."""

    def __init__(self, config):
        assert isinstance(config, KernelConfig)
        assert config.input_column_types == [ColumnType.Video]

    def execute(self, frame: Sequence[FrameType]) -> bytes:
        assert len(frame) == 2
        return b"%d %d" % tuple(frame_number(f) for f in frame)


@register_python_op(stencil=[0, 1], batch=50)
class SuitePyStencilBatch(Kernel):
    def execute(self, frame: Sequence[Sequence[FrameType]]) -> Sequence[bytes]:
        assert len(frame[0]) == 2
        return [b"%d %d" % tuple(frame_number(f) for f in pair) for pair in frame]


def test_python_batch_and_stencil_kernels(cl):
    range_frame = cl.streams.Range(clip(cl), [(0, 30)])
    made = [
        cl.ops.SuitePyBatch(frame=range_frame, batch=50),
        cl.ops.SuitePyStencil(frame=range_frame),
        cl.ops.SuitePyStencilBatch(frame=range_frame, batch=50),
    ]
    outputs = [NamedStream(cl, f"test_batch_{i}") for i in range(3)]
    run(cl, [cl.io.Output(m, [o]) for m, o in zip(made, outputs, strict=True)])
    pairs = [b"%d %d" % (i, min(i + 1, 29)) for i in range(30)]
    assert list(outputs[0].load()) == [b"%d" % i for i in range(30)]
    assert list(outputs[1].load()) == pairs
    assert list(outputs[2].load()) == pairs


def test_bind_op_args(cl):
    stream = NamedVideoStream(cl, "test1")
    frame = cl.io.Input([stream, stream])
    range_frame = cl.streams.Range(frame, [(0, 1), (1, 2)])
    test_out = cl.ops.SuitePy(frame=range_frame, kernel_arg=1, x=[1, 10], y=[5, 50])
    outputs = [NamedStream(cl, "test_hist_0"), NamedStream(cl, "test_hist_1")]
    run(cl, cl.io.Output(test_out, outputs))
    assert [list(output.load()) for output in outputs] == [
        [{"x": 1, "y": 5, "row": 0}],
        [{"x": 10, "y": 50, "row": 1}],
    ]


@register_python_op()
def SuitePyVariadic(
    config,
    *frame: Tuple[FrameType, ...],  # noqa: UP006
) -> FrameType:
    assert len(frame) == 3
    return frame[0]  # type: ignore[return-value]


def test_py_variadic(cl):
    range_frame = cl.streams.Range(clip(cl), [(0, 30)])
    test_out = cl.ops.SuitePyVariadic(range_frame, range_frame, range_frame)
    output = NamedVideoStream(cl, "test_variadic")
    run(cl, cl.io.Output(test_out.lossless(), [output]))
    expected = NamedVideoStream(cl, "test1").load(rows=range(30))
    assert all(
        np.array_equal(a, b) for a, b in zip(output.load(), expected, strict=True)
    )


def test_blur_lossless_and_compressed(cl):
    cv2 = pytest.importorskip("cv2")
    range_frame = cl.streams.Range(clip(cl), [(0, 30)])
    blurred = cl.ops.Blur(frame=range_frame, kernel_size=3, sigma=0.1)
    made = [
        blurred.lossless(),
        blurred.compress("video", bitrate=1 * 1024 * 1024),
        blurred.compress_video(quality=35),
        blurred.compress_default(),
        blurred,
    ]
    outputs = [NamedVideoStream(cl, f"test_blur_{i}") for i in range(len(made))]
    run(cl, [cl.io.Output(m, [o]) for m, o in zip(made, outputs, strict=True)])
    expected = [
        cv2.GaussianBlur(frame, (3, 3), 0.1)
        for frame in NamedVideoStream(cl, "test1").load(rows=range(30))
    ]
    loaded = list(outputs[0].load())
    assert {(f.shape, f.dtype.name) for f in loaded} == {((48, 64, 3), "uint8")}
    assert all(np.array_equal(a, b) for a, b in zip(loaded, expected, strict=True))
    for output in outputs[1:]:
        assert numbers(output) == list(range(30))
        near = [
            np.abs(a.astype(int) - b).mean() < 12
            for a, b in zip(output.load(), expected, strict=True)
        ]
        assert all(near)
    sizes = [sum(os.path.getsize(f) for f in o.files(".mp4")) for o in outputs[:3]]
    assert sizes[2] < sizes[1]
    assert sizes[2] < sizes[0]


def test_save_mp4(cl, tmp_path):
    av = pytest.importorskip("av")
    range_frame = cl.streams.Range(clip(cl), [(0, 30)])
    blurred = cl.ops.Blur(frame=range_frame, kernel_size=3, sigma=0.1)
    output = NamedVideoStream(cl, "test_save_mp4")
    run(cl, cl.io.Output(blurred, [output]))
    for name in ("saved", "twice.mp4"):
        output.save_mp4(str(tmp_path / name))
        with av.open(str(tmp_path / name.removesuffix(".mp4")) + ".mp4") as container:
            shown = [frame.to_ndarray(format="rgb24") for frame in container.decode()]
        assert [frame_number(frame) for frame in shown] == list(range(30))


def test_no_workers(tmp_path):
    with pytest.raises(ScannerException, match=r"workers=\[\].*options="):
        Client(db_path=str(tmp_path), workers=[])
    with pytest.raises(ScannerException, match="options="):
        Client(db_path=str(tmp_path), master="localhost:5001", workers=["a:1"])


@register_python_op()
def SuiteSleepFrame(config, ignore: FrameType) -> Any:
    time.sleep(0.01)
    return frame_number(ignore)


def _kill_a_worker(after):
    """SIGKILLs one of Beam's worker processes below this one, when ``after`` says."""
    while not after():
        time.sleep(0.05)
    for process in psutil.Process().children(recursive=True):
        if any("beam_scanner" in part for part in process.cmdline()):
            os.kill(process.pid, signal.SIGKILL)
            return


@pytest.mark.processes
# Threads of Beam's that served the worker die with it.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_fault_tolerance(tmp_path, test_video):
    """A worker dies: another takes its place, and the run goes on."""
    db = tmp_path / "db"

    def graph(sc):
        frame = sc.io.Input([NamedVideoStream(sc, "test1", path=test_video)])
        range_frame = sc.streams.Range(frame, ranges=[{"start": 0, "end": 480}])
        output = NamedStream(sc, "test_fault_tolerance")
        slow = sc.ops.SuiteSleepFrame(ignore=range_frame)
        return sc.io.Output(slow, [output]), output

    def some_are_done():
        return len(list(db.glob(".work/jobs/**/0-0*"))) >= 4

    with open_client(db, PROCESSES) as sc:
        output_op, output = graph(sc)
        killer = threading.Thread(
            target=_kill_a_worker, args=(some_are_done,), daemon=True
        )
        killer.start()
        # A keyframe every 24 frames: no task is smaller than that.
        assert sc.explain(output_op, PerfParams.manual(1, 1)).tasks == 20
        report = sc.report(run(sc, output_op, PerfParams.manual(1, 1)))
        killer.join()
        assert report.committed == ["test_fault_tolerance"]
        assert report.tasks == 20
        assert list(output.load()) == list(range(480))


@register_python_op()
class SuiteFail(Kernel):
    def execute(self, frame: FrameType) -> bytes:
        raise ScannerException("Test")


def test_job_blacklist(cl):
    range_frame = cl.streams.Range(clip(cl), ranges=[{"start": 0, "end": 1}])
    output = NamedStream(cl, "test_py_fail")
    output_op = cl.io.Output(cl.ops.SuiteFail(frame=range_frame), [output])
    run(cl, output_op, on_failure="return")
    assert not output.committed()
    with pytest.raises(JobFailure, match="SuiteFail, row 0: ScannerException: Test"):
        run(cl, output_op)


@register_python_op()
class SuiteSleepLong(Kernel):
    def __init__(self, config, begun: str) -> None:
        self.begun = Path(begun)

    def execute(self, ignore: FrameType) -> bytes:
        (self.begun / str(os.getpid())).touch()
        time.sleep(600)
        return b""


@pytest.mark.slow
def test_job_timeout(cl, tmp_path, monkeypatch):
    begun = tmp_path / "begun"
    begun.mkdir()

    class Clock(supervisor._Clock):
        """Counts no time in which a slow machine has not come to the op."""

        def __init__(self, limit, process, is_cancelled):
            super().__init__(limit, process, is_cancelled)
            self.begun = begun / str(process)

        def look(self) -> None:
            if self.begun.exists():
                super().look()

    monkeypatch.setattr(supervisor, "_Clock", Clock)
    range_frame = cl.streams.Range(clip(cl), ranges=[{"start": 0, "end": 1}])
    output = NamedStream(cl, "test_timeout")
    output_op = cl.io.Output(
        cl.ops.SuiteSleepLong(ignore=range_frame, begun=str(begun)), [output]
    )
    with pytest.raises(
        ScannerException, match=r"op SuiteSleepLong, row 0: .*task_timeout"
    ):
        run(cl, output_op, task_timeout=0.1)
    assert not output.committed()
