"""Keras and TensorFlow on every runner, beside handlers of Beam: see test_models.py."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from apache_beam.ml.inference.onnx_inference import OnnxModelHandlerNumpy
from apache_beam.ml.inference.sklearn_inference import SklearnModelHandlerNumpy
from sklearn.linear_model import LinearRegression

from beam_scanner import Client, NamedStream, NamedVideoStream, PerfParams
from beam_scanner.models import KerasModelHandler, SavedModelHandler
from tests.support.frameworks import frameworks, fussy, statistics, two_heads
from tests.support.models import as_floats, first, noted, noting, onnx_means
from tests.support.targets import IN_MEMORY, Target, params
from tests.support.video_fixtures import frame_number, make_video

pytestmark = [pytest.mark.slow, pytest.mark.frameworks]

tf, keras = frameworks()

ROWS = 96
PERF = PerfParams.manual(8, 16)
HANDLERS = (
    KerasModelHandler,
    SavedModelHandler,
    SklearnModelHandlerNumpy,
    OnnxModelHandlerNumpy,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model for each handler."""
    folder = tmp_path_factory.mktemp("models")
    two_heads(folder / "two.keras")
    statistics(folder / "statistics")
    onnx_means(folder / "means.onnx")
    fitted = LinearRegression().fit(np.eye(3), [1, 2, 4])
    (folder / "model.pkl").write_bytes(pickle.dumps(fitted))
    return folder


def both_heads(heads: Mapping[str, Any]) -> list[float]:
    return [float(value) for value in (*heads["label"], *heads["score"])]


def as_tensor(frame: tf.Tensor) -> Any:  # type: ignore[name-defined]
    """A frame as TensorFlow prepares it."""
    return tf.image.flip_left_right(frame)


def spread(found: Mapping[str, Any]) -> list[float]:
    """And how many threads a call has, which each process sets for itself."""
    from tensorflow.config import threading

    threads = (
        threading.get_intra_op_parallelism_threads(),
        threading.get_inter_op_parallelism_threads(),
    )
    return [float(found["most"]), float(found["above"]), *map(float, threads)]


def color(frame: Any) -> Any:
    return frame.mean(axis=(0, 1))


def models(files: Path, loads: Path) -> dict[str, dict[str, Any]]:
    """Arguments of Infer, by the names of handlers."""
    keras_, saved, sklearn, onnx = (noting(kind, loads) for kind in HANDLERS)
    made: dict[str, dict[str, Any]] = {
        "KerasModelHandler": {
            "model_handler": keras_(files / "two.keras"),
            "postprocess": both_heads,
        },
        "SavedModelHandler": {
            "model_handler": saved(files / "statistics", signature="spread"),
            "preprocess": as_tensor,
            "postprocess": spread,
            "inference_args": {"above": 235.5},
        },
        "SklearnModelHandlerNumpy": {
            "model_handler": sklearn(str(files / "model.pkl")),
            "preprocess": color,
            "postprocess": float,
        },
        "OnnxModelHandlerNumpy": {
            "model_handler": onnx(
                str(files / "means.onnx"), providers=["CPUExecutionProvider"]
            ),
            "preprocess": as_floats,
            "postprocess": first,
        },
    }
    assert list(made) == [kind.__name__ for kind in HANDLERS]
    return made


def run(db: Path, film: str, flags: list[str], files: Path) -> tuple[Any, Any]:
    """What each model says of the rows, and the notes of loads."""
    loads = db.parent / f"{db.name} loads"
    loads.mkdir()
    with Client(db_path=str(db), options=flags) as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
        outs, outputs = {}, []
        for name, arguments in models(files, loads).items():
            outs[name] = NamedStream(sc, name)
            column = sc.ops.Infer(frame=frames, batch=5, **arguments)
            outputs.append(sc.io.Output(column, [outs[name]]))
        sc.run(outputs, PERF, show_progress=False)
        return {name: list(out.load()) for name, out in outs.items()}, loads


@pytest.fixture(scope="module")
def wanted(
    film: str, files: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Any]]:
    """What the models say in this process; as the libraries themselves say it."""
    db = tmp_path_factory.mktemp("wanted") / "db"
    found, _ = run(db, film, IN_MEMORY, files)
    with Client(db_path=str(db), options=IN_MEMORY) as sc:
        frames = np.stack(list(NamedVideoStream(sc, "film").load()))
    heads = keras.models.load_model(files / "two.keras").predict(frames, verbose=0)
    both = np.concatenate([heads["label"], heads["score"]], axis=1)
    assert both.std(axis=0).min() > 1e-4
    assert np.allclose(found["KerasModelHandler"], both, rtol=1e-4, atol=1e-6)
    most = frames.max(axis=(1, 2, 3))
    assert len(set(most > 235.5)) == 2
    assert found["SavedModelHandler"] == [[m, m > 235.5, 1, 1] for m in most]
    means = frames.mean(axis=(1, 2))
    fitted = pickle.loads((files / "model.pkl").read_bytes())
    assert np.allclose(found["SklearnModelHandlerNumpy"], fitted.predict(means))
    assert np.allclose(found["OnnxModelHandlerNumpy"], 2 * means[:, 0], rtol=1e-5)
    return found


def test_equal_results_and_one_load_a_process(
    film: str, files: Path, tmp_path: Path, wanted: dict[str, list[Any]], target: Target
) -> None:
    found, loads = run(tmp_path / "db", film, target.flags(2), files)
    for name, values in wanted.items():
        assert len(values) == ROWS
        assert found[name] == values, name
        by = noted(loads, f"{name}-")
        assert 1 <= len(by) == len(set(by)), name
        assert not (target.processes and os.getpid() in by)


class Deadly(SavedModelHandler):
    """From number 3000 on it ends its process."""

    def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
        if max(batch) >= 3000:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run_inference(batch, model, inference_args)


def number_of(frame: Any) -> Any:
    return np.float32(frame_number(frame))


@pytest.mark.parametrize(
    "target", params("processes", "prism", "flink-cluster"), indirect=True
)
def test_a_failure_costs_one_stream(tmp_path: Path, target: Target) -> None:
    ways = {"fine": 0, "refused": 1000, "memory": 2000, "death": 3000, "good": 30}
    films = {
        way: make_video(tmp_path / f"{way}.mp4", 12, first_number=number)
        for way, number in ways.items()
    }
    handler = Deadly(fussy(tmp_path / "fussy"))
    flags = target.flags(2)
    with Client(db_path=str(tmp_path / "db"), options=flags, max_attempts=1) as sc:
        videos = [NamedVideoStream(sc, f"film {w}", path=films[w]) for w in ways]
        column = sc.ops.Infer(
            frame=sc.io.Input(videos),
            model_handler=handler,
            batch=4,
            preprocess=number_of,
            postprocess=float,
        )
        outs = {way: NamedStream(sc, way) for way in ways}
        output = sc.io.Output(column, list(outs.values()))
        job = sc.run(output, PERF, show_progress=False, on_failure="return")
        failures = {failure.stream: failure for failure in sc.report(job).failures}
        for way in ("fine", "good"):
            assert list(outs[way].load()) == [ways[way] + row for row in range(12)]
    assert sorted(failures) == ["death", "memory", "refused"]
    assert {failure.op for failure in failures.values()} == {"Infer"}
    assert failures["death"].kind == "death"
    assert failures["refused"].exception == "InvalidArgumentError"
    assert "no such number" in failures["refused"].reason
    assert failures["memory"].exception == "DeviceMemoryError"
    assert "Set a smaller batch=" in failures["memory"].reason
