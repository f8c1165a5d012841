"""A small SavedModel, and its signatures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import NamedStream, NamedVideoStream
from beam_scanner.errors import ArgumentError
from beam_scanner.models import SavedModelHandler
from tests.support.frameworks import SIDES, frameworks, statistics, two_heads
from tests.support.video_fixtures import make_video

pytestmark = [pytest.mark.slow, pytest.mark.frameworks]

tf, _ = frameworks()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return statistics(tmp_path_factory.mktemp("saved") / "model")


FRAMES = [np.full((4, 5, 3), n, np.uint8) for n in (1, 2, 3)]


def inferences(handler: Any, arguments: Any = None) -> list[Any]:
    found = handler.run_inference(FRAMES, handler.load_model(), arguments)
    return [each.inference for each in found]


def test_signatures(path: str) -> None:
    assert inferences(SavedModelHandler(path)) == [2, 4, 6]
    spread = SavedModelHandler(path, signature="spread")
    found = inferences(spread, {"above": 1.5})
    assert [(each["most"], bool(each["above"])) for each in found] == [
        (1, False),
        (2, True),
        (3, True),
    ]
    with pytest.raises(ArgumentError, match="no signature 'train'; it has 'serving"):
        SavedModelHandler(path, signature="train").load_model()


def test_what_keras_exports(tmp_path: Path) -> None:
    """Frames are bytes, and the signature takes floats."""
    model = two_heads(tmp_path / "two.keras")
    model.export(tmp_path / "exported", verbose=False)
    handler = SavedModelHandler(tmp_path / "exported")
    frames: Any = np.random.default_rng(3).integers(0, 256, (4, *SIDES, 3), np.uint8)
    found = [
        each.inference for each in handler.run_inference(frames, handler.load_model())
    ]
    wanted = model.predict(frames, verbose=0)
    for name in ("label", "score"):
        assert wanted[name].std() > 0
        assert np.allclose([each[name] for each in found], wanted[name], rtol=1e-4)


def test_tensors_of_a_callable(sc: Any, tmp_path: Path) -> None:
    """What TensorFlow gives is NumPy's when results are stored."""
    film = make_video(tmp_path / "film.mp4", 12)

    def means(batch: Any) -> Any:
        return tf.reduce_mean(tf.cast(batch, tf.float64), axis=[1, 2])

    frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
    out = NamedStream(sc, "means")
    output = sc.io.Output(sc.ops.Infer(frame=frames, model_handler=means), [out])
    sc.run(output, show_progress=False)
    found: list[Any] = list(out.load())
    assert {type(each) for each in found} == {np.ndarray}
    given = NamedVideoStream(sc, "film").load()
    assert np.allclose(found, [frame.mean(axis=(0, 1)) for frame in given])
