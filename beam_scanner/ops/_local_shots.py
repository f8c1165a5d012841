"""The local rule: cuts and gradual transitions that stand out among rows nearby."""

from __future__ import annotations

import numpy as np

from beam_scanner.ops._flicker import without_flicker
from beam_scanner.ops._shot_changes import (
    Features,
    Floats,
    Rows,
    Values,
    changes,
    chunks,
    distances,
    spaced,
    typical_around,
)

FLASH = 3
"""Longest flash, in rows: a change that is undone after it is none."""

SPANS = (8, 24, 48)
"""Rows across which gradual transitions are looked for."""

_AROUND = 6
_LEAST_SHOT = 5
_RATIO_FOR_HALF = 1.85
_LEAST_BINS = 0.7
_APART = 12
_PLAIN = 2.0
"""Deviation of the lightness of cells, 0 to 255, below which a picture has no pattern."""
_LEAST_BINS_GRADUAL = 1.5
_LEAST_PATTERNS_GRADUAL = 100.0
_LEAST_STRAIGHT = 0.25

# Changes that are nothing: of colors, bins and patterns.
_NOISE = (0.7, 0.35, 16.0)
_LOG_NOISE = (1.5, 0.7, 32.0)

# Of a logistic regression over composed films, a line for each span.
_WEIGHTS = np.array(
    [
        [0.68, 0.19, -0.44, 3.24, 1.14, -2.52, -0.49],
        [1.27, 0.71, -0.76, 0.95, 0.26, -1.40, -1.10],
        [1.38, 1.17, -0.67, 0.96, -0.79, -0.93, -0.65],
    ]
)
_BIAS = -20.31


def local_boundaries(
    features: Features, threshold: float, floor: float, min_length: int
) -> list[int]:
    """Rows at which shots begin; of a gradual transition the middle.

    Args:
        features: Of all rows.
        threshold: How sure it must be, 0.0 to 1.0.
        floor: Least change of the colors of cells, 0 to 255.
        min_length: Least rows of a shot.
    """
    rows = len(features)
    if rows < 2:
        return []
    features = without_flicker(features)
    contrast = np.empty(rows)
    for part in chunks(rows):
        contrast[part] = features.luma[part].std(axis=1, dtype=np.float64)
    sure = _cuts(features, contrast, floor)
    found = np.flatnonzero(sure >= threshold)
    cuts = np.array(
        spaced(found, sure[found], min(_LEAST_SHOT, min_length), rows), np.int64
    )
    gradual, surely = _gradual(features, contrast, cuts, threshold, floor)
    candidates = np.concatenate((cuts, gradual))
    # Where both are too close to each other, the cut is more exact.
    strengths = np.concatenate((1 + sure[cuts], surely))
    order = np.argsort(candidates, kind="stable")
    return spaced(candidates[order], strengths[order], min_length, rows)


def _cuts(features: Features, contrast: Floats, floor: float) -> Floats:
    """How sure it is that a shot begins with each row, 0.0 to 1.0.

    A cut is a change that is not undone and is some times larger than is typical of the
    rows around it: in colors, bins and patterns, of which the geometric mean counts.
    Between two pictures that have no pattern, that of colors and bins.
    """
    ratios: list[Floats] = []
    least = np.ones(len(features), bool)
    measured: list[tuple[Values, float, float]] = [
        (features.colors, _NOISE[0], floor),
        (features.bins, _NOISE[1], _LEAST_BINS),
        (features.patterns, _NOISE[2], 0.0),
    ]
    for values, noise, needed in measured:
        change = changes(values)
        lasting = _lasting(change, changes(values, FLASH + 1))
        ratios.append(lasting / (typical_around(change, _AROUND) + noise))
        least &= lasting >= needed
    colors, bins, patterns = ratios
    plain = contrast < _PLAIN
    plain[1:] &= plain[:-1]
    ratio = np.where(plain, np.sqrt(colors * bins), np.cbrt(colors * bins * patterns))
    ratio *= least
    ratio[0] = 0
    made: Floats = ratio / (ratio + _RATIO_FOR_HALF)
    return made


def _lasting(change: Floats, over_flash: Floats) -> Floats:
    """The least change from before a row to it, also across a flash on either side."""
    before, after = over_flash.copy(), np.full_like(over_flash, np.inf)
    before[: FLASH + 1] = np.inf
    after[:-FLASH] = over_flash[FLASH:]
    return np.minimum(np.minimum(change, before), after)


