"""Row arithmetic against plain lists and sets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.rows.row_maps import (
    EMPTY,
    NULL_ROW,
    Layout,
    RowMap,
    RowSet,
    union,
)

TOP = 120


@st.composite
def row_sets(draw: st.DrawFn) -> RowSet:
    """Sets made of ranges, of single rows, or found in sorted rows."""
    if draw(st.booleans()):
        rows = sorted(draw(st.sets(st.integers(0, TOP), max_size=40)))
        return RowSet.of_sorted(np.array(rows, dtype=np.int64))
    ranges, at = [], 0
    for gap, step, count in draw(
        st.lists(st.tuples(st.integers(0, 9), st.integers(1, 7), st.integers(0, 8)))
    ):
        made = range(at + gap, at + gap + step * count, step)
        if len(made) and made[-1] <= TOP:
            ranges.append(made)
            at = made[-1] + 1
    return RowSet.of(*ranges)


def layouts(rows: int) -> st.SearchStrategy[Layout]:
    cuts = st.lists(st.integers(0, rows), max_size=6).map(
        lambda cuts: Layout.of_lengths(
            np.diff([0, *sorted(cuts), rows]).tolist(),
        )
    )
    uniform = st.integers(1, rows + 3).map(lambda size: Layout.uniform(rows, size))
    return st.one_of(st.just(Layout.single(rows)), cuts, uniform)


def listed(rows: RowSet) -> list[int]:
    return [row for piece in rows.ranges() for row in piece]


@given(row_sets())
def test_a_set_is_its_rows(rows: RowSet) -> None:
    plain = listed(rows)
    assert plain == sorted(set(plain))
    assert len(rows) == len(plain)
    assert rows.array().tolist() == plain
    if plain:
        assert (rows.first, rows.last) == (plain[0], plain[-1])
    assert rows == RowSet.of_sorted(np.array(plain, dtype=np.int64))
    assert rows != RowSet.of_sorted(np.array([*plain, 999], dtype=np.int64))


@given(row_sets(), st.integers(0, 50), st.integers(0, 50))
def test_part_of_a_set(rows: RowSet, start: int, stop: int) -> None:
    assert rows.array(start, stop).tolist() == listed(rows)[start:stop]


@given(row_sets(), st.integers(-5, TOP + 5), st.integers(-5, TOP + 5))
def test_where_rows_are_in_a_set(rows: RowSet, low: int, high: int) -> None:
    plain = listed(rows)
    assert rows.positions(rows.array()).tolist() == list(range(len(plain)))
    assert rows.rank(low) == sum(row < low for row in plain)
    assert rows.between(low, high).tolist() == [r for r in plain if low <= r < high]


@given(st.lists(row_sets(), max_size=5))
def test_union(sets: list[RowSet]) -> None:
    wanted = sorted(set(itertools.chain(*map(listed, sets))))
    made = union(sets)
    assert listed(made) == wanted
    assert len(made) == len(wanted)


@given(st.data(), row_sets(), st.integers(0, 9), st.integers(0, 9))
def test_dilate_stays_inside_groups(
    data: st.DataObject, rows: RowSet, before: int, after: int
) -> None:
    layout = data.draw(layouts(TOP + 1))
    wanted = set()
    for index in range(len(layout)):
        group = layout.group(index)
        for row in set(group) & set(listed(rows)):
            wanted |= set(range(row - before, row + after + 1)) & set(group)
    assert listed(rows.dilate(before, after, layout)) == sorted(wanted)


def test_evenly_spaced_rows_are_one_piece() -> None:
    rows = RowSet.of_sorted(np.arange(0, 8_000_000, 8))
    assert len(rows.starts) == 1
    assert len(RowSet.of_sorted(np.arange(5, 900)).starts) == 1
    assert len(RowSet.of_sorted(np.array([3, 4, 5, 6, 20, 30, 40])).starts) <= 3


def test_an_empty_set() -> None:
    assert len(EMPTY) == 0
    assert EMPTY.array().tolist() == []
    assert EMPTY.rank(5) == 0
    assert len(EMPTY.dilate(1, 1, Layout.single(9))) == 0
    assert RowSet.interval(3, 3) == EMPTY


# -- maps ----------------------------------------------------------------------------

PIECES = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.integers(1, 9),
        st.integers(0, 14),
        st.integers(1, 4),
        st.booleans(),
    ),
    max_size=6,
)


def map_of(pieces: list[tuple[int, int, int, int, bool]]) -> RowMap:
    columns = [list(column) for column in zip(*pieces, strict=True)] or [[]] * 5
    return RowMap(*columns)


def plain_map(
    pieces: list[tuple[int, int, int, int, bool]],
) -> tuple[list[int], list[int]]:
    """What each row is made from, and what it stems from."""
    made, origins = [], []
    for start, step, count, repeat, spaced in pieces:
        for row in range(count):
            origin = start + row // repeat * step
            origins.append(origin)
            made.append(NULL_ROW if spaced and row % repeat else origin)
    return made, origins


@given(PIECES)
def test_a_map_is_its_pieces(pieces: list[tuple[int, int, int, int, bool]]) -> None:
    made, origins = plain_map(pieces)
    row_map = map_of(pieces)
    rows = np.arange(len(made))
    assert len(row_map) == len(made)
    assert row_map.map(rows).tolist() == made
    assert row_map.origin(rows).tolist() == origins
    assert row_map.ordered == (origins == sorted(origins))


@given(PIECES, st.data())
def test_need_is_the_set_of_what_rows_are_made_from(
    pieces: list[tuple[int, int, int, int, bool]], data: st.DataObject
) -> None:
    made, _ = plain_map(pieces)
    if data.draw(st.booleans()) and made:
        asked = RowSet.of(
            range(
                data.draw(st.integers(0, len(made) - 1)),
                len(made),
                data.draw(st.integers(1, 12)),
            )
        )
    else:
        some = data.draw(st.sets(st.integers(0, max(0, len(made) - 1))))
        asked = RowSet.of_sorted(np.array(sorted(some if made else []), dtype=np.int64))
    wanted = {made[row] for row in listed(asked)} - {NULL_ROW}
    found = map_of(pieces).need(asked)
    assert listed(found) == sorted(wanted)
    assert len(found) == len(wanted)


@given(st.lists(st.tuples(PIECES, st.integers(0, 30)), max_size=4))
def test_concatenated_maps(
    parts: list[tuple[list[tuple[int, int, int, int, bool]], int]],
) -> None:
    wanted = []
    for pieces, shift in parts:
        wanted += [r if r == NULL_ROW else r + shift for r in plain_map(pieces)[0]]
    made = RowMap.concatenate(
        [map_of(pieces) for pieces, _ in parts], [shift for _, shift in parts]
    )
    assert made.map(np.arange(len(wanted))).tolist() == wanted
    assert len(made) == len(wanted)


@given(PIECES, st.integers(0, 40))
def test_identity(pieces: list[tuple[int, int, int, int, bool]], rows: int) -> None:
    assert map_of(pieces).is_identity_of(rows) <= (
        plain_map(pieces)[0] == list(range(rows))
    )
    assert RowMap.identity(rows).is_identity_of(rows)
    assert RowMap.identity(rows).map(np.arange(rows)).tolist() == list(range(rows))


def test_consecutive_rows_become_one_piece() -> None:
    ones = [1] * 1000
    assert len(RowMap(list(range(1000)), ones, ones).starts) == 1


# -- layouts -------------------------------------------------------------------------


@given(st.integers(0, 40).flatmap(layouts))
def test_a_layout_is_its_groups(layout: Layout) -> None:
    groups = [layout.group(index) for index in range(len(layout))]
    assert layout.lengths() == [len(group) for group in groups]
    assert [row for group in groups for row in group] == list(range(layout.rows))
    rows = np.arange(layout.rows)
    low, high = layout.bounds(rows)
    for row, index in enumerate(layout.group_of(rows).tolist()):
        assert row in groups[index]
        assert (low[row], high[row]) == (groups[index].start, groups[index].stop)


@given(st.integers(0, 12).flatmap(lambda n: st.tuples(layouts(n), layouts(n))))
def test_same_groups(both: tuple[Layout, Layout]) -> None:
    one, other = both
    assert one.same_groups(other) == (one.lengths() == other.lengths())


def test_two_partitions_of_nothing_have_the_same_groups() -> None:
    assert Layout.uniform(0, 1).same_groups(Layout.uniform(0, 2))
    assert Layout.uniform(0, 1).same_groups(Layout.of_lengths([]))
    assert not Layout.uniform(0, 1).same_groups(Layout.single(0))


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9])
def test_uniform_groups(rows: int) -> None:
    wanted = [min(4, rows - at) for at in range(0, rows, 4)]
    assert Layout.uniform(rows, 4).lengths() == wanted
    assert Layout.single(rows).lengths() == [rows]
