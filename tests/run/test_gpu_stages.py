"""Ops on GPUs: on which stages the hint is, and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner import (
    Client,
    DeviceType,
    FrameType,
    JobFailure,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    register_python_op,
)
from beam_scanner.engine import instance
from beam_scanner.errors import ArgumentError
from beam_scanner.graph.nodes import topological
from beam_scanner.kernels.register import registry
from beam_scanner.run import gpu_stages
from beam_scanner.run.gpu_stages import check_gpus, gpu_phases
from beam_scanner.run.shared_graph import SharedGraph, in_phases
from beam_scanner.transforms import Infer, Op, ReadFromVideo, ShotBoundaries
from tests.support.job_graph import environments
from tests.support.models import Means

GPU = "type:nvidia-l4;count:1;install-nvidia-driver"


@pytest.fixture(autouse=True)
def on_gpu() -> Any:
    @register_python_op(name="OnGpuOnly", device_type=DeviceType.GPU)
    def histogram(config: Any, frame: FrameType) -> Any:
        return [0]

    yield
    registry().remove("OnGpuOnly")


def graph(sc: Client, film: str) -> Any:
    """Frames to histograms on a GPU, and on without one in the next phase."""
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
    found = sc.ops.OnGpuOnly(frame=frames)
    shots = sc.ops.ShotBoundaries(histograms=found)
    return sc.io.Output(shots, [NamedStream(sc, "shots")])


def test_only_the_phase_of_the_op_needs_one(sc: Client, small_video: str) -> None:
    output = graph(sc, small_video)
    shared, _ = SharedGraph.of(in_phases([output]))
    assert shared.phases == 2
    assert gpu_phases(shared, "cpu") == {0}


def test_what_is_refused(
    sc: Client, small_video: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = graph(sc, small_video)
    nodes = topological([output])
    monkeypatch.setattr(gpu_stages, "has_gpu", lambda: False)
    with pytest.raises(
        ArgumentError, match="OnGpuOnly is to run on a GPU, but this mach"
    ):
        sc.run(output, PerfParams.estimate(), show_progress=False)
    dataflow = PipelineOptions(["--runner=DataflowRunner"])
    with pytest.raises(ArgumentError, match="workers of Dataflow have none"):
        check_gpus(nodes, dataflow, {"min_ram": "16GB"}, "cpu")
    check_gpus(nodes, dataflow, {"accelerator": GPU}, "cpu")
    # Of workers elsewhere nothing is known.
    check_gpus(nodes, PipelineOptions(["--runner=FlinkRunner"]), {}, "cpu")
    monkeypatch.setattr(gpu_stages, "has_gpu", lambda: True)
    check_gpus(nodes, PipelineOptions([]), {}, "cpu")


def test_a_worker_without_one(
    sc: Client, small_video: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_stages, "has_gpu", lambda: True)
    monkeypatch.setattr(instance, "has_gpu", lambda: False)
    with pytest.raises(JobFailure, match="this worker's machine has none"):
        sc.run(graph(sc, small_video), PerfParams.estimate(), show_progress=False)


@pytest.mark.parametrize("device", [DeviceType.CPU, DeviceType.GPU])
def test_the_hint_is_on_the_stage_of_the_op(
    small_video: str, tmp_path: Path, device: DeviceType
) -> None:
    pipeline = beam.Pipeline()
    frames = pipeline | ReadFromVideo(small_video)
    scores = frames | Infer(Means, device=device).with_resource_hints(accelerator=GPU)
    scores | beam.Map(len)
    frames | Op("Histogram") | ShotBoundaries() | "Len" >> beam.Map(len)
    found = environments(pipeline.to_runner_api())
    runs = {n: bool(h) for n, (_, h) in found.items() if n.endswith("ParDo(_Run)")}
    assert len(runs) == 2
    with_gpu = [has for name, has in sorted(runs.items())]
    # Where no op says that it runs on a GPU, all stages get what was asked for.
    assert with_gpu == ([True, False] if device == DeviceType.GPU else [True, True])