def _gradual(
    features: Features, contrast: Floats, cuts: Rows, threshold: float, floor: float
) -> tuple[Rows, Floats]:
    """Rows in the middle of dissolves and fades, and how sure each is."""
    rows = len(features)
    first, last = _shots_of_rows(cuts, rows)
    sure, least = np.empty(rows), np.empty(rows, bool)
    for part in chunks(rows):
        evidence, (change, bins, straight, patterns) = _evidence(
            features, contrast, part, first, last
        )
        logit = evidence @ _WEIGHTS.reshape(-1) + _BIAS
        sure[part] = 1 / (1 + np.exp(-logit))
        least[part] = (change >= floor) & (bins >= _LEAST_BINS_GRADUAL)
        # After a flash in the middle all is as before.
        least[part] &= straight >= _LEAST_STRAIGHT
        # Flicker changes the light of a picture, not what is in it.
        least[part] &= patterns >= _LEAST_PATTERNS_GRADUAL
    found = _peaks(sure, threshold, first)
    found = found[least[found]]
    apart = spaced(found, sure[found], _APART, rows)
    return np.array(apart, np.int64), sure[apart]


def _peaks(sure: Floats, threshold: float, first: Rows) -> Rows:
    """The surest row of each transition, in which it nowhere falls below a half."""
    inside = sure >= threshold / 2
    begins = inside & (~np.roll(inside, 1) | (first == np.arange(len(sure))))
    number = np.cumsum(begins) * inside
    made = []
    rows = np.flatnonzero(inside)
    bounds = np.flatnonzero(np.diff(number[rows], prepend=-1, append=-1))
    for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        run = rows[a:b]
        row = run[sure[run].argmax()]
        if sure[row] >= threshold:
            made.append(int(row))
    return np.array(made, np.int64)


def _shots_of_rows(cuts: Rows, rows: int) -> tuple[Rows, Rows]:
    """For each row the first and the last row of its shot between cuts."""
    bounds = np.concatenate(([0], cuts, [rows]))
    lengths = np.diff(bounds)
    return np.repeat(bounds[:-1], lengths), np.repeat(bounds[1:] - 1, lengths)


def _evidence(
    features: Features, contrast: Floats, part: slice, first: Rows, last: Rows
) -> tuple[Floats, Floats]:
    """What tells gradual transitions around rows from motion.

    For each span: logarithms of how much colors, bins and patterns change across it; of
    what the way is by the row in the middle, which is longer where things move; of how
    far that row is from a blend of the two ends, which it is in a dissolve; and of how
    much less contrast it has, as in a fade.

    Returns:
        float64[rows, 21]; and float64[4, rows]: the most of any span of the change of
        colors, of that of bins, of the change of colors as a share of the way, and of
        the change of patterns, which is infinite where an end has none.
    """
    middle = np.arange(part.start, part.stop)
    made: list[Floats] = []
    most_colors, most_bins = np.zeros(len(middle)), np.zeros(len(middle))
    straight, most_patterns = np.zeros(len(middle)), np.zeros(len(middle))
    for span in SPANS:
        one = np.maximum(middle - span // 2, first[part])
        other = np.minimum(middle + span // 2, last[part])
        ends = contrast[one], contrast[other]
        colors, bins, patterns = features.colors, features.bins, features.patterns
        change = distances(colors, one, other), distances(bins, one, other)
        most_colors = np.maximum(most_colors, change[0])
        most_bins = np.maximum(most_bins, change[1])
        for values, noise, across in zip(
            (colors, bins), _LOG_NOISE, change, strict=False
        ):
            way = distances(values, one, middle) + distances(values, middle, other)
            made += [np.log(across + noise), np.log(way + noise)]
            if values is colors:
                straight = np.maximum(straight, across / (way + noise))
        turned = distances(patterns, one, other)
        plain = np.minimum(*ends) < _PLAIN
        most_patterns = np.maximum(most_patterns, np.where(plain, np.inf, turned))
        made += [
            np.log(turned + _LOG_NOISE[2]),
            np.log(_from_blend(colors, one, middle, other) + _LOG_NOISE[0]),
            np.log(contrast[part] + 2) - np.log(np.minimum(*ends) + 2),
        ]
    least = np.stack((most_colors, most_bins, straight, most_patterns))
    return np.stack(made, axis=1), least


def _from_blend(colors: Values, one: Rows, middle: Rows, other: Rows) -> Floats:
    """How far rows are from the mean of two others."""
    twice = 2 * colors[middle].astype(np.int16)
    difference = np.abs(twice - colors[one] - colors[other])
    sums: Floats = difference.sum(axis=1, dtype=np.int64) / (2 * colors.shape[1])
    return sums
