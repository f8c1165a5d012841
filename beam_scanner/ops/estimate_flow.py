"""EstimateFlow: optical flow by a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from beam_scanner.kernels import register_python_op
from beam_scanner.ops._model_ops import ModelKernel
from beam_scanner.ops.detect import DEVICES
from beam_scanner.types.element_types import FrameType


@register_python_op(name="EstimateFlow", batch=4, stencil=[0, 1], device_sets=DEVICES)
class EstimateFlow(ModelKernel):
    """Dense flow between the two frames of the window, by a network of yours: RAFT.

    Raises:
        MissingDependencyError: onnxruntime or OpenCV are not installed.
    """

    def __init__(
        self,
        config: Any,
        model_uri: str,
        width: int,
        height: int,
        low: float = 0.0,
        high: float = 255.0,
    ) -> None:
        """Checks the arguments.

        Args:
            config: Of the kernel.
            model_uri: Path or URL of the ONNX file, which takes two pictures.
            width: Of the pictures that it takes, in pixels.
            height: In pixels.
            low: What black is for it; torchvision's RAFT has -1.0.
            high: What white is; torchvision's RAFT has 1.0.
        """
        from beam_scanner.models.flow_models import FlowModelHandler, FlowPictures

        around = FlowPictures(width, height, low, high)
        super().__init__(
            config,
            model_handler=FlowModelHandler(model_uri),
            preprocess=around.preprocess,
            postprocess=around.postprocess,
        )

    def execute(self, frame: Sequence[Sequence[FrameType]]) -> Sequence[FrameType]:
        """H x W x 2 float32: pixels to the right, pixels down."""
        found: Sequence[FrameType] = self.infer(frame)
        return found
