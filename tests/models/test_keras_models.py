"""Real Keras models, on the CPU; on every runner: tests/runners/test_tensorflow.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import CacheMode, Client, NamedStream, NamedVideoStream, PerfParams
from beam_scanner.errors import ElementTypeError
from beam_scanner.models import KerasModelHandler
from tests.support.client_helpers import PROCESSES
from tests.support.frameworks import SIDES, frameworks, two_heads
from tests.support.models import noted, noting
from tests.support.programs import run_code
from tests.support.video_fixtures import make_video

pytestmark = [pytest.mark.slow, pytest.mark.frameworks]

_, keras = frameworks()
Layer: Any = keras.layers.Layer
Model: Any = keras.Model


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_video(tmp_path_factory.mktemp("film") / "film.mp4", 20)


def test_a_model_on_a_film(sc: Any, tmp_path: Path, film: str) -> None:
    path = tmp_path / "two.keras"
    model = two_heads(path)
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])

    def best(heads: Any) -> int:
        return int(np.argmax(heads["label"]))

    def score(heads: Any) -> float:
        return float(heads["score"][0])

    handler = KerasModelHandler(path, max_batch_size=8)
    streams = [NamedStream(sc, "best"), NamedStream(sc, "score")]
    outputs = [
        sc.io.Output(
            sc.ops.Infer(frame=frames, model_handler=handler, postprocess=post), [out]
        )
        for post, out in zip((best, score), streams, strict=True)
    ]
    sc.run(outputs, PerfParams.estimate(), show_progress=False)
    given = np.stack(list(NamedVideoStream(sc, "film").load())).astype(np.float32)
    wanted = model.predict(given, verbose=0)
    assert list(streams[0].load()) == wanted["label"].argmax(axis=1).tolist()
    assert np.allclose(list(streams[1].load()), wanted["score"][:, 0], rtol=1e-4)


def test_one_output_is_an_array(tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.layers.Input((4,)), keras.layers.Dense(2, use_bias=False)]
    )
    path = tmp_path / "one.keras"
    model.save(path)
    handler = KerasModelHandler(path)
    loaded = handler.load_model()
    batch = [np.ones(4), np.zeros(4)]
    found = [r.inference for r in handler.run_inference(batch, loaded)]
    assert np.allclose(found, model.predict(np.stack(batch), verbose=0))
    assert found[0].shape == (2,)


def differences(inputs: Any) -> Any:
    """A model of two inputs, called a and b."""
    a, b = inputs.values() if isinstance(inputs, dict) else inputs
    return keras.Model(inputs, keras.layers.Subtract()([a, b]))


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("how", ["listed", "by their names", "by other names"])
def test_a_model_of_two_inputs(tmp_path: Path, how: str, ending: str) -> None:
    a, b = (keras.layers.Input((3,), name=name) for name in "ab")
    x, y = "xy" if how == "by other names" else "ab"
    model = differences([a, b] if how == "listed" else {x: a, y: b})
    path = tmp_path / f"two.{ending}"
    model.save(path)
    handler = KerasModelHandler(path)
    loaded = handler.load_model()
    batch = [{y: np.full(3, n), x: np.full(3, 10)} for n in (1, 2)]
    found = handler.run_inference(batch, loaded)
    assert [each.inference.tolist() for each in found] == [[9] * 3, [8] * 3]
    with pytest.raises(ElementTypeError, match=f"takes {x}, {y}"):
        handler.run_inference([np.zeros(3)], loaded)


@keras.saving.register_keras_serializable("tests")
class Difference(Model):
    """A model whose inputs nobody can know before it is called."""

    def call(self, inputs: Any) -> Any:
        return inputs["a"] - inputs["b"]


def test_a_model_with_a_call_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "own.keras"
    model = Difference()
    batch = [{"b": np.full(3, n), "a": np.full(3, 10)} for n in (1, 2)]
    model({name: np.stack([each[name] for each in batch]) for name in "ab"})
    model.save(path)
    handler = KerasModelHandler(path)
    found = handler.run_inference(batch, handler.load_model())
    assert [each.inference.tolist() for each in found] == [[9] * 3, [8] * 3]


@keras.saving.register_keras_serializable("tests")
class Twice(Layer):
    """A layer that only this program knows."""

    def call(self, inputs: Any) -> Any:
        return 2 * inputs


def test_layers_of_the_users(
    sc: Any, tmp_path: Path, film: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "twice.keras"
    means = keras.layers.GlobalAveragePooling2D()
    keras.Sequential([keras.layers.Input((*SIDES, 3)), means, Twice()]).save(path)
    monkeypatch.delitem(keras.saving.get_custom_objects(), "tests>Twice")
    handler = KerasModelHandler(path, custom_objects={"tests>Twice": Twice})
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
    out = NamedStream(sc, "twice")
    column = sc.ops.Infer(frame=frames, model_handler=handler, postprocess=list)
    sc.run(sc.io.Output(column, [out]), PerfParams.estimate(), show_progress=False)
    given = NamedVideoStream(sc, "film").load()
    wanted = [2 * frame.mean(axis=(0, 1)) for frame in given]
    assert np.allclose(list(out.load()), wanted, rtol=1e-4)


def test_threads_of_a_call(tmp_path: Path) -> None:
    """In a process in which nobody has used TensorFlow: the first model says."""
    path = tmp_path / "two.keras"
    two_heads(path)
    code = """
        import sys
        from beam_scanner.models import KerasModelHandler
        first = KerasModelHandler(sys.argv[1], threads=3)
        assert "tensorflow" not in sys.modules
        first.load_model()
        KerasModelHandler(sys.argv[1], threads=5).load_model()
        from tensorflow.config import threading as found
        print(found.get_intra_op_parallelism_threads())
        print(found.get_inter_op_parallelism_threads())
    """
    assert run_code(code, path).split() == ["3", "3"]


def label(heads: Any) -> list[float]:
    return [float(value) for value in heads["label"]]


@pytest.mark.processes
def test_processes_share_a_model(tmp_path: Path, film: str) -> None:
    """It is in a process of its own, and results come from there."""
    path, loads = tmp_path / "two.keras", tmp_path / "loads"
    loads.mkdir()
    model = two_heads(path)
    handler = noting(KerasModelHandler, loads)(path, large_model=True)
    with Client(db_path=str(tmp_path / "db"), options=PROCESSES) as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
        column = sc.ops.Infer(
            frame=frames, model_handler=handler, batch=2, postprocess=label
        )
        out = NamedStream(sc, "labels")
        output = sc.io.Output(column, [out])
        sc.run(output, PerfParams.manual(2, 2), show_progress=False)
        given = np.stack(list(NamedVideoStream(sc, "film").load()))
        wanted = model.predict(given, verbose=0)["label"]
        assert np.allclose(list(out.load()), wanted, rtol=1e-4)
    assert len(noted(loads, "KerasModelHandler-")) == 1


def test_other_weights_are_other_results(sc: Any, tmp_path: Path, film: str) -> None:
    path = tmp_path / "means.keras"
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
    column = sc.ops.Infer(
        frame=frames, model_handler=KerasModelHandler(path), postprocess=list
    )
    out = NamedStream(sc, "means")

    def again(scale: float) -> tuple[float, bool]:
        layers = keras.layers
        means = [layers.GlobalAveragePooling2D(), layers.Rescaling(scale)]
        keras.Sequential([layers.Input((*SIDES, 3)), *means]).save(path)
        output = sc.io.Output(column, [out])
        job = sc.run(output, cache_mode=CacheMode.Ignore, show_progress=False)
        return next(out.load())[0], job is not None

    once, twice = again(1.0), again(2.0)
    assert once[1]
    assert twice[1]
    assert twice[0] == pytest.approx(2 * once[0])
