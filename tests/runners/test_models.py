"""Models on every runner: the same results, one load a process, and no frames sent.

With Keras and TensorFlow: test_tensorflow.py.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.ml.inference.onnx_inference import OnnxModelHandlerNumpy
from apache_beam.ml.inference.sklearn_inference import SklearnModelHandlerNumpy
from sklearn.linear_model import LinearRegression

from beam_scanner import Client, NamedStream, NamedVideoStream, PerfParams
from beam_scanner.models import OnnxModelHandler
from beam_scanner.transforms import Infer, ReadFromVideo, WriteToNamedStream
from tests.support.job_graph import crossings
from tests.support.models import (
    Means,
    NumberHandler,
    as_floats,
    first,
    noted,
    noting,
    onnx_means,
)
from tests.support.targets import IN_MEMORY, Target, params
from tests.support.video_fixtures import frame_number, make_video

PERF = PerfParams.manual(8, 16)
HANDLERS = (SklearnModelHandlerNumpy, OnnxModelHandlerNumpy, OnnxModelHandler)


def color(frame: Any) -> Any:
    return frame.mean(axis=(0, 1))


def number(value: Any) -> float:
    return round(float(value), 3)


def models(folder: Path, loads: Path) -> dict[str, dict[str, Any]]:
    """Arguments of Infer, by the names of models; each notes its loads."""
    path = onnx_means(folder / "means.onnx")
    fitted = LinearRegression().fit(np.eye(3), [1, 2, 4])
    (folder / "model.pkl").write_bytes(pickle.dumps(fitted))
    sklearn, beams, ours = (noting(kind, loads) for kind in HANDLERS)
    return {
        "Means-": {"model_handler": Means(str(loads))},
        "SklearnModelHandlerNumpy-": {
            "model_handler": sklearn(str(folder / "model.pkl")),
            "preprocess": color,
            "postprocess": number,
        },
        "OnnxModelHandlerNumpy-": {
            "model_handler": beams(path, providers=["CPUExecutionProvider"]),
            "preprocess": as_floats,
            "postprocess": first,
        },
        "OnnxModelHandler-": {"model_handler": ours(path), "postprocess": first},
    }


def run(db: Path, film: str, flags: list[str], models: Any) -> dict[str, list[Any]]:
    """What models say of a film, in one run; by their names."""
    with Client(db_path=str(db), options=flags) as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
        outs = {name: NamedStream(sc, name) for name in models}
        outputs = [
            sc.io.Output(sc.ops.Infer(frame=frames, batch=5, **arguments), [outs[name]])
            for name, arguments in models.items()
        ]
        sc.run(outputs, PERF, show_progress=False)
        return {name: list(out.load()) for name, out in outs.items()}


@pytest.fixture
def loads(tmp_path: Path) -> Path:
    """A folder for notes of loads."""
    folder = tmp_path / "loads"
    folder.mkdir()
    return folder


@pytest.mark.slow
def test_equal_results(film: str, tmp_path: Path, loads: Path, target: Target) -> None:
    given = models(tmp_path, loads)
    wanted = run(tmp_path / "wanted", film, IN_MEMORY, given)
    assert [noted(loads, name) for name in given] == [[os.getpid()]] * len(given)
    found = run(tmp_path / "found", film, target.flags(2), given)
    for name in given:
        assert len(found[name]) == 96
        assert found[name] == wanted[name], name
        # This process may be a worker, too.
        by = noted(loads, name)
        by.remove(os.getpid())
        assert 1 <= len(by) == len(set(by)), name


@pytest.mark.slow
def test_one_load_a_process(
    film: str, tmp_path: Path, loads: Path, target: Target
) -> None:
    arguments = {"model_handler": NumberHandler(loads)}
    found = run(tmp_path / "db", film, target.flags(2), {"out": arguments})
    assert found == {"out": list(range(96))}
    assert len(noted(loads)) == len(set(noted(loads)))


WAYS = {"fine": 0, "raises": 1000, "memory": 2000, "dies": 3000, "hangs": 4000}
"""The first number of a film, from which on a model does what is said."""


class Bad:
    """A model that says the numbers of frames, or worse."""

    def load(self) -> None: ...

    def __call__(self, batch: Any) -> list[int]:
        found = [frame_number(frame) for frame in batch]
        way = list(WAYS)[found[0] // 1000]
        if way == "raises":
            raise ValueError("not this film")
        if way == "memory":
            np.ones(1 << 55)
        if way == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if way == "hangs":
            time.sleep(1000)
        return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "target", params("processes", "prism", "flink-cluster"), indirect=True
)
def test_a_failure_costs_one_stream(tmp_path: Path, target: Target) -> None:
    films = {
        way: make_video(tmp_path / f"{way}.mp4", 12, first_number=number)
        for way, number in WAYS.items()
    }
    flags = target.flags(2)
    # Calls of a model take turns: one that hangs lets others of its process wait, and
    # theirs may be the first whose time is up. Their second attempt is made alone.
    with Client(db_path=str(tmp_path / "db"), options=flags, max_attempts=2) as sc:
        videos = [NamedVideoStream(sc, f"film {way}", path=films[way]) for way in WAYS]
        outs = [NamedStream(sc, way) for way in WAYS]
        column = sc.ops.Infer(frame=sc.io.Input(videos), model_handler=Bad, batch=4)
        number = sc.run(
            sc.io.Output(column, outs),
            PERF,
            show_progress=False,
            task_timeout=12,
            on_failure="return",
        )
        failures = {failure.stream: failure for failure in sc.report(number).failures}
        assert list(outs[0].load()) == list(range(12))
    assert {way: (found.op, found.kind) for way, found in failures.items()} == {
        "raises": ("Infer", "exception"),
        "memory": ("Infer", "exception"),
        "dies": ("Infer", "death"),
        "hangs": ("Infer", "timeout"),
    }
    assert "not this film" in failures["raises"].reason
    assert failures["memory"].exception == "DeviceMemoryError"
    assert "Set a smaller batch=" in failures["memory"].reason


def test_no_frames_are_sent(film: str, tmp_path: Path) -> None:
    pipeline = beam.Pipeline()
    scores = pipeline | ReadFromVideo(film) | Infer(Means, batch=8)
    scores | WriteToNamedStream(str(tmp_path / "db"), name="scores")
    found = list(crossings(pipeline.to_runner_api()))
    assert found
    assert not [crossing for crossing in found if crossing.has_frames]
