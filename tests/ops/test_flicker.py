"""Removes flicker, and leaves cuts and fades as they are."""

from __future__ import annotations

import numpy as np
import pytest

from beam_scanner.kernels import KernelConfig
from beam_scanner.ops import _shot_changes
from beam_scanner.ops._flicker import flicker_gains, without_flicker
from beam_scanner.ops._shot_changes import CHUNK, Features, Floats
from beam_scanner.ops.shot_features import ShotFeatures
from tests.support.cut_films import Clip, features_of, moving_clip


def random_gains(rows: int, seed: int = 1, deviation: float = 0.06) -> Floats:
    return 1 + np.random.default_rng(seed).normal(0, deviation, rows)


def lit(film: Clip, gains: Floats) -> Clip:
    return (film * gains[:, None, None, None]).clip(0, 255).astype(np.uint8)


def unevenness(values: Floats) -> float:
    return float(np.abs(np.diff(np.log(values))).mean())


STEADY = {
    "constant": np.full(60, 90.0),
    "black": np.zeros(60),
    "cuts every 5 rows": np.tile(np.repeat([30.0, 200, 90], 5), 8),
    "a fade through black": np.abs(np.linspace(-120, 120, 41)),
    "a short fade": np.concatenate(
        (np.full(30, 100.0), [75, 50, 25, 0, 25, 50, 75], np.full(30, 100.0))
    ),
    "a flash": np.where(np.arange(60) // 3 == 10, 250.0, 80.0),
    "slow waves": 100 + 50 * np.sin(np.arange(90) / 6),
    "a little noise": 100 + np.random.default_rng(1).normal(0, 0.3, 90),
}


@pytest.mark.parametrize("name", STEADY)
def test_steady_light_is_left_as_it_is(name: str) -> None:
    assert (flicker_gains(STEADY[name]) == 1).all()


@pytest.mark.parametrize("rows", range(1, 5))
def test_too_few_rows_to_flicker(rows: int) -> None:
    assert flicker_gains(np.linspace(40, 90, rows)).tolist() == [1.0] * rows


@pytest.mark.parametrize(
    "gains",
    [
        random_gains(300),
        random_gains(300, 2, 0.12),
        1 + 0.1 * np.sin(2 * np.pi * np.arange(300) / 2.4),
        np.tile([1.0, 1.15], 150),
        np.tile([0.8, 1.0, 0.9], 100),
    ],
    ids=["film", "strong", "lamp", "every second row", "every third row"],
)
def test_flicker_is_removed(gains: Floats) -> None:
    brightness = 100 * gains
    left = brightness / flicker_gains(brightness)
    assert unevenness(left) < unevenness(brightness) / 2


def test_cuts_and_fades_remain_among_flicker() -> None:
    fade = np.abs(np.linspace(-1, 1, 25))
    steady = np.concatenate((np.full(60, 60.0), np.full(60, 150.0), 150 * fade))
    brightness = steady * random_gains(len(steady))
    left = brightness / flicker_gains(brightness)
    assert left[:60].max() < 80 < 120 < left[60:110].min()
    assert left[132] < 40


@pytest.mark.parametrize("factor", [0.4, 0.7, 1.6])
def test_gains_are_those_of_a_darker_or_brighter_film(factor: float) -> None:
    brightness = 100 * random_gains(200)
    expected = flicker_gains(brightness)
    found = flicker_gains(factor * brightness)
    np.testing.assert_allclose(found, expected, atol=0.005)


def test_gains_are_the_same_backwards_and_across_chunks() -> None:
    brightness = 100 * random_gains(CHUNK + 500)
    gains = flicker_gains(brightness)
    assert (flicker_gains(brightness[::-1])[::-1] == gains).all()
    later = slice(CHUNK - 200, CHUNK + 200)
    assert (flicker_gains(brightness[later])[50:-50] == gains[later][50:-50]).all()


def test_features_of_steady_films_are_returned_as_they_are() -> None:
    features = Features(features_of(moving_clip(1, 50)))
    assert without_flicker(features) is features


def test_rows_that_do_not_flicker_are_shared() -> None:
    film = np.concatenate((moving_clip(1, 100), moving_clip(1, 100)))
    gains = np.concatenate((np.ones(100), random_gains(100)))
    elements = features_of(lit(film, gains))
    steady = without_flicker(Features(elements)).elements
    same = [a is b for a, b in zip(elements, steady, strict=True)]
    assert all(same[:80])
    assert sum(same[120:]) < 20


def test_a_long_film_is_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    gains = np.concatenate((np.ones(80), random_gains(60), np.ones(60)))
    features = Features(features_of(lit(moving_clip(1, 200), gains)))
    whole = without_flicker(features).elements
    monkeypatch.setattr(_shot_changes, "CHUNK", 7)
    assert without_flicker(features).elements == whole


def test_cells_and_histograms_are_as_in_steady_light() -> None:
    film = np.clip(moving_clip(3, 1), 20, 200).repeat(150, axis=0)
    gains = random_gains(150)
    original = Features(features_of(film))
    flickering = Features(features_of(lit(film, gains)))
    steady = without_flicker(flickering)
    # How pixels are spread within a bin is not known.
    for name, most in (("bins", 0.7), ("colors", 0.4)):
        wanted, before, after = (
            getattr(each, name)[:].astype(np.float64)
            for each in (original, flickering, steady)
        )
        assert np.abs(after - wanted).mean() < most * np.abs(before - wanted).mean()
    totals = steady.bins[:].reshape(-1, 3, 16).sum(axis=2, dtype=np.int64)
    assert np.abs(totals - 255).max() <= 8


def test_a_divided_histogram_is_that_of_a_divided_picture() -> None:
    kernel = ShotFeatures(KernelConfig())
    ramp = np.arange(256).repeat(3).reshape(16, 16, 3)
    gains = np.tile([1.0, 1.25], 40)
    film = lit(np.broadcast_to(ramp * 0.7, (80, 16, 16, 3)), gains)
    steady = without_flicker(Features([kernel.execute(frame) for frame in film]))
    bins = steady.bins[30:50].astype(np.int64)
    assert np.abs(bins[1:] - bins[:-1]).max() <= 3
