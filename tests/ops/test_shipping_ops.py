"""The ops that ship, against OpenCV, NumPy or arithmetic that is plainly right."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from beam_scanner import kernels, ops, protobufs, types
from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    MissingDependencyError,
    ScannerException,
)
from beam_scanner.kernels import KernelConfig
from beam_scanner.ops import _resample
from beam_scanner.ops.basic import Discard, DiscardFrame, InfoFromFrame, Pass
from beam_scanner.ops.blur import Blur
from beam_scanner.ops.color import ConvertColor
from beam_scanner.ops.difference import FrameDifference
from beam_scanner.ops.draw import DrawBboxes, DrawFlow, flow_colors
from beam_scanner.ops.flow import OpticalFlow
from beam_scanner.ops.histogram import HistogramKernel, histogram_with_numpy
from beam_scanner.ops.images import ImageDecoder, ImageEncoder
from beam_scanner.ops.montage import Montage
from beam_scanner.ops.resize import Resize, target_size
from beam_scanner.ops.shots import find_boundaries, shot_boundaries
from beam_scanner.types.images import decode_image
from tests.support.folders import ROOT

CONFIG = KernelConfig()
FRAMES = hnp.arrays(
    np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))
)


def picture(height: int = 48, width: int = 64, shift: int = 0) -> np.ndarray:
    """A smooth, read-only RGB picture; ``shift`` moves it to the right."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    x = x - shift
    waves = [np.sin(x / 5 + y / 9), np.cos(x / 7 - y / 4), np.sin((x + y) / 6)]
    frame = np.uint8(np.stack(waves, axis=-1) * 100 + 128)
    frame.setflags(write=False)
    return frame  # type: ignore[return-value]


def resize(frame: np.ndarray, **arguments: Any) -> np.ndarray:
    kernel = Resize(CONFIG)
    kernel.new_stream(**arguments)
    return kernel.execute(frame)


# Registration


def test_all_ops_are_registered_by_name() -> None:
    ops.register_ops()
    ops.register_ops()
    names = (
        "Histogram Resize ConvertColor Blur OpticalFlow FrameDifference Montage "
        "ImageEncoder ImageDecoder Pass Discard DiscardFrame InfoFromFrame "
        "ShotBoundaries DrawBboxes DrawFlow"
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


def test_a_users_op_of_a_taken_name_is_an_error() -> None:
    ops.register_ops()

    def mine(config: Any, frame: types.FrameType) -> bytes:
        return b""

    with pytest.raises(ScannerException, match="Histogram twice"):
        kernels.register_python_op(name="Histogram")(mine)


def test_importing_the_ops_loads_no_opencv() -> None:
    code = (
        "import sys; from beam_scanner.ops import register_ops; register_ops(); "
        "sys.exit('cv2' in sys.modules)"
    )
    root = ROOT
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, timeout=60)


def test_ops_that_need_opencv_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    for make in (
        lambda: Blur(CONFIG, kernel_size=3),
        lambda: OpticalFlow(CONFIG),
        lambda: ConvertColor(CONFIG).new_stream("COLOR_RGB2GRAY"),
    ):
        with pytest.raises(MissingDependencyError, match=r"beam-scanner\[opencv\]"):
            make()


def test_other_ops_need_no_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = picture()
    with_opencv = HistogramKernel(CONFIG).execute(frame)
    resized = resize(frame, width=20, height=30)
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert np.array_equal(with_opencv, HistogramKernel(CONFIG).execute(frame))
    assert np.abs(np.subtract(resized, resize(frame, width=20, height=30), dtype=int)
                  ).max() <= 1  # fmt: skip


# Histogram


@given(FRAMES)
def test_histogram_equals_numpy(frame: np.ndarray) -> None:
    expected = [
        np.histogram(frame[..., c], bins=16, range=(0, 256))[0] for c in range(3)
    ]
    for counts in (HistogramKernel(CONFIG).execute(frame), histogram_with_numpy(frame)):
        assert np.array_equal(expected, counts)
        assert all(bins.dtype == np.int32 for bins in counts)


