"""The boxes of MP4 files, those of odd sizes too."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.video.mp4_boxes import Box, boxes


def box(kind: bytes, content: bytes = b"", size: int | None = None) -> bytes:
    return (8 + len(content) if size is None else size).to_bytes(4) + kind + content


def found(data: bytes) -> list[Box]:
    return list(boxes(io.BytesIO(data), 0, len(data)))


KINDS = st.sampled_from([b"ftyp", b"moov", b"mdat"])


@given(st.lists(st.tuples(KINDS, st.binary(max_size=30), st.booleans()), max_size=6))
def test_boxes_follow_each_other(written: list[tuple[bytes, bytes, bool]]) -> None:
    data = b""
    for kind, content, is_long in written:
        if is_long:
            data += box(kind, (16 + len(content)).to_bytes(8) + content, size=1)
        else:
            data += box(kind, content)
    read = found(data)
    assert [b.kind for b in read] == [kind for kind, _, _ in written]
    assert [data[b.start : b.stop] for b in read] == [c for _, c, _ in written]
    assert all(b.stop == b.end for b in read)


def test_a_box_without_a_size_goes_to_the_end() -> None:
    data = box(b"ftyp") + box(b"mdat", b"abc", size=0)
    assert found(data)[1] == Box(b"mdat", 16, 19, 19)


def test_a_box_behind_the_end_of_the_file_says_so() -> None:
    assert found(box(b"mdat", b"abc", size=100)) == [Box(b"mdat", 8, 100, 11)]


def test_sizes_that_cannot_be_end_the_list() -> None:
    good = box(b"ftyp")
    for bad in (box(b"moov", size=7), box(b"moov", (15).to_bytes(8), size=1)):
        assert [b.kind for b in found(good + bad + good)] == [b"ftyp"]


@given(st.binary(max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_any_bytes_come_to_an_end(data: bytes, start: int, stop: int) -> None:
    last = start
    for one in boxes(io.BytesIO(data), start, min(stop, len(data))):
        assert last < one.start
        assert one.stop <= min(stop, len(data))
        last = one.start
