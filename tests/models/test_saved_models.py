"""A small SavedModel, and its signatures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.models import SavedModelHandler

tf = pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that gives the mean of frames, and a pair of statistics."""
    module = tf.Module()
    module.scale = tf.Variable(2.0)
    frames = tf.TensorSpec([None, None, None, 3], tf.float32, name="frames")

    def means(frames: Any) -> Any:
        return {"mean": module.scale * tf.reduce_mean(frames, axis=[1, 2, 3])}

    def spread(frames: Any, above: Any) -> Any:
        most = tf.reduce_max(frames, axis=[1, 2, 3])
        return {"most": most, "above": most > above}

    above = tf.TensorSpec([], tf.float32, name="above")
    folder = tmp_path_factory.mktemp("saved") / "model"
    signatures = {
        "serving_default": tf.function(means).get_concrete_function(frames),
        "spread": tf.function(spread).get_concrete_function(frames, above),
    }
    tf.saved_model.save(module, str(folder), signatures)
    return folder


FRAMES = [np.full((4, 5, 3), n, np.uint8) for n in (1, 2, 3)]


def inferences(handler: Any, arguments: Any = None) -> list[Any]:
    found = handler.run_inference(FRAMES, handler.load_model(), arguments)
    return [each.inference for each in found]


def test_signatures(path: Path) -> None:
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
