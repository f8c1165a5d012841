"""Supplemental messages: which there are, and which decoders need."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.video.bitstream.sei import (
    RECOVERY_POINT,
    escaped,
    messages,
    unescaped,
    wanted_messages,
)

TIMING, USER_DATA, ORIENTATION = 1, 5, 47


def number(value: int) -> bytes:
    return b"\xff" * (value // 255) + bytes([value % 255])


def message(kind: int, content: bytes, size: int | None = None) -> bytes:
    return number(kind) + number(len(content) if size is None else size) + content


def unit(*coded: bytes) -> bytes:
    return b"\x06" + escaped(b"".join(coded) + b"\x80")


@given(st.binary(max_size=40).map(lambda data: data.replace(b"\0\0\3", b"\0\1")))
def test_escaping_is_undone_and_leaves_no_start_code(data: bytes) -> None:
    coded = escaped(data)
    assert unescaped(coded) == data
    assert not any(bytes([0, 0, last]) in coded for last in (0, 1, 2))


CODED = st.lists(
    st.tuples(st.integers(0, 127) | st.integers(250, 600), st.binary(max_size=300)),
    max_size=4,
)


@given(CODED)
def test_messages_are_read_as_written(written: list[tuple[int, bytes]]) -> None:
    nal = unit(*(message(kind, content) for kind, content in written))
    found = list(messages(nal, 1))
    # The end mark may stand for a kind; such a unit ends early.
    kinds = [kind for kind, _ in written]
    stop = kinds.index(128) if 128 in kinds else len(kinds)
    wanted = written[:stop]
    assert [(m.kind, m.content) for m in found[: len(wanted)]] == wanted


@pytest.mark.parametrize(
    ("kind", "content", "is_kept"),
    [
        (TIMING, b"ab", False),
        (RECOVERY_POINT, b"\x80", True),
        (RECOVERY_POINT, b"", False),
        (USER_DATA, bytes(17), True),
        (USER_DATA, bytes(16), False),
        (ORIENTATION, b"abc", True),
        (ORIENTATION, b"ab", False),
        (300, b"abc", False),
    ],
)
def test_only_what_decoders_need_is_kept(
    kind: int, content: bytes, is_kept: bool
) -> None:
    one = message(kind, content)
    assert wanted_messages(unit(one), 1) == (unit(one) if is_kept else b"")
    both = wanted_messages(unit(message(TIMING, b"x"), one), 1)
    assert both == (unit(one) if is_kept else b"")


def test_what_claims_more_than_there_is_ends_the_unit() -> None:
    good, bad = message(RECOVERY_POINT, b"\x80"), message(USER_DATA, bytes(17), 90)
    assert wanted_messages(unit(good, bad), 1) == unit(good)
    assert wanted_messages(unit(bad, good), 1) == b""
