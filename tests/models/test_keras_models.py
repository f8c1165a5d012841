"""Real Keras models, on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import NamedStream, NamedVideoStream, PerfParams
from beam_scanner.models import KerasModelHandler
from tests.support.video_fixtures import make_video

pytestmark = pytest.mark.slow

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def two_heads(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model with two outputs, and its file."""
    keras.utils.set_random_seed(7)
    image = keras.layers.Input((48, 64, 3), name="image")
    small = keras.layers.Conv2D(4, 5, strides=4, activation="relu")(image)
    pooled = keras.layers.GlobalAveragePooling2D()(small)
    label = keras.layers.Dense(3, activation="softmax", name="label")(pooled)
    score = keras.layers.Dense(1, name="score")(pooled)
    model = keras.Model(image, {"label": label, "score": score})
    path = tmp_path_factory.mktemp("keras") / "two.keras"
    model.save(path)
    return model, path


def test_a_model_on_a_film(sc: Any, tmp_path: Path, two_heads: Any) -> None:
    model, path = two_heads
    film = make_video(tmp_path / "film.mp4", 20)
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
