"""What ops find in frames, as SVG over pictures of them."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from typing import Any

import numpy as np

from beam_scanner import protobufs
from beam_scanner.text.cards import escaped
from beam_scanner.types.element_types import NullElement
from beam_scanner.types.model_types import Keypoints, Label, Mask, Text

_ARROWS = 16
"""Along the longer side of a picture."""


def overlay(found: Any, shape: tuple[int, ...]) -> str:
    """SVG that is put over a picture; '' for what has no place in it.

    Args:
        found: Boxes, key points, texts with corners, masks, or lists of these; flow, as
            an H x W x 2 array.
        shape: Of the frame.
    """
    parts = "".join(_parts(found, shape))
    if not parts:
        return ""
    return (
        f"<svg viewBox='0 0 {shape[1]} {shape[0]}' preserveAspectRatio='none' "
        "style='position:absolute;inset:0;width:100%;height:100%'>"
        f"{parts}</svg>"
    )


def _parts(found: Any, shape: tuple[int, ...]) -> Iterator[str]:
    if found is None or isinstance(found, NullElement):
        return
    if isinstance(found, np.ndarray):
        if found.ndim == 3 and found.shape[2] == 2:
            yield from _arrows(found, shape)
        return
    values = found if isinstance(found, list | tuple) else [found]
    said: list[str] = []
    for number, value in enumerate(values):
        color = _color(number)
        if isinstance(value, protobufs.BoundingBox):
            yield _box(value, shape)
        elif isinstance(value, Keypoints):
            yield from _points(value, shape, color)
        elif isinstance(value, Text) and value.corners:
            yield _outline(value, shape, color)
        elif isinstance(value, Mask):
            yield from _runs(value, shape, color)
        elif isinstance(value, Label):
            said.append(f"{value.name or value.index} {value.score:.2f}")
        elif isinstance(value, str | int | float | Text):
            said.append(value.text if isinstance(value, Text) else _short(value))
    for line, text in enumerate(said[:5]):
        yield _letters(text, 0, (line + 1) * _size(shape), shape, "#fff")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _color(number: int) -> str:
    """As ops that draw have them: bright, and unlike those of its neighbours."""
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618033988749895 % 1, 0.75, 1.0)
    return f"rgb({red * 255:.0f},{green * 255:.0f},{blue * 255:.0f})"


def _size(shape: tuple[int, ...]) -> float:
    return max(shape[0], shape[1]) / 14


def _thick(shape: tuple[int, ...]) -> float:
    return max(shape[0], shape[1]) / 120


def _letters(text: str, x: float, y: float, shape: tuple[int, ...], color: str) -> str:
    """Text with a dark edge, so that it can be read on any picture."""
    size = _size(shape)
    return (
        f"<text x='{x + size / 6:.1f}' y='{max(y - size / 6, size):.1f}' "
        f"font-size='{size:.1f}' "
        f"font-family='sans-serif' fill='{color}' stroke='#000' "
        f"stroke-width='{size / 6:.1f}' paint-order='stroke'>{escaped(text)}</text>"
    )


def _box(box: Any, shape: tuple[int, ...]) -> str:
    height, width = shape[:2]
    color = _color(box.track_id or box.label)
    left, right = sorted((box.x1 * width, box.x2 * width))
    top, bottom = sorted((box.y1 * height, box.y2 * height))
    said = " ".join(
        part
        for part in (
            f"#{box.track_id}" if box.track_id else "",
            f"{box.label}" if box.label and not box.track_id else "",
            f"{box.score:.2f}" if box.score else "",
        )
        if part
    )
    shown = (
        f"<rect x='{left:.1f}' y='{top:.1f}' width='{right - left:.1f}' "
        f"height='{bottom - top:.1f}' fill='none' stroke='{color}' "
        f"stroke-width='{_thick(shape):.1f}'/>"
    )
    return shown + (_letters(said, left, top, shape, color) if said else "")


def _points(thing: Keypoints, shape: tuple[int, ...], color: str) -> Iterator[str]:
    height, width = shape[:2]
    for point in thing.points:
        if point.score > 0 and np.isfinite([point.x, point.y]).all():
            yield (
                f"<circle cx='{point.x * width:.1f}' cy='{point.y * height:.1f}' "
                f"r='{1.5 * _thick(shape):.1f}' fill='{color}' stroke='#000' "
                f"stroke-width='{_thick(shape) / 2:.1f}'/>"
            )


def _outline(text: Text, shape: tuple[int, ...], color: str) -> str:
    height, width = shape[:2]
    corners = np.array(text.corners, np.float64) * (width, height)
    if not np.isfinite(corners).all():
        return ""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    left, top = corners.min(axis=0)
    return (
        f"<polygon points='{places}' fill='none' stroke='{color}' "
        f"stroke-width='{_thick(shape):.1f}'/>"
        + _letters(text.text, left, top, shape, color)
    )


def _runs(mask: Mask, shape: tuple[int, ...], color: str) -> Iterator[str]:
    """A mask as columns, coarse enough for a small picture."""
    inside = mask.array()
    step = max(1, max(inside.shape) // 80)
    coarse = inside[::step, ::step]
    high, wide = shape[0] / coarse.shape[0], shape[1] / coarse.shape[1]
    places = []
    for column in range(coarse.shape[1]):
        padded = np.concatenate([[False], coarse[:, column], [False]])
        edges = np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2)
        for begin, end in edges.tolist():
            places.append(
                f"M{column * wide:.1f} {begin * high:.1f}h{wide:.1f}"
                f"V{end * high:.1f}h{-wide:.1f}z"
            )
    if places:
        yield f"<path d='{''.join(places)}' fill='{color}' fill-opacity='.5'/>"


def _arrows(flow: Any, shape: tuple[int, ...]) -> Iterator[str]:
    """Flow as lines with a dot where they begin."""
    height, width = flow.shape[:2]
    step = max(1, max(height, width) // _ARROWS)
    across, down = shape[1] / width, shape[0] / height
    half = step // 2
    for y in range(half, height, step):
        for x in range(half, width, step):
            top, left = y - half, x - half
            cell = flow[top : top + step, left : left + step].reshape(-1, 2)
            known = cell[np.isfinite(cell).all(axis=1)]
            move = known.mean(axis=0) if len(known) else np.zeros(2)
            if np.hypot(*move) < 0.5:
                continue
            begin = (x * across, y * down)
            end = (begin[0] + move[0] * across, begin[1] + move[1] * down)
            thick = _thick(shape)
            yield (
                f"<path d='M{begin[0]:.1f} {begin[1]:.1f}L{end[0]:.1f} {end[1]:.1f}' "
                f"stroke='#ff0' stroke-width='{thick / 1.5:.1f}'/>"
                f"<circle cx='{begin[0]:.1f}' cy='{begin[1]:.1f}' r='{thick / 1.5:.1f}' "
                "fill='#ff0'/>"
            )