def test_histogram_of_a_view() -> None:
    frame = picture()[::2, ::-1]
    expected = [
        np.bincount(frame[..., c].ravel() // 16, minlength=16) for c in (0, 1, 2)
    ]
    assert np.array_equal(expected, HistogramKernel(CONFIG).execute(frame))


@pytest.mark.parametrize(
    "frame", [np.zeros((2, 2, 1), np.uint8), np.zeros((2, 2, 3), np.float32)]
)
def test_histogram_of_other_frames_is_an_error(frame: np.ndarray) -> None:
    with pytest.raises(ElementTypeError, match="H x W x 3 frame of uint8"):
        HistogramKernel(CONFIG).execute(frame)


# ShotBoundaries


def reference_boundaries(histograms: np.ndarray) -> list[tuple[int, float]]:
    """Scanner's definition, row by row: each row with its margin over the limit."""
    diffs = [0.0] + [
        float(np.mean(np.abs(a.astype(int) - b).max(axis=1)))
        for a, b in itertools.pairwise(histograms)
    ]
    margins = []
    for i in range(1, len(diffs)):
        window = diffs[max(i - 500, 0) : min(i + 500, len(diffs))]
        margins.append((i, diffs[i] - np.mean(window) - 2.5 * np.std(window)))
    return margins  # type: ignore[return-value]


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(0, 1300), st.sampled_from([1, 40, 10**7]))
def test_shot_boundaries_equal_the_definition(seed: int, rows: int, top: int) -> None:
    rng = np.random.default_rng(seed)
    shots = np.repeat(rng.integers(0, top, (40, 3, 16)), 40, axis=0)[:rows]
    histograms = np.int32(shots + rng.integers(0, 3, shots.shape))
    found = set(find_boundaries(histograms))
    for row, margin in reference_boundaries(histograms):  # type: ignore[arg-type]
        if abs(margin) > 1e-6 * top:
            assert (row in found) == (margin > 0), (row, margin)


def test_shot_boundaries_give_one_element_a_row() -> None:
    dark, bright = [np.arange(16)] * 3, [np.arange(16)[::-1]] * 3
    rows = [dark] * 20 + [bright] * 20
    assert shot_boundaries(CONFIG, rows) == [[20], *[None] * 39]  # type: ignore[arg-type]
    assert shot_boundaries(CONFIG, rows[:1]) == [[]]  # type: ignore[arg-type]
    assert shot_boundaries(CONFIG, []) == []


def test_shot_boundaries_of_a_long_film_take_no_time_to_speak_of() -> None:
    histograms = np.zeros((300_000, 3, 16), np.int32)
    histograms[::1000] = 2**31 - 1
    assert find_boundaries(histograms)[:2] == [1, 1000]


# Resize


@pytest.mark.parametrize("interpolation", _resample.INTERPOLATIONS)
@pytest.mark.parametrize("size", [(30, 20), (70, 80), (90, 20), (32, 24), (1, 1)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_resize_equals_opencv(
    interpolation: str, size: tuple[int, int], dtype: str
) -> None:
    frame = picture().astype(dtype)
    code = getattr(cv2, interpolation)
    expected = cv2.resize(frame, size, interpolation=code)
    width, height = size
    resized = resize(frame, width=width, height=height, interpolation=interpolation)
    assert np.array_equal(expected, resized)
    ours = _resample.resize_with_numpy(frame, width, height, interpolation)
    assert ours.dtype == frame.dtype
    assert np.abs(expected.astype(float) - ours).max() <= (dtype != "float32") + 1e-3


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float64"])
def test_resize_keeps_dtype_and_channels(channels: int, dtype: str) -> None:
    frame = np.repeat(picture()[..., :1], channels, axis=2).astype(dtype)
    resized = resize(frame, width=20, height=10)
    assert resized.shape == (10, 20, channels)
    assert resized.dtype == dtype
    expected = cv2.resize(picture()[..., 0], (20, 10))
    assert np.abs(resized[..., -1] - expected.astype(float)).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ({"width": 320, "height": 100}, (320, 100)),
        ({"width": 320, "preserve_aspect": True}, (320, 240)),
        ({"height": 100, "preserve_aspect": True}, (133, 100)),
        ({"width": 321, "height": 1, "preserve_aspect": True}, (321, 240)),
        ({"width": 1000, "height": 480, "min": True}, (640, 480)),
        ({"width": 1000, "height": 479, "min": True}, (1000, 479)),
        ({"width": 320, "preserve_aspect": True, "min": True}, (320, 240)),
        ({"width": 700, "preserve_aspect": True, "min": True}, (640, 480)),
    ],
)
def test_resize_sizes(arguments: dict[str, Any], size: tuple[int, int]) -> None:
    full = {"width": 0, "height": 0, **arguments}
    assert target_size(640, 480, **full) == size
    frame = np.zeros((480, 640, 3), np.uint8)
    assert resize(frame, **arguments).shape == (size[1], size[0], 3)


