"""What encoders of pictures are given, and what is taken of what they give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.models.image_inputs import FAMILIES, ImageInput, embedding_of

pytest.importorskip("cv2")


@pytest.mark.parametrize("shape", [(40, 90, 3), (90, 40, 3), (300, 700, 3), (8, 8, 3)])
@pytest.mark.parametrize("family", list(FAMILIES))
def test_the_middle_with_the_familys_colors(family: str, shape: Any) -> None:
    frame = np.empty(shape, np.uint8)
    frame[:] = 10, 100, 250
    # A margin that is cut off, but for the family that stretches.
    long = int(np.argmax(shape[:2]))
    np.moveaxis(frame, long, 0)[: max(0, abs(shape[0] - shape[1]) // 2 - 9)] = 0
    found = ImageInput(family, 32)(frame)
    assert found.shape == (3, 32, 32)
    assert found.dtype == np.float32
    _, mean, deviation = FAMILIES[family]
    wanted = (np.array([10, 100, 250]) / 255 - mean) / deviation
    assert np.allclose(found[:, 16, 16], wanted, atol=0.02)
    same = np.allclose(found, wanted[:, None, None], atol=0.02)
    assert same == (family != "siglip" or shape[0] == shape[1])


def test_embeddings() -> None:
    tokens = np.array([[3, 4], [9, 9], [7, 7]])
    assert np.allclose(embedding_of(tokens), [0.6, 0.8])
    assert embedding_of(tokens, unit=False).tolist() == [3, 4]
    both = {"last_hidden_state": tokens, "pooler_output": np.array([0, 2])}
    assert embedding_of(both).tolist() == [0, 1]
    assert embedding_of({"other": [0, 0]}).tolist() == [0, 0]
    with pytest.raises(ArgumentError, match="clip, siglip, dino, got 'resnet'"):
        ImageInput("resnet", 224)
    with pytest.raises(ArgumentError, match="1 or more"):
        ImageInput("clip", 0)
