"""Networks that estimate optical flow, such as RAFT, as ONNX files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.models.libraries import OPENCV, library
from beam_scanner.models.onnx_models import OnnxModelHandler
from beam_scanner.types.element_types import FrameType


class FlowModelHandler(OnnxModelHandler):
    """A network with two pictures as inputs, in the order in which they follow.

    An example is both as one array, ``[2, 3, H, W]``; a prediction is the flow, ``[2, H,
    W]``: of several outputs the finest one.

    Args:
        path: Path or URL of the file.
        **options: See ``OnnxModelHandler``.
    """

    def run_inference(
        self,
        batch: Sequence[Any],
        model: Any,
        inference_args: Mapping[str, Any] | None = None,
    ) -> Iterable[Any]:
        """The flow of each pair.

        Raises:
            ElementTypeError: The network has not two inputs, or no output is flow.
        """
        names = [each.name for each in model.get_inputs()]
        if len(names) != 2:
            raise ElementTypeError(
                f"a network for flow has two inputs, this one {len(names)}: "
                f"{', '.join(names)}"
            )
        pairs = [dict(zip(names, example, strict=True)) for example in batch]
        found = super().run_inference(pairs, model, inference_args)
        return [each._replace(inference=_finest(each.inference)) for each in found]


def _finest(outputs: Any) -> npt.NDArray[Any]:
    listed = outputs.values() if isinstance(outputs, Mapping) else [outputs]
    flows = [each for each in listed if each.ndim == 3 and each.shape[0] == 2]
    if not flows:
        shapes = ", ".join(str(each.shape) for each in listed)
        raise ElementTypeError(f"flow is [2, H, W], but the network gave {shapes}")
    return max(flows, key=lambda flow: flow.size)


class FlowPictures:
    """What comes before a network for flow, and after it.

    Args:
        width: Of the pictures that it takes, in pixels.
        height: In pixels.
        low: What black is for it.
        high: What white is.

    Raises:
        ArgumentError: A side is not 1 or more.

    Examples:
        >>> pictures = FlowPictures(16, 8, low=-1.0, high=1.0)
        >>> pair = np.zeros((2, 20, 40, 3), np.uint8)
        >>> prepared = pictures.preprocess(pair)
        >>> prepared.shape, float(prepared.max())
        ((2, 3, 8, 16), -1.0)
    """

    needs = (OPENCV,)

    def __init__(
        self, width: int, height: int, low: float = 0.0, high: float = 255.0
    ) -> None:
        if width < 1 or height < 1:
            raise ArgumentError(
                f"width and height must be 1 or more, got {width} and {height}"
            )
        self.width = width
        self.height = height
        self.low = low
        self.high = high

    def preprocess(self, pair: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """float32[2, 3, height, width] of two frames."""
        cv2 = library(OPENCV, "EstimateFlow")
        size = self.width, self.height
        frames = [cv2.resize(frame, size) for frame in pair]
        pair = np.stack(frames).astype(np.float32)
        scaled = pair * np.float32((self.high - self.low) / 255) + np.float32(self.low)
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), np.float32)

    def postprocess(self, flow: npt.NDArray[Any], pair: npt.NDArray[Any]) -> FrameType:
        """H x W x 2 float32, in pixels of the frame: to the right, down."""
        cv2 = library(OPENCV, "EstimateFlow")
        height, width = pair.shape[1:3]
        small = np.ascontiguousarray(flow.transpose(1, 2, 0), np.float32)
        large = cv2.resize(small, (width, height))
        # Vectors are in pixels of what the network has seen.
        share = np.array([width / self.width, height / self.height], np.float32)
        found: FrameType = large * share
        return found
