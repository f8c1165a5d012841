"""Rows that are taken piece by piece."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.data.asked_rows import AskedRows
from beam_scanner.errors import ArgumentError


@given(
    rows=st.lists(st.integers(0, 99), max_size=30),
    counts=st.lists(st.integers(1, 9), max_size=20),
    lazy=st.booleans(),
)
def test_what_is_taken_and_put_back_comes_in_order(rows, counts, lazy):
    asked = AskedRows(iter(rows) if lazy else rows, single=True)
    at = 0
    for number, count in enumerate(counts):
        taken = asked.take(count)
        assert taken[:, 1].tolist() == rows[at : at + count]
        kept = len(taken) // 2 if number % 2 else len(taken)
        asked.put_back(taken[kept:])
        at += kept
    rest = asked.take(100)
    assert asked.as_asked(rest).tolist() == rows[at:]
    assert not len(asked.take(1))


@pytest.mark.parametrize(
    "pairs",
    [
        [(0, 3), (2, 1)],
        ((0, 3), (2, 1)),
        np.array([[0, 3], [2, 1]], np.uint16),
        iter([(0, 3), np.array([2, 1])]),
    ],
)
def test_pairs_are_given_in_any_form(pairs):
    asked = AskedRows(pairs, single=False)
    assert asked.as_asked(asked.take(5)).tolist() == [[0, 3], [2, 1]]


def test_no_more_is_taken_than_is_needed():
    endless = itertools.count()
    asked = AskedRows(endless, single=True)
    assert asked.take(3)[:, 1].tolist() == [0, 1, 2]
    assert next(endless) == 3


@pytest.mark.parametrize(
    ("rows", "single"),
    [
        (3, True),
        ([1.5], True),
        ([True], True),
        (["a"], True),
        ([[1, 2], [3]], True),
        ([(0, 1)], True),
        ([1, 2], False),
        ([(1, 2, 3)], False),
        ([(0, 1), 2], False),
    ],
)
def test_what_is_no_rows_is_refused(rows, single):
    with pytest.raises(ArgumentError, match="rows: expected"):
        AskedRows(rows, single)
    if isinstance(rows, list):
        asked = AskedRows(iter(rows), single)
        with pytest.raises(ArgumentError, match="rows: expected"):
            list(iter(lambda: asked.take(5).tolist(), []))


def test_what_is_raised_on_the_way_has_its_turn():
    def sampler():
        yield from range(5)
        raise KeyError("lost")

    asked = AskedRows(sampler(), single=True)
    assert asked.take(4)[:, 1].tolist() == [0, 1, 2, 3]
    assert asked.take(4)[:, 1].tolist() == [4]
    for _ in range(2):
        with pytest.raises(KeyError):
            asked.take(4)


def test_only_what_can_be_iterated_over_again_begins_again():
    asked = AskedRows(range(3), single=True)
    asked.take(2)
    asked.restart()
    assert asked.take(9)[:, 1].tolist() == [0, 1, 2]
    once = AskedRows(iter(range(3)), single=True)
    once.restart()
    once.take(1)
    with pytest.raises(ArgumentError, match="iterator"):
        once.restart()