def test_resize_never_truncates_to_nothing() -> None:
    assert resize(np.zeros((2, 900, 3), np.uint8), width=9, preserve_aspect=True
                  ).shape == (1, 9, 3)  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"width": 3},
        {"preserve_aspect": True},
        {"width": -1, "height": 3},
        {"width": 3, "height": 3, "interpolation": "INTER_MAX"},
    ],
)
def test_resize_arguments(arguments: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="Resize"):
        Resize(CONFIG).new_stream(**arguments)


def test_results_are_fresh() -> None:
    frame = np.zeros((4, 4, 3), np.uint8)
    for result in (
        resize(frame, width=4, height=4),
        DrawBboxes(CONFIG).execute(frame, []),
        FrameDifference(CONFIG).execute([frame, frame]),
        Blur(CONFIG, kernel_size=1).execute(frame),
    ):
        assert not np.shares_memory(result, frame)


# Colors, filters, flow


def test_convert_color_equals_opencv() -> None:
    convert = ConvertColor(CONFIG)
    for name in ("COLOR_RGB2HSV", "COLOR_RGB2GRAY"):
        convert.new_stream(name)
        result = convert.execute(picture())
        expected = cv2.cvtColor(picture(), getattr(cv2, name))
        assert result.ndim == 3
        assert np.array_equal(result.squeeze(), expected)
    with pytest.raises(ArgumentError, match="COLOR_RGB2GRAY cannot convert"):
        convert.execute(np.zeros((2, 2, 1), np.uint8))
    for name in ("RGB2GRAY", "COLOR_NO", "imread"):
        with pytest.raises(ArgumentError, match="no conversion"):
            convert.new_stream(name)


def test_blur_equals_opencv() -> None:
    frame = picture()
    gauss = Blur(CONFIG, kernel_size=5, sigma=1.5).execute(frame)
    assert np.array_equal(gauss, cv2.GaussianBlur(frame, (5, 5), 1.5))
    box = Blur(CONFIG, kernel_size=4).execute(frame)
    assert np.array_equal(box, cv2.blur(frame, (4, 4)))
    assert Blur(CONFIG, kernel_size=3).execute(frame[..., :1]).shape == (48, 64, 1)
    for arguments in ({"kernel_size": 0}, {"kernel_size": 4, "sigma": 1},
                      {"kernel_size": 3, "sigma": -1}):  # fmt: skip
        with pytest.raises(ArgumentError, match="Blur needs"):
            Blur(CONFIG, **arguments)


def test_optical_flow_equals_opencv() -> None:
    first, second = picture(), picture(shift=2)
    flow = OpticalFlow(CONFIG).execute([first, second])
    gray = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in (first, second)]
    expected = cv2.calcOpticalFlowFarneback(*gray, None, 0.5, 3, 15, 3, 5, 1.2, 0)  # type: ignore[call-overload]
    assert flow.dtype == np.float32
    assert np.array_equal(flow, expected)
    assert abs(np.median(flow[..., 0]) - 2) < 0.3
    grays = [g[..., None] for g in gray]
    assert np.array_equal(OpticalFlow(CONFIG).execute(grays), expected)


