"""Films made of clips, with transitions that are known to the row.

A clip must have no cuts of its own. Looks change the clips, as other material would:
``LOOKS``.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

WIDTH, HEIGHT = 320, 180
MOST_ROWS = 700
Clip = Any
Transition = tuple[int, int]


def read_clip(path: str | Path) -> Clip:
    """Frames of a clip, uint8[rows, 180, 320, 3]."""
    frames = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            small = frame.reformat(width=WIDTH, height=HEIGHT, format="rgb24")
            frames.append(small.to_ndarray())
            if len(frames) == MOST_ROWS:
                break
    return np.stack(frames)


@dataclass(frozen=True)
class Style:
    """How a film is composed.

    Attributes:
        lengths: Least and most rows of a shot.
        kinds: Shares of cuts, dissolves and fades.
        gradual: Rows of gradual transitions, to choose from.
        levels: Of what fades go through.
    """

    lengths: tuple[int, int] = (20, 110)
    kinds: tuple[float, float, float] = (0.7, 0.2, 0.1)
    gradual: tuple[int, ...] = (8, 12, 16, 24)
    levels: tuple[int, ...] = (0,)


STYLES = {
    "plain": Style(),
    "short": Style((10, 40), (1, 0, 0)),
    "long": Style((100, 400), (0.7, 0.2, 0.1)),
    "gradual": Style((50, 130), (0.2, 0.5, 0.3), (5, 8, 12, 20, 30, 40), (0, 255)),
}


def _gray(clip: Clip, rng: Any) -> Clip:
    return np.repeat(clip[..., 1:2], 3, axis=3)


def _dark(clip: Clip, rng: Any) -> Clip:
    return (clip * rng.uniform(0.12, 0.3)).astype(np.uint8)


def _noise(clip: Clip, rng: Any) -> Clip:
    # Few patterns, shifted: noise for each row takes long to make.
    patterns = rng.normal(0, rng.choice([6, 14]), (8, *clip.shape[1:])).astype(np.int16)
    noisy = [
        row + np.roll(patterns[rng.integers(8)], rng.integers(WIDTH), axis=1)
        for row in clip
    ]
    return np.stack(noisy).clip(0, 255).astype(np.uint8)


def _flicker(clip: Clip, rng: Any) -> Clip:
    gains = 1 + rng.normal(0, 0.06, len(clip))
    return (clip * gains[:, None, None, None]).clip(0, 255).astype(np.uint8)


def _letterbox(clip: Clip, rng: Any) -> Clip:
    clip = clip.copy()
    clip[:, :24] = clip[:, -24:] = 0
    return clip


def _fast(clip: Clip, rng: Any) -> Clip:
    return clip[:: rng.integers(2, 4)]


def _flashes(clip: Clip, rng: Any) -> Clip:
    clip = clip.copy()
    if len(clip) > 30:
        row, length = rng.integers(10, len(clip) - 12), rng.integers(1, 4)
        clip[row : row + length] = clip[row : row + length] * 0.3 + 178
    return clip


def _panned(clip: Clip, rng: Any) -> Clip:
    speed = rng.uniform(1, 5)
    return np.stack(
        [
            _window(row, abs((speed * at) % 220 - 110), 110)
            for at, row in enumerate(clip)
        ]
    )


def _zoomed(clip: Clip, rng: Any) -> Clip:
    period = rng.uniform(12, 60)
    margins = 60 + 50 * np.sin(np.arange(len(clip)) / period)
    return np.stack(
        [_window(row, m / 2, m) for row, m in zip(clip, margins, strict=True)]
    )


def _window(picture: Any, left: float, margin: float) -> Any:
    """A part of a picture, ``margin`` narrower, enlarged."""
    width = WIDTH - int(margin)
    height = width * HEIGHT // WIDTH
    x = np.arange(WIDTH) * width // WIDTH + int(left)
    y = np.arange(HEIGHT) * height // HEIGHT + (HEIGHT - height) // 2
    return picture[y][:, x]


LOOKS = {
    "dark": _dark,
    "fast": _fast,
    "flashes": _flashes,
    "flicker": _flicker,
    "gray": _gray,
    "letterbox": _letterbox,
    "noise": _noise,
    "panned": _panned,
    "zoomed": _zoomed,
}


def compose(
    out: Path, clips: Sequence[Clip], seed: int, shots: int, style: Style, look: str
) -> list[Transition]:
    """Writes a film.

    Returns:
        For each transition the last row before it and the first one after.
    """
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    written, tail, last = 0, [], None
    transitions = []
    with av.open(str(out), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": "23", "preset": "veryfast"}

        def put(frames: Iterable[Any]) -> None:
            nonlocal written
            for frame in frames:
                picture = np.asarray(frame).clip(0, 255).astype(np.uint8)
                made = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(stream.encode(made))
                written += 1

        for number in range(shots):
            last = rng.choice([at for at in range(len(clips)) if at != last])
            shot = _shot(clips[last], rng, noise, style, look)
            kind = rng.choices(["cut", "dissolve", "fade"], style.kinds)[0]
            if number:
                rows = 0 if kind == "cut" else rng.choice(style.gradual)
                rows = min(rows, len(tail), len(shot) // 2)
                put(tail[: len(tail) - rows])
                before = written - 1
                level = rng.choice(style.levels) if kind == "fade" else None
                put(_mixed(tail[len(tail) - rows :], shot[:rows], level))
                transitions.append((before, written))
                shot = shot[rows:]
            keep = min(max(style.gradual), len(shot))
            put(shot[: len(shot) - keep])
            tail = list(shot[len(shot) - keep :])
        put(tail)
        container.mux(stream.encode(None))
    return transitions


def _shot(clip: Clip, rng: Any, noise: Any, style: Style, look: str) -> Clip:
    length = min(len(clip), rng.randint(*style.lengths))
    # Where it is played faster, more of it is needed.
    needed = min(len(clip), 3 * length if look == "fast" else length)
    first = rng.randint(0, len(clip) - needed)
    shot = clip[first : first + needed]
    return (LOOKS[look](shot, noise) if look else shot)[:length]


def _mixed(old: Sequence[Any], new: Clip, level: int | None) -> Iterable[Any]:
    for at, (a, b) in enumerate(zip(old, new, strict=True)):
        share = (at + 1) / (len(new) + 1)
        if level is None:
            yield a * (1 - share) + b * share
        else:
            shown = abs(2 * share - 1)
            yield (a if share < 0.5 else b) * shown + level * (1 - shown)


def score(
    boundaries: Sequence[int], transitions: Sequence[Transition]
) -> tuple[int, int, int]:
    """Found, missed and false, with a row of tolerance.

    Several boundaries in one gradual transition count once.
    """
    used: set[int] = set()
    found = 0
    for before, after in transitions:
        cut = after - before == 1
        first = after - 1 if cut else before - 1
        hits = [b for b in boundaries if first <= b <= after + 1 and b not in used]
        found += bool(hits)
        used.update(hits[:1] if cut else hits)
    return found, len(transitions) - found, len(set(boundaries) - used)
