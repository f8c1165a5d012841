"""Heatmap: values and masks as colors over frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.kernels.op_spec import OpForCall
from beam_scanner.ops._colors import color_of_number
from beam_scanner.ops._inputs import takes, takes_one_of
from beam_scanner.ops._opencv import opencv
from beam_scanner.ops._resample import resize_frame
from beam_scanner.types.codecs.number_codecs import ShapedArrayCodec
from beam_scanner.types.element_types import FrameType, NumpyArray
from beam_scanner.types.model_types import Mask

COLORMAPS = ("turbo", "viridis", "inferno", "magma", "plasma", "jet", "hot", "bone")
"""Names of OpenCV's color maps, in small letters."""

Float32 = npt.NDArray[np.float32]


@register_python_op()
class Heatmap(Kernel):
    """Colors each frame by the values that are given for its places.

    The column may hold H x W values (an array, or frames with one channel) of any size,
    which is stretched to that of the frame; or ``Mask`` or a list of them, each of which
    has a color of its own. Values that are NaN have none.

    Args:
        config: The kernel's configuration.
        low: The value that has the first color of the map.
        high: The value that has the last one; where both are equal, they are the least
            and the greatest value of each row.
        opacity: Of the colors, 0.0 to 1.0.
        colormap: 'turbo', 'viridis', 'inferno', 'magma', 'plasma', 'jet', 'hot' or 'bone'.

    Raises:
        ArgumentError: There is no such map, or the opacity is another number.
        MissingDependencyError: OpenCV is not installed.

    Examples:
        >>> frame = np.full((4, 4, 3), 100, np.uint8)
        >>> values = np.array([[0.0, 1.0]])
        >>> drawn = Heatmap(KernelConfig(), opacity=1.0).execute(frame, values)
        >>> bool((drawn[0, 0] != drawn[0, 3]).any())
        True
    """

    def __init__(
        self,
        config: KernelConfig,
        low: float = 0.0,
        high: float = 0.0,
        opacity: float = 0.5,
        colormap: str = "turbo",
    ) -> None:
        super().__init__(config)
        if colormap not in COLORMAPS:
            raise ArgumentError(
                f"Heatmap has no colormap {colormap!r}; use one of {', '.join(COLORMAPS)}"
            )
        if not 0 <= opacity <= 1:
            raise ArgumentError(
                f"Heatmap needs an opacity from 0.0 to 1.0, got {opacity!r}"
            )
        cv2 = opencv("Heatmap")
        levels = np.arange(256, dtype=np.uint8)[:, None]
        table = cv2.applyColorMap(levels, getattr(cv2, f"COLORMAP_{colormap.upper()}"))
        # OpenCV has blue first.
        self._table: npt.NDArray[np.uint8] = table.reshape(256, 3)[:, ::-1].copy()
        self._low, self._high, self._opacity = float(low), float(high), opacity

    @staticmethod
    def op_for_call(call: OpForCall) -> OpForCall:
        """Takes frames, arrays of a fixed shape and masks, too."""
        given = call.types[1]
        if given is None or isinstance(given.codec, ShapedArrayCodec):
            return takes(call, 1, given)
        return takes_one_of(call, 1, NumpyArray, Mask, list[Mask])

    def execute(self, frame: FrameType, values: NumpyArray) -> FrameType:
        """H x W x 3 uint8.

        Raises:
            ElementTypeError: The values are no H x W numbers, or the frame is not uint8.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] not in (1, 3):
            raise ElementTypeError(
                "Heatmap expected frames of uint8 with 1 or 3 channels, got "
                f"{frame.dtype} with shape {frame.shape}"
            )
        picture = np.repeat(frame, 3, axis=2) if frame.shape[2] == 1 else frame.copy()
        if isinstance(values, Mask):
            return self._masked(picture, [values])
        if isinstance(values, list):
            return self._masked(picture, values)
        colors, known = self._colors(_plane(values), picture.shape)
        return _mixed(picture, colors, known * np.float32(self._opacity))

    def _colors(
        self, plane: Float32, shape: tuple[int, ...]
    ) -> tuple[npt.NDArray[np.uint8], Float32]:
        """Colors of a frame's size, and where there are any."""
        height, width = shape[:2]
        there = np.isfinite(plane)
        low, high = self._low, self._high
        if low == high:
            known = plane[there]
            low, high = (
                (float(known.min()), float(known.max())) if known.size else (0, 1)
            )
        span = high - low or 1.0
        share = np.clip((np.where(there, plane, low) - low) / span, 0, 1)
        both = np.stack([share, there], axis=2).astype(np.float32)
        sized = resize_frame(both, width, height, "INTER_LINEAR")
        levels = np.rint(sized[..., 0] * 255).astype(np.uint8)
        return self._table[levels], (sized[..., 1] > 0.5).astype(np.float32)

    def _masked(self, frame: FrameType, masks: list[Mask]) -> FrameType:
        height, width = frame.shape[:2]
        for number, mask in enumerate(masks):
            inside = mask.array().astype(np.uint8)[..., None]
            sized = resize_frame(inside, width, height, "INTER_NEAREST")[..., 0]
            color = np.broadcast_to(np.array(color_of_number(number)), frame.shape)
            frame = _mixed(frame, color, sized * np.float32(self._opacity))
        return frame


def _plane(values: Any) -> Float32:
    array = np.asarray(values)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 or not array.size or array.dtype.kind not in "buif":
        raise ElementTypeError(
            f"Heatmap expected H x W numbers, got {array.dtype} with shape {array.shape}"
        )
    return array.astype(np.float32)


def _mixed(frame: FrameType, colors: npt.NDArray[Any], share: Float32) -> FrameType:
    mixed = frame + share[..., None] * (colors - frame.astype(np.float32))
    return np.asarray(np.rint(mixed), np.uint8)
