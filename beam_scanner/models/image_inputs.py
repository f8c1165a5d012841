"""Frames as image encoders take them: CLIP, SigLIP, DINO."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import ArgumentError
from beam_scanner.models.libraries import OPENCV, library


class Preparation(NamedTuple):
    """How a family of encoders is given pictures.

    Attributes:
        resize: The shorter side of the picture, before its middle is cut out, for a
            square with a side of 1; 0 if the picture is stretched into the square.
        mean: Of red, green and blue, which is subtracted.
        deviation: By which is divided then.
    """

    resize: float
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


FAMILIES = {
    "clip": Preparation(
        1.0, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    ),
    "siglip": Preparation(0.0, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "dino": Preparation(256 / 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""As their preprocessor_config.json say: of openai/clip-vit, google/siglip and
facebook/dinov2. ``dino`` is what networks trained on ImageNet take, too."""


class ImageInput:
    """Makes what an image encoder takes of a frame.

    Args:
        family: ``clip``, ``siglip`` or ``dino``.
        size: Side of the square that the encoder takes.

    Raises:
        ArgumentError: There is no such family.

    Examples:
        >>> white = np.full((20, 40, 3), 255, np.uint8)
        >>> ImageInput('siglip', 8)(white).shape, ImageInput('siglip', 8)(white).max()
        ((3, 8, 8), np.float32(1.0))
    """

    needs = (OPENCV,)

    def __init__(self, family: str, size: int) -> None:
        if family not in FAMILIES:
            raise ArgumentError(
                f"family must be one of {', '.join(FAMILIES)}, got {family!r}"
            )
        if size < 1:
            raise ArgumentError(f"size must be 1 or more, got {size}")
        self.family = family
        self.size = size

    def __call__(self, frame: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """float32[3, size, size].

        Raises:
            MissingDependencyError: OpenCV is not installed.
        """
        cv2 = library(OPENCV, "ImageInput")
        resize, mean, deviation = FAMILIES[self.family]
        height, width = frame.shape[:2]
        sides = self.size, self.size
        if resize:
            scale = round(self.size * resize) / min(height, width)
            sides = (
                max(self.size, round(width * scale)),
                max(self.size, round(height * scale)),
            )
        smaller = sides[0] < width or sides[1] < height
        method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        square = cv2.resize(frame, sides, interpolation=method)
        left, top = (sides[0] - self.size) // 2, (sides[1] - self.size) // 2
        square = square[top : top + self.size, left : left + self.size]
        scaled = square.astype(np.float32) / 255
        normal = (scaled - np.array(mean, np.float32)) / np.array(deviation, np.float32)
        found: npt.NDArray[np.float32] = np.ascontiguousarray(normal.transpose(2, 0, 1))
        return found


POOLED = ("image_embeds", "text_embeds", "pooler_output", "last_hidden_state")
"""Outputs that may hold an embedding, the best first, as Hugging Face names them."""


def embedding_of(output: Any, unit: bool = True) -> npt.NDArray[np.float32]:
    """The embedding in what an encoder gives for a row.

    Args:
        output: An array, or a dict of arrays. Of an array of tokens the first is taken,
            which stands for the whole.
        unit: Whether it is divided by its length, so that the product of two is the
            cosine of the angle between them.

    Returns:
        float32 of one dimension.

    Examples:
        >>> embedding_of({'pooler_output': [3.0, 4.0]}).tolist()
        [0.6000000238418579, 0.800000011920929]
    """
    if isinstance(output, dict):
        name = next((name for name in POOLED if name in output), next(iter(output)))
        output = output[name]
    vector = np.asarray(output, np.float32)
    if vector.ndim == 2:
        vector = vector[0]
    vector = vector.reshape(-1)
    if unit:
        vector = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return vector
