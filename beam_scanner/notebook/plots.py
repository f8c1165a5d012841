"""Values over time as a plot, with the frames that belong to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.notebook.thumbnails import Shot, data_uri
from beam_scanner.text.cards import escaped
from beam_scanner.types.element_types import NullElement

_WIDTH, _HEIGHT = 720, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 8, 12, 24
_MOST_POINTS = 1400
_MOST_SERIES = 6
_COLORS = ("#3b82f6", "#f97316", "#22a06b", "#d946ef", "#ca8a04", "#14b8a6")
"""Of series: seen on white as on black."""

Series = Mapping[str, NDArray[np.float64]]


def series_of(values: Sequence[Any]) -> dict[str, NDArray[np.float64]]:
    """Numbers of some values by name, nan where there is none; empty if they have none.

    Numbers are one series, short lists one each, and so are the numbers of named tuples,
    dicts and dataclasses. Lists of things are counted.

    Examples:
        >>> series_of([1.0, NullElement(), 3.0])
        {'': array([ 1., nan,  3.])}
        >>> list(series_of([{'a': 1, 'b': 2}]))
        ['a', 'b']
    """
    known = [value for value in values if not _is_nothing(value)]
    if not known:
        return {}
    made: dict[str, list[float]] = {}
    for name in _names(known[0]):
        made[name] = [_number(value, name) for value in values]
    found = {name: np.array(numbers, np.float64) for name, numbers in made.items()}
    kept = {n: v for n, v in found.items() if np.isfinite(v).any()}
    return dict(list(kept.items())[:_MOST_SERIES])


def _is_nothing(value: Any) -> bool:
    return value is None or isinstance(value, NullElement)


def _names(value: Any) -> list[str]:
    if isinstance(value, bool | int | float | np.number):
        return [""]
    if isinstance(value, np.ndarray):
        return [""] if value.size == 1 else []
    if isinstance(value, list):
        plain = value and all(isinstance(each, int | float) for each in value)
        return [str(n) for n in range(len(value))] if plain else ["number of things"]
    if hasattr(value, "_fields"):
        return list(value._fields)
    if isinstance(value, dict):
        return [str(name) for name in value]
    return list(getattr(value, "__dataclass_fields__", ()))


def _number(value: Any, name: str) -> float:
    if _is_nothing(value):
        return float("nan")
    if name == "number of things":
        return float(len(value)) if isinstance(value, list) else float("nan")
    try:
        if name == "":
            return float(np.asarray(value, np.float64).reshape(()))
        if isinstance(value, list):
            return float(value[int(name)])
        part = value[name] if isinstance(value, dict) else getattr(value, name)
        return float(part)
    except (TypeError, ValueError, LookupError, AttributeError):
        return float("nan")


def plot(
    seconds: NDArray[np.float64],
    series: Series,
    frames: Mapping[int, Shot] | None = None,
    unit: str = "s",
) -> str:
    """A plot as SVG, with lines from some of its places to their frames below.

    Args:
        seconds: float64[n], ascending: when each value is, or its row.
        series: By name, float64[n] each; gaps where they are nan.
        frames: Some frames, by the number of their value.
        unit: Of the times.
    """
    known = np.concatenate([v[np.isfinite(v)] for v in series.values()])
    low, high = float(known.min()), float(known.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    begin, end = float(seconds[0]), float(seconds[-1])
    span = (end - begin) or 1.0
    wide, tall = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x_of(when: float) -> float:
        return _LEFT + (when - begin) / span * wide

    def y_of(value: float) -> float:
        return _TOP + (high - value) / (high - low) * tall

    parts = [_axes(low, high, begin, end, unit)]
    for (name, values), color in zip(series.items(), _COLORS, strict=False):
        path = _path(seconds, values, x_of, y_of)
        parts.append(
            f"<path d='{path}' fill='none' stroke='{color}' stroke-width='1.5'/>"
        )
        if name:
            place = _LEFT + 8 + 110 * list(series).index(name)
            parts.append(_words(name, place, _TOP - 2, color))
    linked, below = _linked(seconds, frames or {}, x_of)
    parts += linked
    return (
        f"<style>{_HOVER}</style><svg viewBox='0 0 {_WIDTH} {_HEIGHT + below:.0f}' "
        f"width='{_WIDTH}' style='max-width:100%;display:block;"
        f"color:inherit'>{''.join(parts)}</svg>"
    )


_HOVER = ".bs-at:hover path{stroke-opacity:1;stroke-width:2}"


def _words(text: str, x: float, y: float, color: str = "currentColor") -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='11' font-family='sans-serif' "
        f"fill='{color}'>{escaped(text)}</text>"
    )


def _axes(low: float, high: float, begin: float, end: float, unit: str) -> str:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    frame = (
        f"<path d='M{_LEFT} {_TOP}V{bottom}H{right}' fill='none' stroke='currentColor' "
        "stroke-opacity='.4'/>"
    )
    words = [
        _words(f"{high:.4g}", 2, _TOP + 8),
        _words(f"{low:.4g}", 2, bottom),
        _words(f"{begin:.6g}", _LEFT, _HEIGHT - 8),
        _words(f"{end:.6g} {unit}", right - 62, _HEIGHT - 8),
    ]
    return f"{frame}<g opacity='.75'>{''.join(words)}</g>"


def _path(
    seconds: NDArray[np.float64], values: NDArray[np.float64], x_of: Any, y_of: Any
) -> str:
    """The line through all values; of very many, the least and greatest near each."""
    parts, begun = [], False
    for when, value in _thinned(seconds, values):
        if not np.isfinite(value):
            begun = False
            continue
        command = "L" if begun else "M"
        parts.append(f"{command}{x_of(when):.1f} {y_of(value):.1f}")
        # A value alone is seen, too.
        if not begun:
            parts.append("h.1")
        begun = True
    return "".join(parts)


def _thinned(
    seconds: NDArray[np.float64], values: NDArray[np.float64]
) -> list[tuple[float, float]]:
    if len(values) <= _MOST_POINTS:
        return list(zip(seconds.tolist(), values.tolist(), strict=True))
    found = []
    for part in np.array_split(np.arange(len(values)), _MOST_POINTS // 2):
        own = values[part]
        there = np.isfinite(own)
        if not there.any():
            found.append((float(seconds[part[0]]), float("nan")))
            continue
        ends = {
            int(part[there][own[there].argmin()]),
            int(part[there][own[there].argmax()]),
        }
        found += [(float(seconds[row]), float(values[row])) for row in sorted(ends)]
    return found


def _linked(
    seconds: NDArray[np.float64], frames: Mapping[int, Shot], x_of: Any
) -> tuple[list[str], float]:
    """Frames below their places, and how high they are."""
    rows = sorted(
        row for row in frames if not isinstance(frames[row].frame, NullElement)
    )
    if not rows:
        return [], 0.0
    room = (_WIDTH - _LEFT - _RIGHT) / len(rows)
    wide = min(room - 4, 160.0)
    parts, tallest = [], 0.0
    for number, row in enumerate(rows):
        place, left = x_of(float(seconds[row])), _LEFT + number * room
        frame = np.asarray(frames[row].frame)
        tall = wide * frame.shape[0] / frame.shape[1]
        tallest = max(tallest, tall)
        middle, bottom = left + wide / 2, _HEIGHT - _BOTTOM
        parts.append(
            f"<g class='bs-at'><path d='M{place:.1f} {_TOP}V{bottom}L{middle:.1f} "
            f"{_HEIGHT + 4}' fill='none' stroke='currentColor' stroke-opacity='.3'/>"
            f"<image href='{data_uri(frame, 240)}' x='{left:.1f}' y='{_HEIGHT + 4}' "
            f"width='{wide:.1f}' height='{tall:.1f}'>"
            f"<title>{escaped(frames[row].caption)}</title></image>"
            f"{_words(_clock(frames[row]), left, _HEIGHT + tall + 16)}</g>"
        )
    return parts, tallest + 24


def _clock(shot: Shot) -> str:
    """The time in a caption, or its row."""
    return shot.caption.split(" · ")[-1]
