"""Resizing of frames: OpenCV where it is installed, else the same in NumPy."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import ArgumentError
from beam_scanner.ops._opencv import opencv_or_none

INTERPOLATIONS = (
    "INTER_NEAREST",
    "INTER_LINEAR",
    "INTER_CUBIC",
    "INTER_AREA",
    "INTER_LANCZOS4",
)
"""OpenCV's names of the ways to interpolate."""

_OPENCV_DTYPES = ("uint8", "uint16", "int16", "float32", "float64")
_OPENCV_CHANNELS = 4

Taps = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]


def check_interpolation(op: str, name: str) -> str:
    """The name itself; '' stands for INTER_LINEAR.

    Raises:
        ArgumentError: It is none of ``INTERPOLATIONS``.
    """
    if name == "":
        return "INTER_LINEAR"
    if name not in INTERPOLATIONS:
        raise ArgumentError(
            f"{op} has no interpolation {name!r}; use one of "
            f"{', '.join(INTERPOLATIONS)}"
        )
    return name


def resize_frame(
    frame: npt.NDArray[Any], width: int, height: int, interpolation: str
) -> npt.NDArray[Any]:
    """The frame at another size.

    Args:
        frame: H x W x C, neither dimension 0.
        width: Above 0.
        height: Above 0.
        interpolation: One of ``INTERPOLATIONS``.

    Returns:
        A new ``height`` x ``width`` x C array of the frame's dtype.

    Examples:
        >>> frame = np.arange(4, dtype=np.uint8).reshape(2, 2, 1)
        >>> resize_frame(frame, 4, 1, 'INTER_NEAREST').ravel().tolist()
        [0, 0, 1, 1]
    """
    if frame.shape[:2] == (height, width):
        return frame.copy()
    cv2 = opencv_or_none()
    if (
        cv2 is None
        or frame.dtype.name not in _OPENCV_DTYPES
        or frame.shape[2] > _OPENCV_CHANNELS
    ):
        return resize_with_numpy(frame, width, height, interpolation)
    resized: npt.NDArray[Any] = cv2.resize(
        frame, (width, height), interpolation=getattr(cv2, interpolation)
    )
    return resized.reshape(height, width, frame.shape[2])


def resize_with_numpy(
    frame: npt.NDArray[Any], width: int, height: int, interpolation: str
) -> npt.NDArray[Any]:
    """What :func:`resize_frame` does, without OpenCV; integers differ by 1 at most."""
    shape = (frame.shape[0], frame.shape[1], height, width)
    if interpolation == "INTER_NEAREST":
        rows, columns = _nearest(shape[0], height), _nearest(shape[1], width)
        return np.ascontiguousarray(frame[rows][:, columns])
    vertical, horizontal = _taps_of(shape, interpolation)
    result = _apply(_apply(frame, vertical, 0), horizontal, 1)
    if frame.dtype.kind in "iu":
        limits = np.iinfo(frame.dtype)
        np.clip(np.rint(result, out=result), limits.min, limits.max, out=result)
    return result.astype(frame.dtype)


def _apply(
    array: npt.NDArray[Any], taps: Taps, axis: int
) -> npt.NDArray[np.floating[Any]]:
    """The weighted sum of the rows (axis 0) or columns (axis 1) that taps name."""
    index, weight = taps
    small = array.dtype.itemsize <= 2 or array.dtype == np.float32
    dtype = np.float32 if small else np.float64
    shape = [1, 1, 1]
    shape[axis] = len(index)
    total: Any = 0.0
    for k in range(index.shape[1]):
        part: Any = array.take(index[:, k], axis).astype(dtype, copy=False)
        total = total + part * weight[:, k].astype(dtype).reshape(shape)
    result: npt.NDArray[np.floating[Any]] = total
    return result


def _nearest(old: int, new: int) -> npt.NDArray[np.int64]:
    places = np.floor(np.arange(new) * (1 / (new / old))).astype(np.int64)
    return np.asarray(np.minimum(places, old - 1))


@functools.lru_cache(maxsize=64)
def _taps_of(shape: tuple[int, int, int, int], interpolation: str) -> tuple[Taps, Taps]:
    old_height, old_width, height, width = shape
    if interpolation == "INTER_AREA":
        shrinks = old_height >= height and old_width >= width
        make = _area_taps if shrinks else _area_growing_taps
    else:
        make = functools.partial(_kernel_taps, kind=interpolation)
    return make(old_height, height), make(old_width, width)


def _kernel_taps(old: int, new: int, kind: str) -> Taps:
    place = (np.arange(new) + 0.5) * (old / new) - 0.5
    first = np.floor(place).astype(np.int64)
    fraction = place - first
    weight = {
        "INTER_LINEAR": _linear,
        "INTER_CUBIC": _cubic,
        "INTER_LANCZOS4": _lanczos4,
    }[kind](fraction)
    taps = weight.shape[1]
    index = first[:, None] + np.arange(taps) - (taps // 2 - 1)
    return np.clip(index, 0, old - 1), weight


def _linear(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.stack((1 - x, x), axis=1)


def _cubic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    a = -0.75
    outer = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a
    inner = ((a + 2) * x - (a + 3)) * x * x + 1
    after = ((a + 2) * (1 - x) - (a + 3)) * (1 - x) * (1 - x) + 1
    return np.stack((outer, inner, after, 1 - outer - inner - after), axis=1)


def _lanczos4(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    distance = x[:, None] - (np.arange(8) - 3)
    weight = np.sinc(distance) * np.sinc(distance / 4)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True), np.float64)


def _area_taps(old: int, new: int) -> Taps:
    scale = old / new
    start, stop = np.arange(new) * scale, (np.arange(new) + 1) * scale
    index = np.floor(start).astype(np.int64)[:, None] + np.arange(int(scale) + 2)
    overlap = np.minimum(index + 1, stop[:, None]) - np.maximum(index, start[:, None])
    weight = np.clip(overlap, 0, None)
    weight /= weight.sum(axis=1, keepdims=True)
    return np.clip(index, 0, old - 1), weight


def _area_growing_taps(old: int, new: int) -> Taps:
    # OpenCV's rule where a side grows: each old pixel keeps a flat middle.
    scale = old / new
    first = np.floor(np.arange(new) * scale).astype(np.int64)
    x = (np.arange(new) + 1) - (first + 1) / scale
    x = np.where(x <= 0, 0, x - np.floor(x))
    index = first[:, None] + np.arange(2)
    return np.clip(index, 0, old - 1), _linear(x)
