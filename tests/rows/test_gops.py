"""Keyframe arithmetic against a decoder that is stepped frame by frame."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.rows.gops import DecodePosition, ascending_cost, keyframe_at

ROWS = 9


class Stepped:
    """A decoder as slow as can be: a place, and one frame at a time."""

    def __init__(self, entries: list[int]) -> None:
        self.entries = entries
        self.place: int | None = None
        self.seeks = 0

    def go(self, row: int) -> int:
        entry = max(e for e in self.entries if e <= row)
        if self.place is None or self.place > row or self.place < entry:
            self.place = entry
            self.seeks += 1
        decoded = 0
        while self.place <= row:
            self.place += 1
            decoded += 1
        return decoded


def all_entries() -> list[list[int]]:
    return [
        [0, *chosen]
        for count in range(ROWS)
        for chosen in itertools.combinations(range(1, ROWS), count)
    ]


def test_every_pair_of_rows_over_every_set_of_entries() -> None:
    for entries in all_entries():
        for first, second in itertools.product(range(ROWS), repeat=2):
            position = DecodePosition(np.array(entries))
            stepped = Stepped(entries)
            for row in (first, second):
                seeks = position.seeks(row)
                before = stepped.seeks
                assert position.advance(row) == stepped.go(row)
                assert seeks == (stepped.seeks > before)
                assert position.next_row == stepped.place


@given(
    st.sets(st.integers(1, 60), max_size=10),
    st.lists(st.integers(0, 70), max_size=30),
)
def test_any_walk(later: set[int], rows: list[int]) -> None:
    entries = [0, *sorted(later)]
    position, stepped = DecodePosition(np.array(entries)), Stepped(entries)
    for row in rows:
        assert position.advance(row) == stepped.go(row)


@given(
    st.sets(st.integers(1, 60), max_size=10),
    st.lists(st.tuples(st.integers(0, 70), st.integers(1, 40)), max_size=10),
)
def test_rows_that_follow_one_another(
    later: set[int], stretches: list[tuple[int, int]]
) -> None:
    """All at once is what one by one is."""
    entries = [0, *sorted(later)]
    position, stepped = DecodePosition(np.array(entries)), Stepped(entries)
    for row, count in stretches:
        seeks, before = position.seeks(row), stepped.seeks
        decoded = sum(stepped.go(each) for each in range(row, row + count))
        assert position.advance(row, count) == decoded
        assert stepped.seeks - before == seeks
        assert position.next_row == stepped.place


@given(st.sets(st.integers(1, 60), max_size=10), st.sets(st.integers(0, 70)))
def test_ascending_rows_decode_no_frame_twice(later: set[int], rows: set[int]) -> None:
    position = DecodePosition(np.array([0, *sorted(later)]))
    reached = 0
    for row in sorted(rows):
        decoded = position.advance(row)
        assert row + 1 - decoded >= reached
        reached = row + 1


def test_keyframe_at() -> None:
    entries = np.array([0, 12, 24])
    for row in range(40):
        assert keyframe_at(entries, row) == max(e for e in (0, 12, 24) if e <= row)
    assert keyframe_at(entries, np.arange(40)).shape == (40,)


@given(st.sets(st.integers(1, 60), max_size=8), st.sets(st.integers(0, 60), min_size=1))
def test_ascending_rows_cost_what_a_decoder_counts(
    entries: set[int], rows: set[int]
) -> None:
    starts = np.array([0, *sorted(entries)])
    position = DecodePosition(starts)
    decoded = seeks = 0
    for row in sorted(rows):
        seeks += position.seeks(row)
        decoded += position.advance(row)
    assert ascending_cost(starts, np.array(sorted(rows))) == (decoded, seeks)
