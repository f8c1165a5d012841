"""Names in the order of people."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.text.natural_order import natural_key


@pytest.mark.parametrize(
    "names",
    [
        ["film1", "film2", "film10", "film11", "film100"],
        ["film.mp4", "film2.mp4", "film10.mp4", "films.mp4"],
        ["a", "a/1", "a/2/x", "a/10", "a b/1", "a-b", "b"],
        ["s1e9", "s1e10", "s2e1", "s10e1"],
        ["film", "Film 1", "film 2", "FILM 3", "Zoo"],
        ["x1", "x01", "x2", "x002"],
        ["2024-01-09", "2024-01-10", "2024-10-01"],
        ["", "/", "0", "9" * 4000, "a", "\udcff"],
    ],
)
def test_the_order_of_people(names: list[str]) -> None:
    mixed = random.Random(0).sample(names, len(names))
    found = sorted(mixed, key=natural_key)
    if names[0] == "x1":
        # Of equal numbers, the one with more zeros comes first.
        names = ["x01", "x1", "x002", "x2"]
    assert found == names


@given(
    st.lists(st.text(st.sampled_from("aA01./ "), max_size=6), unique=True),
    st.randoms(use_true_random=False),
)
def test_the_order_does_not_depend_on_what_was_before(
    names: list[str], chance: random.Random
) -> None:
    mixed = chance.sample(names, len(names))
    assert sorted(mixed, key=natural_key) == sorted(names, key=natural_key)