def test_pairs_must_be_pairs() -> None:
    with pytest.raises(ArgumentError, match="stencil of two rows"):
        OpticalFlow(CONFIG).execute([picture()])
    with pytest.raises(ElementTypeError, match="differ in shape"):
        FrameDifference(CONFIG).execute([picture(), picture(height=40)])
    with pytest.raises(ElementTypeError, match="uint8 and float32"):
        FrameDifference(CONFIG).execute([picture(), picture().astype(np.float32)])


@given(FRAMES, st.data())
def test_frame_difference_equals_opencv(frame: np.ndarray, data: st.DataObject) -> None:
    other = data.draw(hnp.arrays(np.uint8, frame.shape))
    result = FrameDifference(CONFIG).execute([frame, other])
    assert result.dtype == np.uint8
    assert np.array_equal(result, cv2.absdiff(frame, other).reshape(frame.shape))


# Pictures


@pytest.mark.parametrize("height", [47, 48])
def test_images_go_through_png_unchanged(height: int) -> None:
    frame = picture(height)
    file = ImageEncoder(CONFIG).execute(frame)
    assert isinstance(file, bytes)
    assert np.array_equal(ImageDecoder(CONFIG).execute(file), frame)
    bgr = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(bgr[..., ::-1], frame)
    assert types.get_type_info(types.Image).serialize(file) == file


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1)])
def test_gray_images(shape: tuple[int, ...]) -> None:
    frame = np.arange(35, dtype=np.uint8).reshape(shape)
    decoded = ImageDecoder(CONFIG).execute(ImageEncoder(CONFIG).execute(frame))  # type: ignore[arg-type]
    assert np.array_equal(decoded, frame.reshape(5, 7, 1))


@pytest.mark.parametrize("form", ["jpg", "JPEG"])
@pytest.mark.parametrize("size", [(47, 65), (48, 64), (47, 64)])
def test_jpeg_is_as_close_as_opencvs(form: str, size: tuple[int, int]) -> None:
    frame = picture(*size)
    file = ImageEncoder(CONFIG, format=form).execute(frame)
    _, reference = cv2.imencode(".jpg", np.ascontiguousarray(frame[..., ::-1]))

    def error(decoded: np.ndarray) -> float:
        assert decoded.shape == frame.shape
        return float(np.abs(decoded.astype(int) - frame).mean())

    def read(data: Any) -> np.ndarray:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        return pixels[..., ::-1]

    assert error(ImageDecoder(CONFIG).execute(file)) < 1.25 * error(read(reference))  # type: ignore[arg-type]
    assert error(read(file)) < 1.25 * error(read(reference))
    assert file == ImageEncoder(CONFIG, format=form).execute(frame)


def test_jpeg_quality_orders_sizes() -> None:
    sizes = [
        len(ImageEncoder(CONFIG, format="jpg", quality=q).execute(picture(96, 128)))
        for q in (5, 30, 60, 80, 95)
    ]
    assert sizes == sorted(set(sizes))


def test_files_of_other_encoders_decode() -> None:
    frame = picture(47, 65)
    for suffix, limit in ((".jpg", 4), (".png", 0)):
        _, file = cv2.imencode(suffix, np.ascontiguousarray(frame[..., ::-1]))
        ours = decode_image(file.tobytes()).astype(int)
        theirs = cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1]
        assert np.abs(ours - theirs).max() <= limit
    alpha = np.dstack((frame, frame[..., :1]))
    _, file = cv2.imencode(".png", alpha[..., [2, 1, 0, 3]])
    assert np.array_equal(decode_image(file.tobytes()), alpha)


@given(st.data())
def test_truncated_files_are_errors(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["png", "jpg"]))
    file = ImageEncoder(CONFIG, format=form).execute(picture())
    assert isinstance(file, bytes)
    cut = data.draw(st.integers(0, len(file) - 1))
    with pytest.raises(ElementTypeError, match=r"damaged|no PNG or JPEG"):
        ImageDecoder(CONFIG).execute(file[:cut])
    ImageDecoder(CONFIG).execute(file + b"trailing")


