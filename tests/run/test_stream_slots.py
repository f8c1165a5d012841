"""Slots: what stands in a graph for a stream, and the stream that each makes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner.elements.keys import FrameKey
from beam_scanner.errors import ElementTypeError
from beam_scanner.rows.row_maps import Layout
from beam_scanner.run.sink_claims import Claims
from beam_scanner.run.sources import video_at
from beam_scanner.run.stream_slots import (
    BranchRows,
    BranchSlot,
    InternalSlot,
    SinkSlot,
    SourceSlot,
)
from beam_scanner.storage.streams.named_video import NamedVideoStream
from beam_scanner.types import NULL, get_type_info


@pytest.mark.parametrize("trusted", [True, False])
def test_a_stream_between_phases_is_trusted_as_its_database(trusted: bool) -> None:
    stream = InternalSlot(3, trusted).make("/tmp/some/where")
    assert stream.storage().trusted is trusted
    assert stream.name() == "3"


def test_sources_are_equal_by_their_number() -> None:
    one, same, other = (
        SourceSlot(number, video_at, None, label)
        for number, label in ((0, "a"), (0, "b"), (1, "a"))
    )
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != 0


def test_a_source_is_called_by_its_template() -> None:
    plain = SourceSlot(0, video_at, None, "ReadFromVideo")
    named = SourceSlot(0, video_at, None, "Read", "/db", "x/{stream}")
    assert plain.name() == "ReadFromVideo"
    assert named.name() == "x/{stream}"
    assert named.storage().db_path == "/db"  # type: ignore[attr-defined]


@pytest.mark.parametrize("video", [True, False])
def test_a_sink_makes_the_output_of_each_stream(tmp_path: Path, video: bool) -> None:
    sink = SinkSlot(Claims(str(tmp_path), "run", "made/{stream}/last"), video)
    assert sink.name() == "made/{stream}/last"
    made = sink.make("x/a")
    assert made.name() == "made/x/a/last"
    assert isinstance(made, NamedVideoStream) is video
    assert made.storage().db_path == sink.storage().db_path  # type: ignore[attr-defined]


def leaving(kind: Any = int, sliced: bool = False, nulls: bool = False) -> BranchSlot:
    slot = BranchSlot("tag", "op Count", get_type_info(kind), sliced, nulls)
    return slot.make("film")


def write(rows: BranchRows, first: int, values: Sequence[Any]) -> None:
    encoded = [
        value if value is NULL else get_type_info(int).serialize(value)
        for value in values
    ]
    rows.write(first, encoded, np.arange(first, first + len(values)) / 4)


def test_rows_leave_with_their_keys() -> None:
    rows = BranchRows(leaving())
    write(rows, 5, [50, 60])
    write(rows, 7, [70])
    held = rows.take()
    assert rows.take() == []
    assert list(rows.hand_on(held)) == [
        (FrameKey("film", 0, row, row / 4), 10 * row) for row in (5, 6, 7)
    ]
    assert list(rows.hand_on([])) == []


def test_rows_that_an_earlier_attempt_handed_on_do_not_leave_again() -> None:
    rows = BranchRows(leaving())
    rows.skip = 3
    write(rows, 0, [0, 10])
    assert rows.take() == []
    write(rows, 2, [20, 30])
    assert [row for row, _, _ in rows.take()] == [3]
    write(rows, 4, [40])
    assert [row for row, _, _ in rows.take()] == [4]


def test_rows_of_slices_are_counted_in_their_group() -> None:
    rows = BranchRows(leaving(sliced=True), Layout.of_lengths([2, 0, 3]))
    write(rows, 1, [10, 20, 30])
    keys = [key for key, _ in rows.hand_on(rows.take())]
    assert [(key.group, key.row) for key in keys] == [(0, 1), (2, 0), (2, 1)]


def test_nulls_leave_only_where_the_type_has_room() -> None:
    rows = BranchRows(leaving(nulls=True))
    write(rows, 0, [NULL, 10])
    assert [value for _, value in rows.hand_on(rows.take())] == [None, 10]
    rows = BranchRows(leaving())
    write(rows, 3, [NULL])
    held = rows.take()
    with pytest.raises(
        ElementTypeError, match=r"row 3 of op Count is null.*tuple\[FrameKey, int \| N"
    ):
        list(rows.hand_on(held))


def test_what_is_given_up_does_not_leave() -> None:
    rows = BranchRows(leaving())
    write(rows, 0, [0, 10])
    rows.abort()
    assert rows.take() == []
    assert rows.finish() == {}
