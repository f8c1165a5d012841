"""TensorFlow and Keras, and small models of theirs, on the CPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import MissingDependencyError
from beam_scanner.models.libraries import KERAS, library, tensorflow

SIDES = (48, 64)
"""Height and width of the frames that the models take."""


def frameworks() -> tuple[Any, Any]:
    """TensorFlow and Keras; skips the tests of a module where they are not installed.

    With ``REQUIRE_TENSORFLOW=1`` they must be. One thread a call, as in workers, so that
    results are equal.
    """
    try:
        return tensorflow("a test", 1), library(KERAS, "a test")
    except MissingDependencyError:
        if os.environ.get("REQUIRE_TENSORFLOW") == "1":
            raise
        pytest.skip("needs TensorFlow: make test-frameworks", allow_module_level=True)


def two_heads(path: Path) -> Any:
    """A network of two outputs, 'label' and 'score', saved to a ``.keras`` file."""
    _, keras = frameworks()
    keras.utils.set_random_seed(7)
    image = keras.layers.Input((*SIDES, 3), name="image")
    small = keras.layers.Rescaling(1 / 255)(image)
    small = keras.layers.Conv2D(8, 5, strides=4, activation="tanh")(small)
    pooled = keras.layers.GlobalAveragePooling2D()(small)
    label = keras.layers.Dense(3, activation="softmax", name="label")(pooled)
    score = keras.layers.Dense(1, name="score")(pooled)
    model = keras.Model(image, {"label": label, "score": score})
    model.save(path)
    return model


def statistics(path: Path) -> str:
    """A SavedModel of frames, with two signatures.

    'serving_default' gives the 'mean' of each; 'spread' its 'most', and whether that is
    'above' a number that it is given.
    """
    tf, _ = frameworks()
    module = tf.Module()
    module.scale = tf.Variable(2.0)
    frames = tf.TensorSpec([None, None, None, 3], tf.float32, name="frames")
    above = tf.TensorSpec([], tf.float32, name="above")

    def mean(frames: Any) -> Any:
        return {"mean": module.scale * tf.reduce_mean(frames, axis=[1, 2, 3])}

    def spread(frames: Any, above: Any) -> Any:
        most = tf.reduce_max(frames, axis=[1, 2, 3])
        return {"most": most, "above": most > above}

    signatures = {
        "serving_default": tf.function(mean).get_concrete_function(frames),
        "spread": tf.function(spread).get_concrete_function(frames, above),
    }
    tf.saved_model.save(module, os.fspath(path), signatures)
    return os.fspath(path)


def fussy(path: Path) -> str:
    """A SavedModel of the 'number' of each frame, which it gives back.

    It refuses those from 1000 on; from 2000 on it wants more memory than there is.
    """
    tf, _ = frameworks()
    number = tf.TensorSpec([None], tf.float32, name="number")

    def same(number: Any) -> Any:
        largest = tf.reduce_max(number)
        count = tf.where(largest < 2000, tf.constant(1, tf.int64), 2**50)
        # Random, as anything else would be found to be needless.
        held = tf.reduce_max(tf.random.uniform([count]))
        with tf.control_dependencies([held]):
            known = tf.debugging.assert_less(largest, 1000.0, "no such number")
        with tf.control_dependencies([known]):
            return {"same": tf.identity(number)}

    module = tf.Module()
    signature = tf.function(same).get_concrete_function(number)
    tf.saved_model.save(module, os.fspath(path), {"serving_default": signature})
    return os.fspath(path)
