"""Detectors by name, and what they refuse."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.kernels import KernelConfig
from beam_scanner.ops.detect_shots import DETECTORS, DetectShots, ShotsFromScores
from tests.support.cut_films import features_of, joined, misses, moving_clip

CONFIG = KernelConfig()
CLIPS = [moving_clip(seed, 60) for seed in range(10, 14)]


@functools.cache
def film() -> tuple[list[bytes], list[tuple[int, int]]]:
    frames, transitions = joined(CLIPS)
    return features_of(frames), transitions


def detect(features: list[bytes], **arguments: Any) -> list[int]:
    rows = DetectShots(CONFIG, **arguments).execute(features)
    assert rows[1:] == [None] * (len(features) - 1)
    return rows[0]


@pytest.mark.parametrize("detector", ["local", "adaptive", "content", "histogram"])
def test_cuts_are_found_by_all(detector: str) -> None:
    features, transitions = film()
    assert detect(features, detector=detector) == [after for _, after in transitions]


def test_the_default_is_local() -> None:
    features, _ = film()
    assert detect(features) == detect(features, detector="local")
    assert next(iter(DETECTORS)) == "local"


def test_dark_rows_between_shots() -> None:
    frames, transitions = joined(CLIPS, 16, 0.0)
    frames[:10] = frames[-10:] = 0
    found = detect(features_of(frames), detector="threshold", threshold=30)
    assert list(misses(found, transitions)) == []
    assert detect(film()[0], detector="threshold") == []


@pytest.mark.parametrize("detector", list(DETECTORS))
def test_thresholds_and_lengths(detector: str) -> None:
    features, _transitions = film()
    most = min(DETECTORS[detector].most, 1e9)
    assert detect(features, detector=detector, threshold=most) in ([], [60])
    found = detect(features, detector=detector, threshold=0, min_length=50)
    assert (np.diff([0, *found, len(features)]) >= 50).all()
    assert detect(features, detector=detector, min_length=121) == []


@pytest.mark.parametrize("detector", ["local", "adaptive"])
def test_floors(detector: str) -> None:
    features, _ = film()
    assert detect(features, detector=detector, floor=250) == []


def test_no_rows() -> None:
    assert DetectShots(CONFIG).execute([]) == []
    assert ShotsFromScores(CONFIG).execute([]) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"detector": "best"}, "no detector 'best'; there are local, adaptive"),
        ({"threshold": 1.5}, "threshold of detector 'local' must be from 0 to 1, got"),
        ({"detector": "content", "threshold": -1}, "from 0 to 255, got -1"),
        ({"detector": "content", "floor": 1}, "detector 'content' has no floor"),
        ({"floor": 300}, "floor must be from 0 to 255, got 300"),
        ({"min_length": 0}, "min_length must be 1 row or more, got 0"),
    ],
)
def test_what_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        DetectShots(CONFIG, **arguments)


def test_shots_from_scores() -> None:
    scores = np.zeros(60)
    scores[[9, 40]] = 0.9, 0.6
    scores[20:26] = [0.6, 0.7, 0.9, 0.8, 0.7, 0.6]
    rows = ShotsFromScores(CONFIG).execute(scores.tolist())
    assert rows == [[10, 23, 41], *[None] * 59]
    assert ShotsFromScores(CONFIG, 0.75).execute(scores.tolist())[0] == [10, 23]
    assert ShotsFromScores(CONFIG, 0.5, 15).execute(scores.tolist())[0] == [23, 41]
    with pytest.raises(ArgumentError, match="threshold"):
        ShotsFromScores(CONFIG, 2.0)
