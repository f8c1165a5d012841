"""One job: what is read together, what is told when, and what fails alone."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from beam_scanner import errors
from beam_scanner.data.decoding_worker import Decoding, Job, Problem
from beam_scanner.data.given_videos import pickled_reader
from beam_scanner.data.shared_memory import SharedMemory
from beam_scanner.data.stretches import Wanted, stretches
from beam_scanner.errors import RowError, VideoError
from beam_scanner.storage.stored_rows import RowReader
from beam_scanner.types import NULL

PLACE = 12


class Squares(RowReader):
    """Rows of one value each; some are bad."""

    def __init__(self, calls: list[list[int]], bad: dict[int, Any]) -> None:
        self.calls, self.bad = calls, bad

    def __len__(self) -> int:
        return 100

    def read(self, rows):
        self.calls.append(rows)
        for row in rows:
            if isinstance(self.bad.get(row), Exception):
                raise self.bad[row]
        return [self.bad.get(row, np.full((2, 2, 3), row, np.uint8)) for row in rows]


def done(rows, chunks, bad=None):
    """What one job tells, the calls that it makes, and its memory."""
    memory = SharedMemory(1 << 16)
    place = memory.reserve(PLACE * len(rows))
    some = np.arange(len(rows))
    wanted = Wanted(
        0 * some, np.array(rows), np.array(chunks), some, place + PLACE * some
    )
    (stretch,) = stretches(wanted, lambda _: None, 1)
    calls: list[list[int]] = []
    decoding = Decoding(memory.file)
    decoding._readers[0] = Squares(calls, bad or {})
    told = list(decoding.work(Job(1, stretch, "squares", PLACE, (2, 2, 3))))
    pixels = memory.part(place, PLACE * len(rows)).reshape(len(rows), PLACE).copy()
    decoding.close()
    memory.close()
    return told, calls, pixels


def test_a_chunk_is_told_when_it_has_all():
    rows, chunks = [3, 40, 5, 9, 5, 30], [1, 1, 2, 2, 3, 3]
    told, calls, pixels = done(rows, chunks)
    assert calls == [[3, 5, 9], [30], [40]]
    assert [each.chunks for each in told] == [[2], [3], [1]]
    assert [each.ended for each in told] == [False, False, True]
    assert pixels[:, 0].tolist() == rows
    assert (pixels == pixels[:, :1]).all()
    assert not any(each.looks or each.problems for each in told)


def test_rows_fail_alone():
    bad = {
        5: VideoError("damaged"),
        6: NULL,
        7: ValueError("own"),
        8: np.zeros((9, 9, 3), np.uint8),
    }
    (told,), _, pixels = done([4, 5, 6, 7, 8, 9, 5], [1] * 7, bad)
    assert pixels[[0, 5], 0].tolist() == [4, 9]
    found = {position: each.error() for (_, position), each in told.problems.items()}
    assert sorted(found) == [1, 2, 3, 4, 6]
    assert str(found[1]) == str(found[6]) == "'squares', row 5: damaged"
    assert type(found[1]) is VideoError
    assert type(found[2]) is RowError
    assert str(found[2]) == "'squares', row 6: it is null"
    assert str(found[3]) == "'squares', row 7: ValueError: own"
    assert "Traceback" in found[3].__notes__[0]
    assert "has 243 bytes; frames of this video should have 12" in str(found[4])


def test_other_shapes_and_types_are_told():
    other = np.array([[[1.5]]], np.float32)
    (told,), _, pixels = done([4, 5, 5], [1] * 3, {5: other})
    assert told.looks == {(1, 1): ((1, 1, 1), "<f4"), (1, 2): ((1, 1, 1), "<f4")}
    assert pixels[2, :4].view(np.float32).tolist() == [1.5]


def test_frames_that_lie_in_the_place_of_others_are_moved(monkeypatch):
    class Backwards(Squares):
        def read(self, rows):
            from beam_scanner.video.frame_pool import SHARED

            found = {}
            for row in reversed(rows):
                found[row] = SHARED.empty(2, 2)
                found[row][:] = row
            return [found[row] for row in rows]

    monkeypatch.setitem(done.__globals__, "Squares", Backwards)
    _, _, pixels = done([1, 2, 3], [1] * 3)
    assert pixels[:, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("VideoError", VideoError), ("KeyError", RowError), ("annotations", RowError)],
)
def test_errors_of_other_packages_are_row_errors(kind, expected):
    error = Problem(kind, "a").error()
    assert type(error) is expected
    assert isinstance(error, errors.ScannerException)


def test_readers_are_made_when_they_are_needed():
    memory = SharedMemory(1 << 16)
    place = np.array([memory.reserve(PLACE)])
    zero = np.zeros(1, np.int64)
    (stretch,) = stretches(Wanted(zero, zero + 2, zero, zero, place), lambda _: None, 1)
    reader = pickled_reader(functools.partial(Squares, [], {}))
    decoding = Decoding(memory.file)
    list(decoding.work(Job(1, stretch, "squares", PLACE, None, reader)))
    list(decoding.work(Job(2, stretch, "squares", PLACE, None)))
    list(decoding.work(Job(3, stretch, "squares", PLACE, None, reader, forget=[0])))
    assert memory.part(int(place[0]), PLACE).tolist() == [2] * PLACE
    decoding.close()
    memory.close()
