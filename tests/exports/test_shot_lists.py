"""Lists of shots as other programs read them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import av
import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.exports.shot_lists import SHOT_LISTS, write_shot_list
from beam_scanner.exports.shot_ranges import ShotRange, Shots
from beam_scanner.exports.source_clock import SourceClock
from beam_scanner.storage import NamedStorage, NamedVideoStream
from tests.support.video_fixtures import make_video


def shots_of(folder: Path, rate: Fraction, bounds: Sequence[int]) -> Shots:
    path = make_video(folder / "film é.mp4", 4)
    video = NamedVideoStream(NamedStorage(str(folder / "db")), "film é.mp4", path=path)
    video.ingest()
    ranges = [
        ShotRange(a, b, float(a / rate), float(b / rate))
        for a, b in itertools.pairwise(bounds)
    ]
    return Shots(video, ranges, rate)


@pytest.mark.parametrize("kind", ["edl", "otio", "fcp-xml"])
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001)], ids=str)
def test_editors(kind: str, rate: Fraction, tmp_path: Path) -> None:
    otio = pytest.importorskip("opentimelineio")
    bounds = [0, 30, 31, 5000, 100_000]
    path = str(tmp_path / f"a{SHOT_LISTS[kind]}")
    write_shot_list(shots_of(tmp_path, rate, bounds), kind, path)
    given = {"rate": float(rate)} if kind == "edl" else {}
    timeline = otio.adapters.read_from_file(path, **given)
    clips = list(timeline.find_clips())
    found = [clip.source_range for clip in clips]
    starts = [each.start_time.to_frames() for each in found]
    assert starts == bounds[:-1]
    assert [each.end_time_exclusive().to_frames() for each in found] == bounds[1:]
    media = {clip.media_reference.target_url for clip in clips}
    assert media == {(tmp_path / "film é.mp4").as_uri()}


def test_no_shots(tmp_path: Path) -> None:
    pytest.importorskip("opentimelineio")
    for kind, extension in SHOT_LISTS.items():
        path = tmp_path / f"{kind}{extension}"
        write_shot_list(shots_of(tmp_path, Fraction(25), []), kind, str(path))
        assert path.exists()


def test_the_timecode_of_a_file(tmp_path: Path) -> None:
    otio = pytest.importorskip("opentimelineio")
    shots = replace(
        shots_of(tmp_path, Fraction(25), [0, 30, 50]),
        clock=SourceClock("10:00:00:05"),
    )
    first = 36_000 * 25 + 5
    for kind in ("otio", "fcp-xml"):
        path = str(tmp_path / f"a{SHOT_LISTS[kind]}")
        write_shot_list(shots, kind, path)
        clips = list(otio.adapters.read_from_file(path).find_clips())
        starts = [clip.source_range.start_time.to_frames() for clip in clips]
        assert starts == [first, first + 30]
        media = clips[0].media_reference.available_range
        assert media.start_time.to_frames() == first
        assert media.duration.to_frames() == 50


def test_names_that_xml_cannot_hold(tmp_path: Path) -> None:
    pytest.importorskip("opentimelineio")
    made = shots_of(tmp_path, Fraction(25), [0, 30])
    name = "a\x01\n<b>\u202e"
    video = NamedVideoStream(
        made.video.storage(), name, path=str(tmp_path / "film é.mp4")
    )
    video.ingest()
    path = tmp_path / "a.xml"
    write_shot_list(replace(made, video=video), "fcp-xml", str(path))
    sequence = ElementTree.parse(path).getroot().find(".//sequence/name")
    assert sequence is not None
    assert sequence.text == "a\\x01\\n<b>\\u202e"
    file = ElementTree.parse(path).getroot().find(".//file/name")
    assert file is not None
    assert file.text == "film é.mp4"


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(60000, 1001)])
@pytest.mark.parametrize("offset", [0.0, 0.5, 1 / 3])
def test_a_chapter_begins_within_its_frame(
    rate: Fraction, offset: float, tmp_path: Path
) -> None:
    path = tmp_path / "chapters.txt"
    bounds = [0, *range(1, 200, 7), 100_000]
    shots = replace(shots_of(tmp_path, rate, bounds), offset=offset)
    write_shot_list(shots, "chapters", str(path))
    with av.open(str(path), format="ffmetadata") as found:
        starts = [c["start"] * c["time_base"] for c in found.chapters()]
    for start, row in zip(starts, bounds[:-1], strict=True):
        frame = (start - Fraction(offset)) * rate
        assert -1e-3 < frame - row < 0.1


def test_chapters(tmp_path: Path) -> None:
    path = tmp_path / "chapters.txt"
    write_shot_list(
        shots_of(tmp_path, Fraction(25), [0, 30, 50]), "chapters", str(path)
    )
    with av.open(str(path), format="ffmetadata") as found:
        chapters = found.chapters()
    assert [
        (c["start"] * c["time_base"], c["end"] * c["time_base"]) for c in chapters
    ] == [
        (0, Fraction(6, 5)),
        (Fraction(6, 5), 2),
    ]
    assert [c["metadata"]["title"] for c in chapters] == ["Shot 1", "Shot 2"]


def test_scenes(tmp_path: Path) -> None:
    path = tmp_path / "scenes.csv"
    shots = shots_of(tmp_path, Fraction(25), [0, 30, 25 * 3600 + 1])
    write_shot_list(shots, "scenes", str(path))
    assert path.read_text().splitlines()[1:] == [
        "1,1,00:00:00.000,0.000,30,00:00:01.200,1.200,30,00:00:01.200,1.200",
        "2,31,00:00:01.200,1.200,90001,01:00:00.040,3600.040,89971,00:59:58.840,3598.840",
    ]


def test_rates_without_timecodes(tmp_path: Path) -> None:
    pytest.importorskip("opentimelineio")
    shots = shots_of(tmp_path, Fraction(37, 3), [0, 30])
    with pytest.raises(ArgumentError, match=r"12\.3333 frames a second"):
        write_shot_list(shots, "edl", str(tmp_path / "a.edl"))
    assert not (tmp_path / "a.edl").exists()
