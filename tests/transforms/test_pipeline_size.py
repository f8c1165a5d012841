"""How large a pipeline is whose kernels have large values in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner import Client, NamedStream, NamedVideoStream, PerfParams
from beam_scanner.kernels import Kernel, register_python_op
from beam_scanner.run import launch
from beam_scanner.transforms import (
    Gather,
    Histogram,
    ReadFromVideo,
    WriteToNamedStream,
    op,
)
from beam_scanner.types import FrameType
from tests.support.pipeline_kernels import Count
from tests.support.pipeline_runs import IN_MEMORY, PROCESSES
from tests.support.video_fixtures import make_video

WEIGHTS = 2_000_000
"""Bytes that no compression makes fewer."""

LARGEST = 1.4 * WEIGHTS + 100_000
"""Beam writes what it pickles in base64, which has four bytes for each three."""

DISTRIBUTED = (
    "--runner=FlinkRunner",
    "--environment_type=PROCESS",
    '--environment_config={"command": "boot"}',
)


class Weighted(Kernel):
    """Has weights from its constructor."""

    def __init__(self, config: Any, weights: Any) -> None:
        self.weights = weights

    def execute(self, frame: FrameType) -> int:
        return len(self.weights)


class StreamWeighted(Kernel):
    """Has weights from each stream's arguments."""

    def new_stream(self, weights: Any) -> None:
        self.weights = weights

    def execute(self, frame: FrameType) -> int:
        return len(self.weights)


@pytest.fixture(scope="module")
def weights() -> Any:
    return np.random.default_rng(7).integers(0, 256, WEIGHTS, dtype=np.uint8)


def _in_closure(weights: Any) -> Any:
    def Closed(config: Any, frame: FrameType) -> int:
        return len(weights)

    return op(Closed)()


WAYS: dict[str, Callable[[Any], Any]] = {
    "argument": lambda weights: op(Weighted)(weights=weights),
    "stream argument": lambda weights: op(StreamWeighted)(weights=weights),
    "closure": _in_closure,
}


def _size(pipeline: Any) -> int:
    size: int = pipeline.to_runner_api().ByteSize()
    return size


@pytest.mark.parametrize(
    ("flags", "where"),
    [
        (IN_MEMORY, "argument"),
        (IN_MEMORY, "stream argument"),
        (IN_MEMORY, "closure"),
        (PROCESSES, "argument"),
        (DISTRIBUTED, "argument"),
    ],
)
def test_weights_of_a_kernel_are_in_a_pipeline_once(
    tmp_path: Path, weights: Any, flags: tuple[str, ...], where: str
) -> None:
    p = beam.Pipeline(options=PipelineOptions([*flags]))
    frames = p | ReadFromVideo("films/*.mp4")
    made = frames | WAYS[where](weights)
    made | WriteToNamedStream(str(tmp_path), "made/{stream}")
    assert WEIGHTS < _size(p) < LARGEST


def test_weights_of_one_phase_are_not_sent_to_another(
    tmp_path: Path, weights: Any
) -> None:
    p = beam.Pipeline(options=PipelineOptions([*IN_MEMORY]))
    made = p | ReadFromVideo("films/*.mp4") | op(Weighted)(weights=weights)
    # It counts in order, after all rows of the first phase are made.
    counted = made | Count(start=1)
    counted.ret0 | WriteToNamedStream(str(tmp_path), "made/{stream}")
    assert sum("Commit" in part.full_label for part in _parts(p)) > 1
    assert WEIGHTS < _size(p) < LARGEST


def _parts(pipeline: Any) -> list[Any]:
    found: list[Any] = []

    class Visitor(beam.pipeline.PipelineVisitor):
        def visit_transform(self, node: Any) -> None:
            found.append(node)

    pipeline.visit(Visitor())
    return found


def test_what_is_without_weights_is_small(tmp_path: Path) -> None:
    p = beam.Pipeline(options=PipelineOptions([*IN_MEMORY]))
    made = p | ReadFromVideo("films/*.mp4") | Gather([0, 5]) | Histogram()
    made | WriteToNamedStream(str(tmp_path), "made/{stream}")
    assert _size(p) < 200_000


@register_python_op(name="ClientWeighted")
class _ClientWeighted(Weighted):
    def execute(self, frame: FrameType) -> int:
        return len(self.weights)


@pytest.mark.parametrize("flags", [IN_MEMORY, PROCESSES])
def test_weights_of_a_client_are_stored_once(
    tmp_path: Path, weights: Any, flags: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    run = launch.run_pipeline  # type: ignore[attr-defined]

    def measured(options: Any, build: Any, **given: Any) -> Any:
        pipeline = beam.Pipeline(options=options)
        build(pipeline)
        sizes.append(_size(pipeline))
        sizes.append(_stored(tmp_path / "db"))
        return run(options, build, **given)

    monkeypatch.setattr(launch, "run_pipeline", measured)
    sc = Client(db_path=str(tmp_path / "db"), options=PipelineOptions([*flags]))
    film = make_video(tmp_path / "film.mp4", frames=3, gop=3)
    inputs = [NamedVideoStream(sc, f"film {n}", path=str(film)) for n in range(3)]
    outputs = [NamedStream(sc, f"made {n}") for n in range(3)]
    frames = sc.io.Input(inputs)
    made = sc.ops.ClientWeighted(frame=frames, weights=weights)
    sc.run(sc.io.Output(made, outputs), PerfParams.estimate(), show_progress=False)
    pipeline, stored = sizes
    assert pipeline < 50_000
    assert WEIGHTS < stored < LARGEST
    assert list(outputs[2].load()) == [WEIGHTS] * 3


def _stored(folder: Path) -> int:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files)
