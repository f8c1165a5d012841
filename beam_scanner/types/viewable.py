"""Frames of any kind as pictures that people look at: uint8 RGB, at a size that fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]


def flow_colors(flow: npt.NDArray[Any], fastest: float = 0.0) -> Picture:
    """A picture of optical flow: hue is the direction, brightness the speed.

    Args:
        flow: H x W x 2, as from OpticalFlow. Pixels that are NaN are black.
        fastest: Speed, in pixels, that has full brightness, as all above it have; 0 for
            that of the fastest pixel.

    Returns:
        H x W x 3 uint8 RGB. Red moves right; still pixels are black.

    Examples:
        >>> flow_colors(np.array([[[2.0, 0.0], [0.0, 0.0]]])).tolist()
        [[[255, 0, 0], [0, 0, 0]]]
        >>> flow_colors(np.array([[[2.0, 0.0]]]), fastest=4).tolist()
        [[[128, 0, 0]]]
    """
    known = np.where(np.isfinite(flow).all(axis=-1, keepdims=True), flow, 0)
    speed = np.hypot(known[..., 0], known[..., 1])
    top = fastest or float(speed.max(initial=0.0))
    value = np.minimum(speed / top, 1) if top > 0 else speed
    hue = np.arctan2(known[..., 1], known[..., 0]) * (3 / np.pi) % 6
    # Each channel falls off with the hue's distance from it on the color circle.
    away = [np.abs((hue - center + 3) % 6 - 3) for center in (0, 2, 4)]
    share = np.clip(2 - np.stack(away, axis=-1), 0, 1)
    return np.asarray(np.rint(share * value[..., np.newaxis] * 255), np.uint8)


def viewable(frame: npt.NDArray[Any]) -> Picture:
    """A frame as a picture.

    Args:
        frame: H x W or H x W x C. Two channels of floats are optical flow; of four the
            last is left out; more than four show their first. Other numbers than uint8
            are stretched from their least to their greatest.

    Returns:
        H x W x 3 uint8 RGB.

    Examples:
        >>> viewable(np.array([[[0.5], [1.5]]])).tolist()
        [[[0, 0, 0], [255, 255, 255]]]
    """
    array = frame[..., np.newaxis] if frame.ndim == 2 else frame
    if array.shape[2] == 2 and array.dtype.kind == "f":
        return flow_colors(array)
    array = array[..., :3] if array.shape[2] in (3, 4) else array[..., :1]
    if array.dtype != np.uint8:
        array = _stretched(array)
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def _stretched(array: npt.NDArray[Any]) -> Picture:
    values = array.astype(np.float64)
    there = np.isfinite(values)
    if not there.any():
        return np.zeros(array.shape, np.uint8)
    low, high = values[there].min(), values[there].max()
    share = (np.where(there, values, low) - low) / ((high - low) or 1.0)
    return np.asarray(np.rint(share * 255), np.uint8)


def scaled(picture: Picture, width: int, height: int) -> Picture:
    """A picture at another size, each pixel the mean of those that it stands for.

    Args:
        picture: H x W x 3 uint8.
        width: In pixels.
        height: In pixels.
    """
    if picture.shape[:2] == (height, width):
        return picture
    import av
    from av.video.reformatter import Interpolation

    frame: Any = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    made = frame.reformat(width, height, interpolation=Interpolation.AREA, threads=1)
    array: Picture = made.to_ndarray()
    return array


def fitting(picture: Picture, width: int) -> Picture:
    """A picture that is no wider than that; smaller ones stay as they are."""
    height, own = picture.shape[:2]
    if own <= width:
        return picture
    return scaled(picture, width, max(1, round(height * width / own)))
