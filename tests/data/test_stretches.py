"""The plan by GOP, compared with one that follows a decoder frame by frame."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.data.stretches import LEAST_FRAMES, Stretch, Wanted, stretches
from beam_scanner.rows.gops import DecodePosition

KEYFRAMES = {0: np.array([0, 12, 24, 36, 200]), 1: np.array([0]), 2: None}
LENGTH = 400


def wanted_of(pairs: list[tuple[int, int]], chunk: int) -> Wanted:
    count = np.arange(len(pairs))
    videos, rows = np.array(pairs, np.int64).reshape(-1, 2).T
    return Wanted(videos, rows, count // chunk, count % chunk, 1000 + 8 * count)


def decoded(stretch: Stretch) -> int:
    keyframes = KEYFRAMES[stretch.video]
    if keyframes is None:
        return len(stretch.rows)
    position = DecodePosition(keyframes)
    return sum(position.advance(row) for row in stretch.rows.tolist())


@given(
    pairs=st.lists(st.tuples(st.integers(0, 2), st.integers(0, LENGTH - 1))),
    chunk=st.integers(1, 9),
    parts=st.integers(1, 8),
)
def test_each_row_is_read_once_for_all_that_want_it(pairs, chunk, parts):
    wanted = wanted_of(pairs, chunk)
    found = stretches(wanted, KEYFRAMES.__getitem__, parts)
    seen = {}
    gops = set()
    for stretch in found:
        assert (np.diff(stretch.rows) > 0).all()
        assert decoded(stretch) == stretch.frames
        for use, place in zip(
            stretch.uses.tolist(), stretch.wanted.places.tolist(), strict=True
        ):
            assert place not in seen
            seen[place] = stretch.video, int(stretch.rows[use])
        keyframes = KEYFRAMES[stretch.video]
        if keyframes is not None:
            mine = set(np.searchsorted(keyframes, stretch.rows, side="right").tolist())
            own = {(stretch.video, gop) for gop in mine}
            assert not own & gops, "a GOP is in two stretches"
            gops |= own
    assert seen == dict(zip(wanted.places.tolist(), pairs, strict=True))
    assert [each.first_chunk for each in found] == sorted(
        each.first_chunk for each in found
    )


def test_long_reads_are_cut_for_several_workers():
    rows = [(0, row) for row in range(200)]
    one = stretches(wanted_of(rows, 10), lambda _: np.arange(0, 200, 10), 1)
    four = stretches(wanted_of(rows, 10), lambda _: np.arange(0, 200, 10), 4)
    assert [len(each.rows) for each in one] == [200]
    assert [len(each.rows) for each in four] == [70, 70, 60]
    assert min(70, LEAST_FRAMES) == LEAST_FRAMES
