"""The ops that ship, against OpenCV, NumPy or arithmetic that is plainly right."""

from __future__ import annotations

from beam_scanner import kernels, ops
from tests.support.programs import run_code

# Registration


def test_all_ops_are_registered_by_name() -> None:
    ops.register_ops()
    ops.register_ops()
    names = (
        "Histogram Resize ConvertColor Blur OpticalFlow FrameDifference Montage "
        "ImageEncoder ImageDecoder Pass Discard DiscardFrame InfoFromFrame "
        "ShotBoundaries DrawBboxes DrawFlow Brightness Contrast Sharpness HSVHistogram "
        "FlowHistogram ShotFeatures DetectShots ShotsFromScores TransNetV2"
    )
    assert set(names.split()) <= set(kernels.registered_ops())


def test_attributes_of_the_ops() -> None:
    ops.register_ops()
    assert kernels.op_spec("OpticalFlow").stencil == (0, 1)
    assert kernels.op_spec("FrameDifference").stencil == (-1, 0)
    assert kernels.op_spec("Montage").unbounded_state
    assert kernels.op_spec("ShotBoundaries").whole_stream
    resize_args = [p.name for p in kernels.op_spec("Resize").stream_params]
    assert resize_args == [
        "width",
        "height",
        "min",
        "preserve_aspect",
        "interpolation",
    ]
    assert kernels.op_spec("Histogram").outputs[0].type_name == "Histogram"


def test_importing_the_ops_loads_no_opencv() -> None:
    code = (
        "import sys; from beam_scanner.ops import register_ops; register_ops(); "
        "sys.exit('cv2' in sys.modules)"
    )
    run_code(code)


# ShotBoundaries


# Pictures
