"""Several streams, read as one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import RowError
from beam_scanner.storage.segments.merged_reader import MergedReader
from tests.support.fake_reader import FakeReader

LENGTHS = [3, 0, 2]


def reader(keyframes: Any = None) -> tuple[MergedReader, list[FakeReader]]:
    """The reader, and those that it has opened."""
    opened: list[FakeReader] = []

    def opens(number: int, length: int) -> Any:
        def open_it() -> FakeReader:
            values = [(number, row) for row in range(length)]
            opened.append(FakeReader(values, "any", None if keyframes is None else [0]))
            return opened[-1]

        return open_it

    parts = [opens(number, length) for number, length in enumerate(LENGTHS)]
    starts = np.cumsum([0, *LENGTHS])
    return MergedReader("three", starts, parts, keyframes), opened


def test_rows_are_those_of_one_after_the_other() -> None:
    it, opened = reader()
    alone = FakeReader([(0, 2), (2, 0)])
    assert it.read([2, 3]) == alone.read([0, 1])
    assert len(it) == 5
    assert it.seconds(np.array([4, 1, 0])).tolist() == [1.25, 1.25, 1.0]
    # None is opened of which nothing is read.
    assert len(opened) == 2
    with pytest.raises(RowError, match="outside stream 'three'"):
        it.read([5])


def test_a_second_reader_has_decoders_of_its_own() -> None:
    it, opened = reader(np.array([0, 3]))
    assert it.keyframes is not None
    other = it.reopen()
    assert other.read([1]) == it.read([1])
    assert len(opened) == 2
    assert other.keyframes is it.keyframes
    other.close()
    assert it.counters()["frames_decoded"] == 2


def test_rows_that_need_no_decoder_need_no_second_reader() -> None:
    it, _ = reader()
    assert it.keyframes is None
    assert it.reopen() is it


def test_every_stream_is_decoded_where_it_should_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoders: list[str] = []
    monkeypatch.setattr(
        FakeReader, "decode_on", lambda _, decoder: decoders.append(decoder)
    )
    it, _ = reader(np.array([0, 3]))
    it.decode_on("cuda")
    it.read([0, 4])
    other = it.reopen()
    other.decode_on("cuda")
    other.read([0, 4])
    assert decoders == ["cuda"] * 4
    # What is not decoded is decoded nowhere.
    plain, opened = reader()
    plain.decode_on("cuda")
    assert opened == []
