"""Models on every runner: the same results, one load a process, and no frames sent."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest

from beam_scanner import Client, NamedStream, NamedVideoStream, PerfParams
from beam_scanner.models import KerasModelHandler, OnnxModelHandler
from beam_scanner.transforms import Infer, ReadFromVideo, WriteToNamedStream
from tests.support.job_graph import crossings
from tests.support.models import Means, NumberHandler, first, noted, onnx_means
from tests.support.targets import IN_MEMORY, Target

PERF = PerfParams.manual(8, 16)


def color(frame: Any) -> Any:
    return frame.mean(axis=(0, 1))


def number(value: Any) -> float:
    return round(float(value), 3)


def models(folder: Path) -> dict[str, dict[str, Any]]:
    """Arguments of Infer for each kind of model whose library is installed."""
    found: dict[str, dict[str, Any]] = {"class": {"model_handler": Means}}
    try:
        import sklearn.linear_model
        from apache_beam.ml.inference.sklearn_inference import SklearnModelHandlerNumpy

        fitted = sklearn.linear_model.LinearRegression().fit(np.eye(3), [1, 2, 4])
        path = folder / "model.pkl"
        path.write_bytes(pickle.dumps(fitted))
        handler: Any = SklearnModelHandlerNumpy(str(path))
        found["sklearn"] = {"model_handler": handler, "preprocess": color}
        found["sklearn"]["postprocess"] = number
    except ImportError:
        pass
    try:
        handler = OnnxModelHandler(onnx_means(folder / "means.onnx"))
        found["onnx"] = {"model_handler": handler, "postprocess": first}
    except ImportError:
        pass
    return found


def run(db: Path, film: str, flags: list[str], arguments: Any, name: str) -> list[Any]:
    with Client(db_path=str(db), options=flags) as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
        out = NamedStream(sc, name)
        column = sc.ops.Infer(frame=frames, batch=5, **arguments)
        sc.run(sc.io.Output(column, [out]), PERF, show_progress=False)
        return list(out.load())


@pytest.mark.slow
def test_equal_results(film: str, tmp_path: Path, target: Target) -> None:
    for name, arguments in models(tmp_path).items():
        wanted = run(tmp_path / "wanted", film, IN_MEMORY, arguments, name)
        found = run(tmp_path / "found", film, target.flags(2), arguments, name)
        assert len(found) == 96
        assert found == wanted, name


@pytest.mark.slow
def test_keras(film: str, tmp_path: Path, target: Target) -> None:
    keras = pytest.importorskip("keras")
    model = keras.Sequential(
        [keras.layers.Input((48, 64, 3)), keras.layers.GlobalAveragePooling2D()]
    )
    path = tmp_path / "means.keras"
    model.save(path)
    handler = KerasModelHandler(path)
    arguments = {"model_handler": handler, "postprocess": first}
    # In processes alone: what has used TensorFlow must not be forked.
    found = run(tmp_path / "found", film, target.flags(2), arguments, "keras")
    with Client(db_path=str(tmp_path / "found"), options=IN_MEMORY) as sc:
        frames = NamedVideoStream(sc, "film").load()
        assert np.allclose(found, [frame[..., 0].mean() for frame in frames], rtol=1e-4)


def test_one_load_a_process(film: str, tmp_path: Path, target: Target) -> None:
    loads = tmp_path / "loads"
    loads.mkdir()
    arguments = {"model_handler": NumberHandler(loads)}
    found = run(tmp_path / "db", film, target.flags(2), arguments, "out")
    assert found == list(range(96))
    assert len(noted(loads)) == len(set(noted(loads)))


def test_no_frames_are_sent(film: str, tmp_path: Path) -> None:
    pipeline = beam.Pipeline()
    scores = pipeline | ReadFromVideo(film) | Infer(Means, batch=8)
    scores | WriteToNamedStream(str(tmp_path / "db"), name="scores")
    found = list(crossings(pipeline.to_runner_api()))
    assert found
    assert not [crossing for crossing in found if crossing.has_frames]
