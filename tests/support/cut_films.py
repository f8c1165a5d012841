"""Synthetic films whose transitions are known to the row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from beam_scanner.kernels import KernelConfig
from beam_scanner.ops.shot_features import ShotFeatures

Clip = npt.NDArray[np.uint8]


def moving_clip(seed: int, rows: int, size: tuple[int, int] = (54, 96)) -> Clip:
    """A clip of soft blobs over a gradient, seen by a camera that moves a little."""
    random = np.random.default_rng(seed)
    height, width = size
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width])[:, None, None]
    colors = random.uniform(20, 235, (8, 3))
    places = random.uniform(0, 1, (8, 2))
    speeds = random.uniform(-0.004, 0.004, (8, 2))
    wide = random.uniform(0.05, 0.25, 8)
    frames = np.empty((rows, height, width, 3), np.uint8)
    for row in range(rows):
        picture = np.empty((height, width, 3))
        picture[:] = colors[0] * x[..., None] + colors[1] * (1 - x[..., None])
        now = places + row * speeds
        for (top, left), color, reach in zip(now, colors, wide, strict=True):
            share = np.exp(-((y - top) ** 2 + (x - left) ** 2) / reach**2)[..., None]
            picture += share * (color - picture)
        frames[row] = picture + random.normal(0, 2, picture.shape)
    return frames


def joined(
    clips: Sequence[Clip], gradual: int = 0, through: float | None = None
) -> tuple[Clip, list[tuple[int, int]]]:
    """Clips one after the other.

    Args:
        clips: In order.
        gradual: Rows of a transition; 0 for cuts.
        through: A level that they fade to and from; None for dissolves.

    Returns:
        The film, and for each transition the last row before it and the first after.
    """
    film, transitions = clips[0], []
    for clip in clips[1:]:
        old, new = film[len(film) - gradual :], clip[:gradual]
        share = (np.arange(gradual)[:, None, None, None] + 1) / (gradual + 1)
        if through is None:
            mixed = old * (1 - share) + new * share
        else:
            level = np.abs(2 * share - 1)
            mixed = np.where(share < 0.5, old, new) * level + through * (1 - level)
        before = len(film) - gradual
        film = np.concatenate((film[:before], mixed.astype(np.uint8), clip[gradual:]))
        transitions.append((before - 1, before + gradual))
    return film, transitions


def features_of(frames: Clip) -> list[bytes]:
    """What ShotFeatures gives for each."""
    features = ShotFeatures(KernelConfig())
    return [features.execute(frame) for frame in frames]


def misses(
    boundaries: Sequence[int], transitions: Sequence[tuple[int, int]]
) -> Iterator[str]:
    """What is wrong with boundaries; of a cut they must be exact."""
    left = list(boundaries)
    for before, after in transitions:
        hits = [b for b in left if before < b <= after]
        if len(hits) != 1:
            yield f"{len(hits)} boundaries in transition {before}-{after}"
        left = [b for b in left if b not in hits]
    yield from (f"boundary {b} in the middle of a shot" for b in left)
