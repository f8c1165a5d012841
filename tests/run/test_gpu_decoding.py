"""Whole runs that decode on a device: rows, copies, fingerprints, what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions

from beam_scanner import (
    CacheMode,
    Client,
    DeviceType,
    FrameType,
    JobFailure,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    register_python_op,
)
from beam_scanner.beam_internals.given_options import is_given
from beam_scanner.errors import ArgumentError, VideoError
from beam_scanner.graph.nodes import topological
from beam_scanner.kernels import Kernel, registry
from beam_scanner.run import gpu_stages, launch
from beam_scanner.run.gpu_stages import check_gpus, gpu_phases, uses_gpu
from beam_scanner.run.shared_graph import SharedGraph, in_phases
from beam_scanner.transforms import (
    Op,
    ReadFromVideo,
    Stride,
    WriteToNamedStream,
)
from beam_scanner.video import device_decoding, nvidia
from tests.support.corpus import indexed_kind
from tests.support.fake_device import FakeDevice, fake_device
from tests.support.fake_library import FakeLibrary, fake_cupy, ndarray
from tests.support.video_fixtures import frame_number, make_video

CUDA = PerfParams.estimate(decoder="cuda")
OPS = ("OnDevice", "OnHost", "InPlace", "Windowed", "Halved", "GrayThere")


@pytest.fixture
def cupy() -> Iterator[FakeLibrary]:
    """Kernels on a GPU that take frames as CuPy's and as NumPy's."""
    with fake_cupy() as cupy:

        @register_python_op(name="OnDevice", device_type=DeviceType.GPU, batch=8)
        def on_device(config: Any, frame: Sequence[ndarray]) -> Sequence[Any]:
            assert all(type(each).__module__ == "cupy" for each in frame)
            return [frame_number(each.array) for each in frame]

        @register_python_op(name="OnHost", device_type=DeviceType.GPU)
        def on_host(config: Any, frame: FrameType) -> Any:
            assert type(frame) is np.ndarray
            return frame_number(frame)

        @register_python_op(name="InPlace", device_type=DeviceType.GPU)
        class InPlace(Kernel):
            def execute(self, frame: ndarray) -> Any:
                found = frame_number(frame.array)
                frame.array[:] = 0
                return found

        @register_python_op(
            name="Windowed", device_type=DeviceType.GPU, stencil=[-2, 0, 1]
        )
        def windowed(config: Any, frame: Sequence[ndarray]) -> Any:
            return [frame_number(each.array) for each in frame]

        @register_python_op(name="Halved", device_type=DeviceType.GPU)
        class Halved(Kernel):
            def execute(self, frame: ndarray) -> ndarray:
                # The next row finds it changed.
                made = getattr(self, "made", None) or frame[::2, ::2].copy()
                made.array[:] = frame.array[::2, ::2]
                self.made = made
                return made

        @register_python_op(name="GrayThere", device_type=DeviceType.GPU)
        def gray(config: Any, frame: ndarray) -> FrameType:
            gray: Any = frame[:, :, 0]
            return gray

        yield cupy
    for name in OPS:
        registry().remove(name)


@pytest.fixture
def device(cupy: FakeLibrary) -> Iterator[FakeDevice]:
    with fake_device() as made:
        yield made


def film(sc: Client, path: str) -> Any:
    return sc.io.Input([NamedVideoStream(sc, "film", path=path)])


def run(sc: Client, column: Any, name: str, perf: Any = CUDA, **given: Any) -> Any:
    """Runs one column; returns what was counted, and what is stored."""
    output = NamedStream(sc, name)
    number = sc.run(sc.io.Output(column, [output]), perf, show_progress=False, **given)
    assert number is not None
    counters = sc.get_profile(number).statistics()["counters"]
    return counters, list(output.load())


def test_frames_reach_kernels_without_a_copy(
    sc: Client, device: FakeDevice, small_video: str
) -> None:
    rows = sc.streams.Stride(film(sc, small_video), [7])
    counters, found = run(sc, sc.ops.OnDevice(frame=rows), "numbers")
    assert found == [1000 + row for row in range(0, 60, 7)]
    assert counters.get("frames_to_host", 0) == 0
    assert device.waits == len(found)
    # A kernel that takes arrays of NumPy is given copies.
    counters, again = run(sc, sc.ops.OnHost(frame=rows), "copied")
    assert again == found
    assert counters["frames_to_host"] == len(found)
    # The same kernels, of frames that were decoded on the CPU.
    counters, again = run(
        sc, sc.ops.OnDevice(frame=rows), "from cpu", PerfParams.estimate()
    )
    assert again == found
    assert "frames_to_host" not in counters


def test_frames_stay_on_the_device_between_ops(
    sc: Client, device: FakeDevice, small_video: str
) -> None:
    frames = sc.streams.Stride(film(sc, small_video), [7])
    small = sc.ops.Halved(frame=frames)
    counters, found = run(sc, sc.ops.OnDevice(frame=small), "numbers")
    assert found == [1000 + row for row in range(0, 60, 7)]
    assert "frames_to_host" not in counters
    # What leaves a device is copied: to be stored, and for a kernel on the CPU.
    output = NamedVideoStream(sc, "small")
    number = sc.run(sc.io.Output(small.lossless(), [output]), CUDA, show_progress=False)
    assert number is not None
    counters = sc.get_profile(number).statistics()["counters"]
    assert counters["frames_to_host"] == len(found)
    assert {frame.shape for frame in output.load()} == {(24, 32, 3)}
    assert [frame_number(frame) for frame in output.load()] == found
    counters, found = run(sc, sc.ops.Histogram(frame=small), "histograms")
    assert counters["frames_to_host"] == len(found)
    gray = sc.ops.GrayThere(frame=frames)
    number = sc.run(
        sc.io.Output(gray, [NamedVideoStream(sc, "gray")]), CUDA, show_progress=False
    )
    assert next(iter(NamedVideoStream(sc, "gray").load())).shape == (48, 64, 1)


def test_short_streams_that_share_a_task(
    sc: Client, device: FakeDevice, tmp_path: Path
) -> None:
    videos, outputs = [], []
    for number in range(3):
        path = make_video(
            tmp_path / f"{number}.mp4", frames=5, first_number=100 * number
        )
        videos.append(NamedVideoStream(sc, f"film {number}", path=path))
        outputs.append(NamedStream(sc, f"numbers {number}"))

    def before(frame: ndarray) -> Any:
        assert type(frame).__module__ == "cupy"
        return frame_number(frame.array)

    def model(batch: Any) -> Sequence[int]:
        return list(map(int, batch))

    column = sc.ops.Infer(
        frame=sc.io.Input(videos), model_handler=model, preprocess=before
    )
    number = sc.run(sc.io.Output(column, outputs), CUDA, show_progress=False)
    assert number is not None
    counters = sc.get_profile(number).statistics()["counters"]
    assert counters["op:Infer:calls"] == 1
    # The op is on the CPU, where frames are copies.
    assert counters["frames_to_host"] == 15
    for number, output in enumerate(outputs):
        assert list(output.load()) == list(range(100 * number, 100 * number + 5))
    assert (device.opened, device.waits) == (3, 15)


def test_windows(sc: Client, device: FakeDevice, small_video: str) -> None:
    counters, found = run(sc, sc.ops.Windowed(frame=film(sc, small_video)), "windows")
    rows = np.clip(np.arange(60)[:, None] + [-2, 0, 1], 0, 59) + 1000
    assert found == rows.tolist()
    assert "frames_to_host" not in counters


def test_no_kernel_sees_what_another_writes(
    sc: Client, device: FakeDevice, small_video: str
) -> None:
    frames = film(sc, small_video)
    names = ("first", "second", "plain")
    columns = [
        sc.ops.InPlace(frame=frames),
        sc.ops.InPlace(frame=sc.streams.Range(frames, [(0, 60)])),
        sc.ops.OnHost(frame=frames),
    ]
    outputs = [
        sc.io.Output(column, [NamedStream(sc, name)])
        for column, name in zip(columns, names, strict=True)
    ]
    sc.run(outputs, CUDA, show_progress=False)
    for name in names:
        assert list(NamedStream(sc, name).load()) == list(range(1000, 1060))


def test_frames_are_stored_as_the_device_makes_them(
    sc: Client, device: FakeDevice, small_video: str
) -> None:
    frames = sc.streams.Gather(film(sc, small_video), [[3, 40]]).lossless()
    output = NamedVideoStream(sc, "stored")
    number = sc.run(sc.io.Output(frames, [output]), CUDA, show_progress=False)
    assert number is not None
    counters = sc.get_profile(number).statistics()["counters"]
    assert counters["frames_to_host"] == 2
    stored = list(output.load())
    assert [frame_number(frame) for frame in stored] == [1003, 1040]
    plain = list(NamedVideoStream(sc, "film").load(rows=[3, 40]))
    error = np.abs(np.array(stored, np.int16) - np.array(plain, np.int16))
    assert 0 < error.max() <= 5


def test_what_comes_from_a_gpu_has_another_fingerprint(
    sc: Client, device: FakeDevice, small_video: str
) -> None:
    numbers = sc.ops.OnHost(frame=film(sc, small_video))
    output = sc.io.Output(numbers, [NamedStream(sc, "numbers")])
    ignore: Any = {"cache_mode": CacheMode.Ignore, "show_progress": False}
    assert sc.run(output, PerfParams.estimate(), **ignore) is not None
    assert sc.run(output, PerfParams.estimate(), **ignore) is None
    on_cpu = NamedStream(sc, "numbers").descriptor().fingerprint
    assert sc.run(output, CUDA, **ignore) is not None
    assert sc.run(output, CUDA, **ignore) is None
    assert NamedStream(sc, "numbers").descriptor().fingerprint != on_cpu
    # What is made of no frames is the same wherever frames are decoded.
    same = sc.streams.Stride(sc.io.Input([NamedStream(sc, "numbers")]), [2])
    output = sc.io.Output(same, [NamedStream(sc, "half")])
    assert sc.run(output, CUDA, **ignore) is not None
    assert sc.run(output, PerfParams.estimate(), **ignore) is None


def test_a_wrong_time_fails_the_stream(
    sc: Client, cupy: FakeLibrary, small_video: str
) -> None:
    column = sc.ops.OnDevice(frame=film(sc, small_video))
    with (
        fake_device(FakeDevice(ticks=1)),
        pytest.raises(JobFailure, match=r"has time 1, the index says 0"),
    ):
        run(sc, column, "numbers")
    assert not NamedStream(sc, "numbers").committed()


@pytest.mark.parametrize("kind", ["ffv1", "h264_rgb"])
def test_a_codec_without_hardware_is_refused_before_anything_runs(
    sc: Client, device: FakeDevice, tmp_path: Path, kind: str
) -> None:
    path, _, _ = indexed_kind(kind, tmp_path)
    column = sc.ops.OnDevice(frame=film(sc, path))
    with pytest.raises(VideoError, match=r"on a GPU .*: .*; decoder='cpu' decodes it"):
        run(sc, column, "numbers")
    assert device.opened == 0
    with pytest.raises(VideoError, match="on a GPU"):
        sc.explain(sc.io.Output(column, [NamedStream(sc, "numbers")]), CUDA)


def test_videos_that_a_graph_has_made(
    sc: Client, device: FakeDevice, small_video: str
) -> None:
    frames = film(sc, small_video)
    lossy, exact = (NamedVideoStream(sc, name) for name in ("lossy", "exact"))
    outputs = [
        sc.io.Output(frames.compress_video(quality=20), [lossy]),
        sc.io.Output(frames.lossless(), [exact]),
    ]
    sc.run(outputs, PerfParams.manual(8, 24), show_progress=False)
    assert device.opened == 0
    _, found = run(sc, sc.ops.OnDevice(frame=sc.io.Input([lossy])), "of lossy")
    assert found == list(range(1000, 1060))
    assert device.opened > 0
    with pytest.raises(VideoError, match="its pixel format is"):
        run(sc, sc.ops.OnDevice(frame=sc.io.Input([exact])), "of exact")


def test_a_machine_without_a_gpu(
    sc: Client, cupy: FakeLibrary, small_video: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_stages, "has_gpu", lambda: False)
    frames = sc.streams.Stride(film(sc, small_video), [30])
    with pytest.raises(ArgumentError, match="videos are to be decoded on a GPU, but"):
        run(sc, frames, "frames")
    # It is there for the program, and not for the worker.
    monkeypatch.setattr(gpu_stages, "has_gpu", lambda: True)
    monkeypatch.setattr(nvidia, "has_gpu", lambda: False)
    monkeypatch.setattr(device_decoding, "_opened", [])
    with pytest.raises(JobFailure, match="this worker's machine has none"):
        run(sc, frames, "frames")


def test_stages(sc: Client, cupy: FakeLibrary, small_video: str) -> None:
    """Only the phases that decode need a GPU; nothing does without the decoder."""
    frames = sc.streams.Stride(film(sc, small_video), [2])
    shots = sc.ops.ShotBoundaries(histograms=sc.ops.Histogram(frame=frames))
    output = sc.io.Output(shots, [NamedStream(sc, "shots")])
    shared, _ = SharedGraph.of(in_phases([output]))
    assert shared.phases == 2
    assert gpu_phases(shared, "cpu") == set()
    assert gpu_phases(shared, "cuda") == {0}
    using = [node.label for node in topological([output]) if uses_gpu(node, "cuda")]
    assert using == ["Stride", "Histogram"]
    dataflow = PipelineOptions(["--runner=DataflowRunner"])
    check_gpus(topological([output]), dataflow, {}, "cpu")
    with pytest.raises(ArgumentError, match="decoded on a GPU, but workers of Dataf"):
        check_gpus(topological([output]), dataflow, {}, "cuda")


def test_a_pipeline_decodes_where_its_options_say(
    device: FakeDevice, small_video: str, tmp_path: Path
) -> None:
    options = PipelineOptions(["--decoder=cuda", "--runner=FnApiRunner"])
    database = str(tmp_path / "db")
    with beam.Pipeline(options=options) as pipeline:
        frames = pipeline | ReadFromVideo(small_video) | Stride(20)
        frames | Op("OnDevice") | WriteToNamedStream(database, "numbers")
    assert device.opened == 1
    with Client(db_path=database) as sc:
        assert list(NamedStream(sc, "numbers").load()) == [1000, 1020, 1040]


def test_a_client_decodes_where_its_options_say(
    device: FakeDevice, small_video: str, tmp_path: Path
) -> None:
    options = ["--decoder=cuda", "--direct_running_mode=in_memory"]
    with Client(db_path=str(tmp_path / "db"), options=options) as sc:
        _, found = run(
            sc,
            sc.ops.OnDevice(frame=film(sc, small_video)),
            "numbers",
            PerfParams.estimate(),
        )
    assert found == list(range(1000, 1060))
    assert device.opened > 0


def test_a_model_asks_by_its_preprocess(
    sc: Client, device: FakeDevice, small_video: str, cupy: FakeLibrary
) -> None:
    def before(frame: ndarray) -> Any:
        assert type(frame).__module__ == "cupy"
        return frame_number(frame.array)

    def model(batch: Any) -> Sequence[int]:
        return [int(number) for number in batch]

    frames = sc.streams.Stride(film(sc, small_video), [9])
    column = sc.ops.Infer(
        frame=frames, model_handler=model, preprocess=before, device=DeviceType.GPU
    )
    counters, found = run(sc, column, "numbers")
    assert found == list(range(1000, 1060, 9))
    assert "frames_to_host" not in counters


@pytest.mark.parametrize(
    ("flags", "decoder", "workers"),
    [
        ([], "cuda", 1),
        (["--direct_num_workers=3"], "cuda", 3),
        (["--direct_running_mode=multi_threading"], "cuda", 1),
        ([], "cpu", None),
    ],
)
def test_one_process_has_the_gpu(
    cupy: FakeLibrary,
    small_video: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    decoder: str,
    workers: int | None,
) -> None:
    """Of a run that is not small; nothing is run here."""
    seen: list[tuple[bool, DirectOptions]] = []

    class StoppedError(Exception):
        pass

    def run_pipeline(options: PipelineOptions, *_: Any, **__: Any) -> Any:
        chosen = is_given(options, "direct_num_workers")
        seen.append((chosen, options.view_as(DirectOptions)))
        raise StoppedError

    monkeypatch.setattr(launch, "_is_small", lambda _: False)
    monkeypatch.setattr(launch, "run_pipeline", run_pipeline)
    monkeypatch.setattr(gpu_stages, "has_gpu", lambda: True)
    with Client(db_path=str(tmp_path / "db"), options=flags) as sc:
        column = sc.ops.Histogram(frame=film(sc, small_video))
        output = sc.io.Output(column, [NamedStream(sc, "histograms")])
        with pytest.raises(StoppedError):
            sc.run(output, PerfParams.estimate(decoder=decoder), show_progress=False)
    ((chosen, direct),) = seen
    assert chosen == (workers is not None)
    if workers is None:
        return
    assert direct.direct_num_workers == workers
    if flags == []:
        assert direct.direct_running_mode == "multi_processing"
    elif workers == 1:
        assert direct.direct_running_mode == "multi_threading"