def test_image_arguments() -> None:
    with pytest.raises(ArgumentError, match="no format 'gif'"):
        ImageEncoder(CONFIG, format="gif")
    with pytest.raises(ArgumentError, match="quality of 1 to 100, got 0"):
        ImageEncoder(CONFIG, format="jpg", quality=0)
    with pytest.raises(ElementTypeError, match="JPEG holds"):
        ImageEncoder(CONFIG, format="jpg").execute(np.zeros((2, 2, 4), np.uint8))
    with pytest.raises(ElementTypeError, match="PNG holds"):
        ImageEncoder(CONFIG).execute(np.zeros((2, 2, 3), np.float32))


def test_montage() -> None:
    montage = Montage(CONFIG, num_frames=5, target_width=32, frames_per_row=3)
    frames = [picture(shift=i) for i in range(7)]
    for _ in range(2):
        results = [montage.execute(frame) for frame in frames]
        assert [isinstance(r, types.NullElement) for r in results] == (
            [True] * 4 + [False] + [True] * 2
        )
        assert results[4].shape == (48, 96, 3)
        for i, frame in enumerate(frames[:5]):
            y, x = divmod(i, 3)
            cell = results[4][24 * y : 24 * y + 24, 32 * x : 32 * x + 32]
            assert np.array_equal(cell, cv2.resize(frame, (32, 24)))
        assert not results[4][24:, 64:].any()
        montage.reset()
    with pytest.raises(ArgumentError, match="Montage needs"):
        Montage(CONFIG, num_frames=0, target_width=1, frames_per_row=1)


@given(
    st.lists(st.tuples(*[st.floats(-0.5, 1.5, width=32)] * 4), max_size=3),
    st.sampled_from([1, 3]),
)
def test_boxes_equal_opencvs(
    corners: list[tuple[float, float, float, float]], channels: int
) -> None:
    frame = np.ascontiguousarray(picture()[..., :channels])
    boxes = [
        protobufs.BoundingBox(x1=x1, y1=y1, x2=x2, y2=y2) for x1, y1, x2, y2 in corners
    ]
    expected = frame.copy()
    for box in boxes:
        first = (int(box.x1 * 64), int(box.y1 * 48))
        second = (int(box.x2 * 64), int(box.y2 * 48))
        cv2.rectangle(expected, first, second, (255, 0, 0))
    assert np.array_equal(DrawBboxes(CONFIG).execute(frame, boxes), expected)


def test_flow_colors_equal_opencvs() -> None:
    flow = np.random.default_rng(1).normal(size=(20, 30, 2)).astype(np.float32)
    speed, angle = cv2.cartToPolar(flow[..., 0], flow[..., 1])
    hsv = np.stack(
        (np.degrees(angle), np.ones_like(speed), speed / speed.max()), axis=-1
    )
    expected = cv2.cvtColor(hsv.astype(np.float32), cv2.COLOR_HSV2RGB) * 255
    assert np.abs(flow_colors(flow) - expected).max() <= 1
    assert not flow_colors(np.zeros((2, 2, 2), np.float32)).any()


def test_draw_flow() -> None:
    flow = np.ones((48, 64, 2), np.float32)
    drawn = DrawFlow(CONFIG).execute(picture(), flow)
    assert np.array_equal(drawn[:, :64], picture())
    assert np.array_equal(drawn[:, 64:], flow_colors(flow))
    with pytest.raises(ElementTypeError, match="DrawFlow expected"):
        DrawFlow(CONFIG).execute(picture(), flow[:-1])


def test_small_ops() -> None:
    assert Pass(CONFIG).execute(b"abc") == b"abc"
    assert Discard(CONFIG).execute(b"abc") == b"\0"
    assert DiscardFrame(CONFIG).execute(picture()) == b"\0"
    assert InfoFromFrame(CONFIG).execute(picture()) == {
        "height": 48,
        "width": 64,
        "channels": 3,
        "dtype": "uint8",
    }
