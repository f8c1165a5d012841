"""DetectShots and ShotsFromScores: where the shots of a film begin."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from beam_scanner.errors import ArgumentError
from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.ops._local_shots import local_boundaries
from beam_scanner.ops._shot_changes import Features, Floats, changes, spaced
from beam_scanner.ops.shot_features import BINS


@dataclass(frozen=True)
class Detector:
    """A rule by name.

    Attributes:
        find: From features, threshold, floor and least length to boundaries.
        threshold: Unless another is given.
        most: The largest threshold.
        floor: Unless another is given; None if it has none.
        min_length: Unless another is given, in rows.
    """

    find: Callable[[Features, float, float, int], list[int]]
    threshold: float
    most: float
    floor: float | None
    min_length: int


def _content(
    features: Features, threshold: float, floor: float, min_length: int
) -> list[int]:
    return _above(changes(features.colors), threshold, min_length)


def _adaptive(
    features: Features, threshold: float, floor: float, min_length: int
) -> list[int]:
    change = changes(features.colors)
    around = np.pad(change, 2)
    rows = len(change)
    mean = sum(around[at : at + rows] for at in (0, 1, 3, 4)) / 4
    ratio = change / np.maximum(mean, 1e-5)
    return _above(np.where(change >= floor, ratio, 0), threshold, min_length)


def _histogram(
    features: Features, threshold: float, floor: float, min_length: int
) -> list[int]:
    # A pixel that goes to another bin changes two bins of its channel.
    moved = changes(features.bins) * BINS / (2 * 3 * 255)
    return _above(moved, threshold, min_length)


def _threshold(
    features: Features, threshold: float, floor: float, min_length: int
) -> list[int]:
    level = features.luma.mean(axis=1)
    dark = np.concatenate(([0], level < threshold, [0])).astype(np.int8)
    edges = np.diff(dark)
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    # Dark rows at the beginning and at the end are between no two shots.
    inner = (begins > 0) & (ends < len(level))
    middles = (begins[inner] + ends[inner]) // 2
    lengths = (ends - begins)[inner].astype(np.float64)
    return spaced(middles, lengths, min_length, len(level))


def _above(values: Floats, threshold: float, min_length: int) -> list[int]:
    rows = np.flatnonzero(values >= threshold)
    return spaced(rows, values[rows], min_length, len(values))


DETECTORS = {
    "local": Detector(local_boundaries, 0.7, 1.0, 5.0, 5),
    "adaptive": Detector(_adaptive, 3.0, math.inf, 8.0, 15),
    "content": Detector(_content, 15.0, 255.0, None, 15),
    "histogram": Detector(_histogram, 0.12, 1.0, None, 15),
    "threshold": Detector(_threshold, 12.0, 255.0, None, 15),
}
"""By name."""


def _check(detector: str, threshold: float, most: float, min_length: int) -> None:
    if not 0 <= threshold <= most:
        raise ArgumentError(
            f"threshold of detector {detector!r} must be from 0 to {most:g}, got "
            f"{threshold!r}"
        )
    if min_length < 1:
        raise ArgumentError(f"min_length must be 1 row or more, got {min_length!r}")


@register_python_op(name="DetectShots", whole_stream=True)
class DetectShots(Kernel):
    """Finds the rows at which shots begin, from the features of a whole stream.

    The default, ``local``, finds cuts, dissolves and fades that stand out among rows
    nearby, and no flashes. Others are rules of one threshold, which fit some films:
    ``content`` (the colors of 6 x 8 cells change), ``adaptive`` (they change more than
    in the two rows before and after), ``histogram`` (pixels go to other bins) and
    ``threshold`` (dark rows between shots).

    Examples:
        >>> from beam_scanner.ops.shot_features import ShotFeatures
        >>> features = ShotFeatures(KernelConfig())
        >>> dark, bright = (np.full((9, 16, 3), v, np.uint8) for v in (20, 200))
        >>> film = [features.execute(f) for f in [dark] * 10 + [bright] * 10]
        >>> DetectShots(KernelConfig()).execute(film)[:2]
        [[10], None]
    """

    def __init__(
        self,
        config: KernelConfig,
        detector: str = "local",
        threshold: float | None = None,
        floor: float | None = None,
        min_length: int | None = None,
    ) -> None:
        """Checks the arguments; None stands for a default of the detector.

        Args:
            config: Of the kernel.
            detector: 'local', 'adaptive', 'content', 'histogram' or 'threshold'.
            threshold: From which on a change is one of shots. local: how sure it must
                be, 0 to 1 (0.7). adaptive: how many times that of its neighbors it is
                (3). content: 0 to 255 (15). histogram: share of the pixels, 0 to 1
                (0.12). threshold: mean luma below which a row is dark, 0 to 255 (12).
            floor: For local (5) and adaptive (8): the least change of colors, 0 to
                255, whatever the rows nearby are like.
            min_length: Least rows of a shot; of boundaries that are closer together
                the strongest counts. 5 for local, 15 for the others.

        Raises:
            ArgumentError: There is no such detector, or it takes no such value.
        """
        super().__init__(config)
        if detector not in DETECTORS:
            raise ArgumentError(
                f"there is no detector {detector!r}; there are {', '.join(DETECTORS)}, "
                "and the op TransNetV2"
            )
        rule = DETECTORS[detector]
        if floor is not None and rule.floor is None:
            raise ArgumentError(f"detector {detector!r} has no floor, got {floor!r}")
        if floor is not None and not 0 <= floor <= 255:
            raise ArgumentError(f"floor must be from 0 to 255, got {floor!r}")
        self._find = rule.find
        self._threshold = rule.threshold if threshold is None else threshold
        self._floor = (rule.floor or 0.0) if floor is None else floor
        self._min_length = rule.min_length if min_length is None else min_length
        _check(detector, self._threshold, rule.most, self._min_length)

    def execute(self, features: Sequence[bytes]) -> Sequence[list[int] | None]:
        """Row 0 gives the list of boundaries, all other rows None."""
        if not len(features):
            return []
        found = self._find(
            Features(features), self._threshold, self._floor, self._min_length
        )
        return [found, *[None] * (len(features) - 1)]


@register_python_op(name="ShotsFromScores", whole_stream=True)
class ShotsFromScores(Kernel):
    """Finds the rows at which shots begin, from the scores of TransNetV2.

    Of rows next to each other with a score above the threshold the highest counts: the
    next row is the first of a shot.

    Examples:
        >>> ShotsFromScores(KernelConfig()).execute([0.1] * 30 + [0.9] + [0.1] * 30)[0]
        [31]
    """

    def __init__(
        self, config: KernelConfig, threshold: float = 0.5, min_length: int = 5
    ) -> None:
        """Checks the arguments.

        Args:
            config: Of the kernel.
            threshold: Of scores, 0.0 to 1.0.
            min_length: Least rows of a shot.

        Raises:
            ArgumentError: One is out of range.
        """
        super().__init__(config)
        _check("transnetv2", threshold, 1.0, min_length)
        self._threshold, self._min_length = threshold, min_length

    def execute(self, scores: Sequence[float]) -> Sequence[list[int] | None]:
        """Row 0 gives the list of boundaries, all other rows None."""
        if not len(scores):
            return []
        values = np.asarray(scores, np.float64)
        above = np.concatenate(([0], values > self._threshold, [0])).astype(np.int8)
        edges = np.diff(above)
        runs = zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True)
        peaks = np.array([a + values[a:b].argmax() for a, b in runs], np.int64)
        found = spaced(peaks + 1, values[peaks], self._min_length, len(values))
        return [found, *[None] * (len(values) - 1)]
