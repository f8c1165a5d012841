"""Pictures in HTML: thumbnails, in strips, with what was found drawn over them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from beam_scanner.notebook.overlays import overlay
from beam_scanner.text.cards import escaped
from beam_scanner.types.element_types import NullElement
from beam_scanner.types.image_files import encode_image
from beam_scanner.types.viewable import fitting, viewable

WIDTH = 160
"""Of a thumbnail, in pixels; the file has twice as many, for fine screens."""

_QUALITY = 75
_EMPTY = "border:1px dashed rgba(128,128,128,.6);box-sizing:border-box"


@dataclass(frozen=True)
class Shot:
    """A frame, and what is said of it.

    Attributes:
        frame: H x W x C array, or ``NullElement()``.
        caption: Text below it.
        found: What an op has found in it: boxes, key points, flow; None for nothing.
    """

    frame: Any
    caption: str = ""
    found: Any = None


def data_uri(frame: Any, width: int = 2 * WIDTH) -> str:
    """A frame as a small JPEG in a URI."""
    picture = fitting(viewable(np.asarray(frame)), width)
    data = base64.b64encode(encode_image(picture, "jpeg", _QUALITY)).decode("ascii")
    return f"data:image/jpeg;base64,{data}"


def picture(shot: Shot, width: int = WIDTH) -> str:
    """A frame with its caption, as HTML."""
    if isinstance(shot.frame, NullElement):
        height = round(width * 9 / 16)
        inner = (
            f"<div style='{_EMPTY};width:{width}px;height:{height}px;display:flex;"
            "align-items:center;justify-content:center;opacity:.65'>null</div>"
        )
    else:
        frame = np.asarray(shot.frame)
        tall = max(1, round(width * frame.shape[0] / frame.shape[1]))
        inner = (
            f"<div style='position:relative;width:{width}px;height:{tall}px'>"
            f"<img src='{data_uri(frame, 2 * width)}' width='{width}' height='{tall}' "
            f"alt='{escaped(shot.caption)}' style='display:block;margin:0;max-width:none'>"
            f"{overlay(shot.found, frame.shape)}</div>"
        )
    said = f"<figcaption style='opacity:.75;font-size:12px'>{escaped(shot.caption)}"
    return (
        f"<figure style='margin:0 6px 6px 0;display:inline-block'>{inner}"
        f"{said}</figcaption></figure>"
    )


def strip(shots: Iterable[Shot], width: int = WIDTH) -> str:
    """Frames side by side, as many in a row as the page is wide."""
    shown = "".join(picture(shot, width) for shot in shots)
    return f"<div style='display:flex;flex-wrap:wrap;margin-top:6px'>{shown}</div>"


def caption(row: int, seconds: float) -> str:
    """What is said of a row.

    Examples:
        >>> caption(25, 1.0), caption(7, float('nan')), caption(9, 3725.5)
        ('25 · 1.000 s', '7', '9 · 1:02:05.500')
    """
    if not np.isfinite(seconds):
        return f"{row}"
    if abs(seconds) < 60:
        return f"{row} · {seconds:.3f} s"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    clock = f"{minutes:02}:{rest:06.3f}"
    return f"{row} · {hours}:{clock}" if hours else f"{row} · {clock}"


def spread(rows: int, most: int) -> list[int]:
    """Rows over all of a stream, evenly, the first and the last among them.

    Examples:
        >>> spread(100, 4), spread(3, 8)
        ([0, 33, 66, 99], [0, 1, 2])
    """
    if rows <= most:
        return list(range(rows))
    return [int(row) for row in np.linspace(0, rows - 1, most)]


def at_keyframes(rows: Sequence[int], keyframes: Any) -> list[int]:
    """The rows at which decoding may begin, before or at some rows, each once."""
    known = np.asarray(keyframes, np.int64)
    if not len(known) or not len(rows):
        return list(rows)
    places = np.searchsorted(known, np.asarray(rows), side="right") - 1
    # Too few of them would show too little: then decoding is worth it.
    found = np.unique(known[np.maximum(places, 0)])
    return found.tolist() if len(found) >= min(len(rows), 5) else list(rows)
