"""RGB on a device: the formula, what swscale makes of the same, and other libraries."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest

from beam_scanner.video.device_pixels import BITS, MATRICES, coefficients, rgb_of

SHIFTS = {8: 0, 10: 6, 12: 4}


def planes(bits: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Random samples, and the extreme ones."""
    rng = np.random.default_rng(seed)
    kind = np.uint8 if bits == 8 else np.uint16
    luma = rng.integers(0, 1 << bits, (16, 24))
    chroma = rng.integers(0, 1 << bits, (8, 12, 2))
    extremes = [0, (1 << bits) - 1]
    luma[:2, :4] = np.array(extremes)[[[0, 1, 0, 1], [1, 0, 1, 0]]]
    chroma[0, :4] = np.array(extremes)[[[0, 0], [0, 1], [1, 0], [1, 1]]]
    shift = SHIFTS[bits]
    return (luma << shift).astype(kind), (chroma << shift).astype(kind)


def reference(luma, chroma, bits, matrix, full) -> np.ndarray:
    """The formula of the recommendations, in floating point, unrounded."""
    red, blue = MATRICES[matrix]
    luma, chroma = (p.astype(np.float64) / (1 << SHIFTS[bits]) for p in (luma, chroma))
    unit, largest = 1 << (bits - 8), (1 << bits) - 1
    y = luma / largest if full else (luma - 16 * unit) / (219 * unit)
    c = (chroma - 128 * unit) / (largest if full else 224 * unit)
    cb, cr = np.moveaxis(c.repeat(2, 0).repeat(2, 1), -1, 0)
    r, b = y + 2 * (1 - red) * cr, y + 2 * (1 - blue) * cb
    g = (y - red * r - blue * b) / (1 - red - blue)
    return np.stack([r, g, b], -1).clip(0, 1) * 255


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("bits", BITS.values())
def test_the_formula(bits: int, matrix: int, full: bool) -> None:
    luma, chroma = planes(bits)
    made = rgb_of(np, luma, chroma, bits=bits, matrix=matrix, full_range=full)
    assert made.dtype == np.uint8
    assert made.flags.c_contiguous
    error = np.abs(made - reference(luma, chroma, bits, matrix, full))
    # Rounded once: by half a step, and the little by which factors are rounded.
    assert error.max() <= 0.51


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("bits", BITS.values())
def test_no_sum_overflows(bits: int, full: bool) -> None:
    for matrix in MATRICES:
        black, shift, (luma, *chroma) = coefficients(bits, matrix, full)
        largest, middle = (1 << bits) - 1, 128 << (bits - 8)
        sums = (largest + black) * luma + middle * sum(map(abs, chroma)) + (1 << shift)
        assert sums < 1 << 31


def test_pictures_are_turned_as_on_the_cpu() -> None:
    luma, chroma = planes(8)
    given: dict[str, Any] = {"bits": 8, "matrix": 1, "full_range": False}
    plain = rgb_of(np, luma, chroma, **given)
    for mirrored in (False, True):
        for rotation in (0, 90, 180, 270):
            made = rgb_of(
                np, luma, chroma, **given, mirrored=mirrored, rotation=rotation
            )
            shown = plain[:, ::-1] if mirrored else plain
            assert np.array_equal(made, np.rot90(shown, rotation // 90))
            assert made.flags.c_contiguous


@pytest.mark.parametrize("padding", [0, 40])
def test_close_to_swscale(padding: int) -> None:
    """Smooth pictures, in lines with and without padding."""
    y, x = np.mgrid[0:64, 0:96]
    picture = np.stack([x * 2, y * 3, 255 - x - y], -1).clip(0, 255).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(
        format="yuv420p", dst_colorspace="ITU709"
    )
    frame.colorspace = 1
    luma, blue, red = (np.from_dlpack(plane) for plane in frame.planes)
    chroma = np.stack([blue, red], -1)
    if padding:
        luma = np.pad(luma, ((0, 0), (0, padding)))[:, : luma.shape[1]]
        chroma = np.pad(chroma, ((0, 0), (0, padding), (0, 0)))[:, : chroma.shape[1]]
        assert not luma.flags.c_contiguous
    made = rgb_of(np, luma, chroma, bits=8, matrix=1, full_range=False)
    error = np.abs(made.astype(int) - frame.to_ndarray(format="rgb24"))
    assert error.max() <= 3
    assert error.mean() < 1.5


@pytest.mark.slow
@pytest.mark.frameworks
def test_pytorch_makes_the_same_pixels() -> None:
    torch = pytest.importorskip("torch")
    for bits in BITS.values():
        luma, chroma = planes(bits)
        tensors = [torch.from_dlpack(plane) for plane in (luma, chroma)]
        for rotation, mirrored in ((0, False), (90, True)):
            given: dict[str, Any] = {
                "bits": bits,
                "matrix": 9,
                "full_range": bits == 8,
                "mirrored": mirrored,
                "rotation": rotation,
            }
            made = rgb_of(torch, *tensors, **given)
            assert made.is_contiguous()
            assert np.array_equal(made.numpy(), rgb_of(np, luma, chroma, **given))
