"""Captions by windows of time."""

from __future__ import annotations

import json
import os
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    RowError,
    StreamNotFoundError,
)
from beam_scanner.storage import CaptionStorage, CaptionStream


def _clock(milliseconds: int, point: str = ",") -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{rest:03}"


def _write(path, text: str | bytes) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


_LINE = st.text("abcdefg äöü<i>-", min_size=1, max_size=12).map(str.strip).filter(bool)
_CAPTION = st.tuples(
    st.integers(0, 20_000), st.integers(0, 5000), st.lists(_LINE, max_size=3)
)


@given(
    captions=st.lists(_CAPTION, max_size=12),
    window=st.sampled_from([0.1, 0.3, 1, 2.5, 1 / 3]),
    max_time=st.sampled_from([0.3, 3, 10, 21]),
    webvtt=st.booleans(),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_captions_are_in_the_window_they_begin_in(
    tmp_path_factory, captions, window, max_time, webvtt, newline
):
    point = "." if webvtt else ","
    blocks = [
        [
            str(number),
            f"{_clock(start, point)} --> {_clock(start + length, point)}",
            *lines,
        ]
        for number, (start, length, lines) in enumerate(captions, 1)
    ]
    text = (newline * 2).join(newline.join(block) for block in blocks)
    text = f"WEBVTT{newline * 2}{text}" if webvtt else text
    path = _write(tmp_path_factory.mktemp("captions") / "a", text)
    step = Fraction(window).limit_denominator(1000)
    count = int(Fraction(max_time).limit_denominator(1000) / step)
    stream = CaptionStream(path, window, max_time)
    assert stream.len() == count
    found = [json.loads(row) for row in stream.load()]
    for row in range(count):
        assert found[row] == [
            {
                "index": number,
                "start": start / 1000,
                "end": (start + length) / 1000,
                "line": " ".join(lines),
            }
            for number, (start, length, lines) in enumerate(captions, 1)
            if row * step <= Fraction(start, 1000) < (row + 1) * step
        ]


def test_an_element_is_json_in_utf8(tmp_path):
    path = _write(
        tmp_path / "a.srt",
        "7\n00:00:00,500 --> 00:00:02,000 X1:10 X2:20\n<i>Grüße</i>\nan --> alle\n",
    )
    (row,) = CaptionStream(path, 1.0, 1.0).load()
    assert row.decode() == (
        '[{"end":2.0,"index":7,"line":"<i>Grüße</i> an --> alle","start":0.5}]'
    )
    assert list(CaptionStream(path, 1, 3).load())[1:] == [b"[]", b"[]"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # A blank line inside, no blank line between, no number, no last newline.
        (
            "1\n00:00:01,000 --> 00:00:02,000\none\n\nmore\n\n"  # noqa: ISC004
            "2\n00:00:02,000 --> 00:00:03,000\ntwo\n"
            "3\n00:00:03,000 --> 00:00:04,000\nthree\n\n"
            "00:00:04,000 --> 00:00:05,000\nfour",
            [(1, 1, "one more"), (2, 2, "two"), (3, 3, "three"), (4, 4, "four")],
        ),
        ("\ufeff1\n00:00:01,5 --> 00:00:02,75\nx\n", [(1, 1.5, "x")]),
        ("1\n0:0:1.000-->0:0:2.000\nx\n", [(1, 1, "x")]),
        ("1\n00:00:01,000 --> 00:00:02,000\n\n2\n00:00:03,000 --> 00:00:04,000\n12",
         [(1, 1, ""), (2, 3, "12")]),
        (
            "WEBVTT - title\nKind: x\n\nNOTE\nnothing\n\nSTYLE\n::cue {}\n\n"  # noqa: ISC004
            "intro\n00:01.000 --> 00:02.000 align:start\n<v Ann>one\n\nNOTE x\n\n"
            "1:00:00.000 --> 1:00:01.000\ntwo\nlines\n",
            [(1, 1, "<v Ann>one"), (2, 3600, "two lines")],
        ),
        ("", []),
        ("WEBVTT\n", []),
    ],
    ids=["sloppy", "mark", "tight", "empty text", "webvtt", "empty", "no cues"],
)  # fmt: skip
def test_files_that_people_have(text, expected, tmp_path):
    path = _write(tmp_path / "a.srt", text)
    (row,) = CaptionStream(path, 4000, 4000).load(fn=json.loads)
    assert [(c["index"], c["start"], c["line"]) for c in row] == expected
    utf16 = _write(tmp_path / "b.srt", text.lstrip("\ufeff").encode("utf-16"))
    assert list(CaptionStream(utf16, 4000, 4000).load(fn=json.loads)) == [row]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1\n00:00:01,000 --> 00:00\nx\n", "line 2 of captions .* has no times"),
        (b"1\n00:00:01,000 --> 00:00:02,000\n\xe9\n", r"not in UTF-8 \(byte 32\)"),
        (b"once upon a time\n", "not a file of captions .* begins with 'once upon"),
        (bytes(range(1, 100)), "not a file of captions"),
    ],
)
def test_what_is_no_caption_file(content, message, tmp_path):
    stream = CaptionStream(_write(tmp_path / "a.srt", content), 1, 10)
    with pytest.raises(ElementTypeError, match=message):
        list(stream.load())


def test_a_stream_as_graphs_see_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = _write(tmp_path / "a.srt", "1\n00:00:01,000 --> 00:00:02,000\nx\n")
    stream = CaptionStream("a.srt", window_size=10.0, max_time=3600)
    assert stream.len() == 360
    assert stream.name() == path
    assert stream.readable()
    assert not stream.writable()
    assert isinstance(stream.storage(), CaptionStorage)
    copy = pickle.loads(pickle.dumps(stream))
    with copy.reader() as reader:
        assert len(reader) == 360
        assert json.loads(reader.read([0, 359])[0])[0]["line"] == "x"
        assert reader.seconds(np.array([359, 0])).tolist() == [3590.0, 0.0]
        with pytest.raises(RowError, match="row 360 is outside stream"):
            reader.read([360])
    first = stream.fingerprint()
    os.utime(path, (1, 1))
    assert stream.fingerprint() == first
    assert CaptionStream(path, 10, 3599).fingerprint() != first
    _write(tmp_path / "a.srt", "1\n00:00:01,000 --> 00:00:02,000\ny\n")
    assert stream.fingerprint() != first
    os.remove(path)
    assert not stream.committed()
    with pytest.raises(StreamNotFoundError, match="uncommitted stream"):
        next(stream.load())


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "1", None, True])
def test_times_that_are_none(value):
    with pytest.raises(ArgumentError, match="window_size of a CaptionStream must be"):
        CaptionStream("a", value, 1)
    with pytest.raises(ArgumentError, match="max_time of a CaptionStream must be"):
        CaptionStream("a", 1, value)
