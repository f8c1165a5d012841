"""Files that are cut short, by what their containers say of their length."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.video.truncation import cut_short
from tests.support.corpus import KINDS


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([b"", b"\0\0\0\x14ftyp", b"RIFF", b"\x1a\x45\xdf\xa3\x80"]),
    st.binary(max_size=80),
)
def test_any_file(head, tail):
    reason = cut_short(io.BytesIO(head + tail))
    assert reason is None or "should end at byte" in reason


@pytest.mark.parametrize(
    "kind",
    [kind for kind in KINDS if kind.extension in ("mp4", "mkv", "mov", "webm", "avi")],
    ids=lambda kind: kind.name,
)
def test_whole_files_are_not_cut_short(kind, tmp_path):
    path = kind.make(tmp_path)
    with open(path, "rb") as file:
        assert cut_short(file) is None
    data = Path(path).read_bytes()
    assert cut_short(io.BytesIO(data[:-1])) is not None
