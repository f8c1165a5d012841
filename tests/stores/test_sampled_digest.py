"""Digests of pieces: of what is in them, where they are, and how long the file is."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.stores.sampled_digest import file_size, reader_of, sampled_digest


def digest(data: bytes, *pieces: tuple[int, int]) -> str:
    file = io.BytesIO(data)
    size = file_size(file)
    return sampled_digest(size, lambda _: pieces, reader_of(file))


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


def test_an_open_file_is_read_anywhere() -> None:
    file = io.BytesIO(b"0123456789")
    read = reader_of(file)
    assert file_size(file) == 10
    assert [read(7, 9), read(0, 2), read(8, 50)] == [b"78", b"01", b"89"]
