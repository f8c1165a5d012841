"""Edit decision lists as editing programs read them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.exports.edit_decisions import edit_decision_list, reel_name
from beam_scanner.exports.source_clock import SourceClock
from tests.exports.test_shot_lists import shots_of


@pytest.mark.parametrize(
    ("rate", "first", "mode", "begin", "record"),
    [
        ("25", None, "NON-DROP FRAME", "00:00:01:05", "00:00:00:00"),
        ("24000/1001", None, "NON-DROP FRAME", "00:00:01:06", "00:00:00:00"),
        ("30000/1001", None, "DROP FRAME", "00:00:01;00", "00:00:00;00"),
        ("60000/1001", None, "DROP FRAME", "00:00:00;30", "00:00:00;00"),
        ("30000/1001", "00:00:59;20", "DROP FRAME", "00:01:00;22", "00:00:00;00"),
        ("30000/1001", "00:00:59:20", "NON-DROP FRAME", "00:01:00:20", "00:00:00:00"),
        ("25", "10:00:00:05", "NON-DROP FRAME", "10:00:01:10", "00:00:00:00"),
    ],
)
def test_timecodes(
    rate: str, first: str | None, mode: str, begin: str, record: str, tmp_path: Path
) -> None:
    shots = shots_of(tmp_path, Fraction(rate), [30, 40, 50])
    lines = edit_decision_list(replace(shots, clock=SourceClock(first))).splitlines()
    assert lines[:3] == ["TITLE: film é.mp4", f"FCM: {mode}", ""]
    event, later = lines[3].split(), lines[7].split()
    assert event[:5] == ["001", "FILME", "V", "C", begin]
    assert event[6] == record
    assert (event[5], event[7]) == (later[4], later[6])
    assert lines[4] == "* FROM CLIP NAME: film é.mp4"
    assert lines[5] == f"* FROM CLIP: {(tmp_path / 'film é.mp4').as_uri()}"


def test_shots_with_others_left_out_follow_each_other(tmp_path: Path) -> None:
    shots = shots_of(tmp_path, Fraction(25), [10, 20, 50, 75])
    chosen = replace(shots, ranges=[shots.ranges[0], shots.ranges[2]])
    events = [
        line.split()[4:]
        for line in edit_decision_list(chosen).splitlines()
        if line[:3].isdigit()
    ]
    assert events == [
        ["00:00:00:10", "00:00:00:20", "00:00:00:00", "00:00:00:10"],
        ["00:00:02:00", "00:00:03:00", "00:00:00:10", "00:00:01:10"],
    ]


def test_longer_than_a_day(tmp_path: Path) -> None:
    shots = shots_of(tmp_path, Fraction(25), [0, 24 * 3600 * 25 + 1])
    with pytest.raises(ArgumentError, match="24 hours"):
        edit_decision_list(shots)


@pytest.mark.parametrize("file", ["", ".mp4", "Ünï çødé.tar.mov", "a" * 300, "電影"])
def test_reels_have_few_plain_letters(file: str) -> None:
    assert reel_name(file).isascii()
    assert 0 < len(reel_name(file)) <= 8
