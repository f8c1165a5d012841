"""Timecodes are those of a clock that skips numbers one by one."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.exports.timecodes import RATES, Timecodes, timecodes


def counted(rate: Fraction, drop: bool, end: int) -> Iterator[str]:
    """The timecodes of so many minutes, by the words of the rule."""
    count, mark = round(rate), ";" if drop else ":"
    for minutes in range(end):
        for second in range(60):
            for number in range(count):
                skipped = drop and second == 0 and minutes % 10 != 0
                if skipped and number < {30: 2, 60: 4}[count]:
                    continue
                hour, minute = divmod(minutes, 60)
                yield f"{hour:02}:{minute:02}:{second:02}{mark}{number:02}"


@pytest.mark.parametrize("rate", sorted(RATES), ids=str)
def test_every_frame_of_a_stretch(rate: Fraction) -> None:
    codes = timecodes(rate, None)
    assert codes is not None
    assert codes.drop == (rate in (Fraction(30000, 1001), Fraction(60000, 1001)))
    for frame, text in enumerate(counted(rate, codes.drop, 21)):
        assert codes.text(frame) == text
        if frame % 97 == 0 or text.endswith(("00", "02", "04")):
            assert timecodes(rate, text) == Timecodes(rate, codes.drop, frame)


@pytest.mark.parametrize("count", [30, 60])
def test_a_day_of_drop_frames(count: int) -> None:
    codes = Timecodes(Fraction(1000 * count, 1001), True)
    ten_minutes = 600 * count - 9 * count // 15
    last = 24 * 6 * ten_minutes - 1
    assert codes.text(last) == f"23:59:59;{count - 1}"
    with pytest.raises(ArgumentError, match="24 hours"):
        codes.text(last + 1)
    for number in range(24 * 6):
        hour, ten = divmod(number, 6)
        assert codes.text(number * ten_minutes) == f"{hour:02}:{ten}0:00;00"


def test_timecodes_of_files() -> None:
    ntsc = Fraction(30000, 1001)
    assert timecodes(ntsc, "01:00:00:00") == Timecodes(ntsc, False, 108_000)
    assert timecodes(ntsc, "01:00:00;00") == Timecodes(ntsc, True, 107_892)
    for wrong in ("", "x", "01:00:00:30", "25:00:00:00"):
        assert timecodes(ntsc, wrong) == Timecodes(ntsc, True, 0)
    assert timecodes(Fraction(37, 3), "01:00:00:00") is None
