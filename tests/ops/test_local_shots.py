"""The local rule on films whose transitions are known."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from beam_scanner.ops._local_shots import local_boundaries
from beam_scanner.ops._shot_changes import Features
from tests.support.cut_films import Clip, features_of, joined, misses, moving_clip


@functools.cache
def clip(seed: int, rows: int = 45) -> Clip:
    return moving_clip(seed, rows)


def found(frames: Clip, min_length: int = 5) -> list[int]:
    return local_boundaries(Features(features_of(frames)), 0.7, 5.0, min_length)


CLIPS = [clip(seed) for seed in range(5)]


@pytest.mark.parametrize("change", ["none", "gray", "dark", "noise", "letterbox"])
def test_cuts_are_exact(change: str) -> None:
    film, transitions = joined(CLIPS)
    if change == "gray":
        film = np.repeat(film[..., 1:2], 3, axis=3)
    elif change == "dark":
        film = film // 4
    elif change == "noise":
        noise = np.random.default_rng(1).normal(0, 12, film.shape)
        film = (film + noise).clip(0, 255).astype(np.uint8)
    elif change == "letterbox":
        film = film.copy()
        film[:, :7] = film[:, -7:] = 0
    assert found(film) == [after for _, after in transitions]


@pytest.mark.parametrize("rows", [8, 16, 30])
@pytest.mark.parametrize(
    "through", [None, 0.0, 255.0], ids=["dissolve", "black", "white"]
)
def test_gradual_transitions(rows: int, through: float | None) -> None:
    film, transitions = joined([clip(seed, 70) for seed in range(4)], rows, through)
    assert list(misses(found(film), transitions)) == []


def test_a_static_camera_is_one_shot() -> None:
    still = clip(1, 1).repeat(200, axis=0)
    assert found(still) == []
    noise = np.random.default_rng(2).normal(0, 3, still.shape)
    assert found((still + noise).clip(0, 255).astype(np.uint8)) == []
    assert found(np.zeros((60, 20, 30, 3), np.uint8)) == []


def test_flashes_are_no_cuts() -> None:
    film, transitions = joined([clip(0, 60), clip(3, 60)])
    for row, length in ((20, 1), (45, 2), (90, 3)):
        film[row : row + length] = film[row : row + length] // 4 + 190
    assert found(film) == [transitions[0][1]]


def test_flicker_is_no_cut() -> None:
    film, transitions = joined(CLIPS)
    gains = 1 + np.random.default_rng(4).normal(0, 0.05, len(film))
    film = (film * gains[:, None, None, None]).clip(0, 255).astype(np.uint8)
    assert found(film) == [after for _, after in transitions]


@pytest.mark.parametrize("seed", range(4))
def test_strong_flicker_of_a_static_camera_is_no_transition(seed: int) -> None:
    still = np.repeat(clip(seed)[:1], 300, axis=0)
    gains = 1 + np.random.default_rng(seed).normal(0, 0.07, len(still))
    film = (still * gains[:, None, None, None]).clip(0, 255).astype(np.uint8)
    assert found(film) == []


@pytest.mark.parametrize("light", ["film", "lamp", "every second row"])
def test_moving_pictures_that_flicker(light: str) -> None:
    clips = [clip(seed, 70) for seed in range(4)]
    for film, transitions in (joined(clips), joined(clips, 16), joined(clips, 24, 0.0)):
        rows = np.arange(len(film))
        gains = {
            "film": 1 + np.random.default_rng(6).normal(0, 0.08, len(film)),
            "lamp": 1 + 0.1 * np.sin(2 * np.pi * rows / 2.7),
            "every second row": np.where(rows % 2, 1.0, 0.9),
        }[light]
        lit = (film * gains[:, None, None, None]).clip(0, 255).astype(np.uint8)
        assert list(misses(found(lit), transitions)) == []


def test_a_moving_camera_is_one_shot() -> None:
    wide = moving_clip(7, 1, (54, 400))[0]
    pan = np.stack([wide[:, 2 * row : 2 * row + 96] for row in range(110)])
    assert found(pan) == []


def test_least_lengths() -> None:
    film, _ = joined([clip(0, 40), clip(1, 8), clip(2, 40)])
    assert found(film) == [40, 48]
    assert len(found(film, min_length=12)) == 1
    assert found(film, min_length=60) == []


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 8])
def test_very_short_streams(rows: int) -> None:
    assert found(clip(0)[:rows]) == []


@pytest.mark.parametrize("rows", [6, 20])
@pytest.mark.parametrize(
    "colors",
    [
        [(20, 20, 20), (200, 200, 200)],
        [(255, 0, 0), (0, 0, 255), (0, 255, 0)],
        [(120, 60, 60), (60, 120, 60)],
    ],
)
def test_plain_pictures_have_cuts_too(
    rows: int, colors: list[tuple[int, int, int]]
) -> None:
    film = np.repeat(np.array(colors, np.uint8), rows, axis=0)[:, None, None]
    film = np.broadcast_to(film, (len(film), 36, 64, 3)).copy()
    assert found(film) == list(range(rows, len(film), rows))


def test_plain_pictures_may_flash_and_differ_a_little() -> None:
    film = np.full((40, 36, 64, 3), 90, np.uint8)
    film[20:22] = 250
    film[30:] = 92
    assert found(film) == []
