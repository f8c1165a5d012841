"""FlowHistogram: how fast pixels move, and in which directions."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import ElementTypeError
from beam_scanner.kernels import Kernel, register_python_op
from beam_scanner.types import Shape
from beam_scanner.types.element_types import FrameType

BINS = 64
FASTEST = 64
"""Pixels that move this far, or farther, are beyond the last bin."""

Counts = Annotated[npt.NDArray[np.int32], Shape(BINS)]


class FlowCounts(NamedTuple):
    """Numbers of pixels: by the length of their flow, and by its direction."""

    magnitude: Counts
    direction: Counts


@register_python_op()
class FlowHistogram(Kernel):
    """Counts pixels by length and direction of their flow, in 64 bins each.

    Bin i of ``magnitude`` counts lengths of at least i and less than i + 1 pixels. Bin
    i of ``direction`` counts angles of at least 5.625 i degrees and less than
    5.625 (i + 1); 0 is to the right, 90 down.

    As in scannertools, lengths of 64 pixels and more are in no bin of ``magnitude``,
    and pixels that stand still have direction 0. Flow that is NaN is not counted.

    Examples:
        >>> from beam_scanner.kernels import KernelConfig
        >>> flow = np.zeros((2, 3, 2), np.float32)
        >>> flow[0] = 0, 5
        >>> magnitude, direction = FlowHistogram(KernelConfig()).execute(flow)
        >>> int(magnitude[0]), int(magnitude[5]), int(direction[0]), int(direction[16])
        (3, 3, 3, 3)
    """

    def execute(self, flow: FrameType) -> FlowCounts:
        """Two int32[64].

        Args:
            flow: H x W x 2 of floats, as OpticalFlow and EstimateFlow give it.

        Raises:
            ElementTypeError: It has another dtype or shape.
        """
        if flow.ndim != 3 or flow.shape[2] != 2 or flow.dtype.kind != "f":
            raise ElementTypeError(
                f"FlowHistogram expected an H x W x 2 flow of floats, got {flow.dtype} "
                f"with shape {flow.shape}"
            )
        # Adding 0.0 makes 0.0 of -0.0, whose direction would be 180 degrees.
        x, y = np.moveaxis(np.add(flow, 0.0, dtype=np.float64), 2, 0)
        length = np.hypot(x, y)
        angle = np.degrees(np.arctan2(y, x))
        angle = angle[~np.isnan(angle)]
        angle[angle < 0] += 360
        # An angle that is just below 0 is rounded to 360.
        turned = np.minimum(angle / (360 / BINS), BINS - 1)
        return FlowCounts(_counts(length[length < FASTEST]), _counts(turned))


def _counts(values: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    return np.bincount(values.astype(np.intp), minlength=BINS).astype(np.int32)
