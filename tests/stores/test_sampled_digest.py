"""Digests of pieces: of what is in them, where they are, and how long the file is."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.stores.sampled_digest import sampled_digest
from tests.stores.test_object_file import MemoryBucket


def digest(data: bytes, *pieces: tuple[int, int]) -> str:
    return sampled_digest(io.BytesIO(data), lambda size: pieces)


@given(data=st.binary(min_size=4, max_size=40), at=st.integers(0, 39))
def test_a_change_counts_where_a_piece_is(data: bytes, at: int) -> None:
    at %= len(data)
    changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    pieces = [(0, 2), (len(data) - 1, 1)]
    seen = at < 2 or at == len(data) - 1
    assert (digest(changed, *pieces) != digest(data, *pieces)) == seen
    assert digest(changed, (0, len(data))) != digest(data, (0, len(data)))


def test_the_size_counts_without_any_piece() -> None:
    assert digest(b"abc") != digest(b"abcd")
    assert digest(b"abc") == digest(b"xyz")
    assert len(digest(b"")) == 40


def test_an_object_is_read_in_the_pieces_alone() -> None:
    bucket = MemoryBucket({"a": bytes(range(100)) * 100})
    with bucket.open("a") as file:
        found = sampled_digest(file, lambda size: [(0, 3), (size - 5, 5)])
    assert bucket.reads == [(0, 3), (9995, 10000)]
    assert found == digest(bytes(range(100)) * 100, (0, 3), (9995, 5))
