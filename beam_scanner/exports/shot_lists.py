"""Shots as a table of scenes, as an edit list for editors, and as chapters."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from beam_scanner.errors import MissingDependencyError
from beam_scanner.exports.edit_decisions import edit_decision_list
from beam_scanner.exports.shot_ranges import Shots
from beam_scanner.exports.timecodes import timecodes
from beam_scanner.exports.whole_files import whole_file
from beam_scanner.text.pip_install import pip_install
from beam_scanner.text.printable import printable


def write_shot_list(shots: Shots, kind: str, path: str) -> None:
    """Writes the shots of a video to one file.

    Args:
        shots: The shots.
        kind: One of :data:`SHOT_LISTS`.
        path: The file.

    Raises:
        ArgumentError: An edit decision list has no timecodes for the video's rate.
        MissingDependencyError: The package for ``otio`` or ``fcp-xml`` is missing.
        StorageError: The file cannot be written.
    """
    text = _TEXTS[kind](shots)
    with whole_file(path) as part:
        Path(part).write_text(text, encoding="utf-8", newline="")


def _scenes(shots: Shots) -> str:
    """The columns of PySceneDetect's ``list-scenes``: frames and scenes count from 1."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    frames = ("Frame", "Timecode", "Time (seconds)")
    sides = [f"{side} {each}" for side in ("Start", "End") for each in frames]
    lengths = [f"Length ({unit})" for unit in ("frames", "timecode", "seconds")]
    rows.writerow(["Scene Number", *sides, *lengths])
    for number, shot in enumerate(shots.ranges, 1):
        start, end = shot.start_seconds, shot.end_seconds
        rows.writerow(
            [
                *(number, shot.first + 1, _clock(start), f"{start:.3f}"),
                *(shot.end, _clock(end), f"{end:.3f}"),
                *(shot.end - shot.first, _clock(end - start), f"{end - start:.3f}"),
            ]
        )
    return text.getvalue()


def _clock(seconds: float) -> str:
    """HH:MM:SS.mmm.

    Examples:
        >>> _clock(3723.0456)
        '01:02:03.046'
    """
    whole = round(seconds * 1000)
    minutes, milliseconds = divmod(whole, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds / 1000:06.3f}"


def _chapters(shots: Shots) -> str:
    """FFmpeg's metadata file.

    ``ffmpeg -i film.mp4 -i film.txt -map_metadata 1 -codec copy out.mp4`` reads it:
    https://ffmpeg.org/ffmpeg-formats.html#Metadata-2
    """

    def milliseconds(seconds: float) -> int:
        # A time before that of the frame would show the one before, so it is rounded up.
        return math.ceil(round((seconds + shots.offset) * 1000, 2))

    lines = [";FFMETADATA1"]
    for number, shot in enumerate(shots.ranges, 1):
        lines += ["[CHAPTER]", "TIMEBASE=1/1000"]
        lines += [f"START={milliseconds(shot.start_seconds)}"]
        lines += [f"END={milliseconds(shot.end_seconds)}", f"title=Shot {number}"]
    return "\n".join([*lines, ""])


def _timeline(shots: Shots, adapter: str) -> str:
    otio = _opentimelineio()
    rate = float(shots.rate)
    times = otio.opentime

    codes = timecodes(shots.rate, shots.clock.timecode)
    # Editors count the frames of a file from its timecode on.
    start = 0 if codes is None else codes.start

    def span(first: int, end: int) -> Any:
        return times.TimeRange(
            times.RationalTime(start + first, rate),
            times.RationalTime(end - first, rate),
        )

    # XML has no control characters.
    timeline = otio.schema.Timeline(printable(shots.video.name()))
    track = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
    timeline.tracks.append(track)
    spans = [shots.frames(shot) for shot in shots.ranges]
    end = max((after for _, after in spans), default=0)
    for number, (first, after) in enumerate(spans, 1):
        media = otio.schema.ExternalReference(shots.url, span(0, end))
        media.name = printable(shots.file_name)
        track.append(otio.schema.Clip(f"Shot {number}", media, span(first, after)))
    text: str = otio.adapters.write_to_string(timeline, adapter)
    return text


def _opentimelineio() -> Any:
    try:
        import opentimelineio
    except ImportError as error:
        raise MissingDependencyError(
            f"edit lists need OpenTimelineIO: {pip_install('timelines')}"
        ) from error
    return opentimelineio


_TEXTS: dict[str, Callable[[Shots], str]] = {
    "scenes": _scenes,
    "chapters": _chapters,
    "edl": edit_decision_list,
    "otio": lambda shots: _timeline(shots, "otio_json"),
    "fcp-xml": lambda shots: _timeline(shots, "fcp_xml"),
}

SHOT_LISTS = {
    "scenes": ".csv",
    "chapters": ".txt",
    "edl": ".edl",
    "otio": ".otio",
    "fcp-xml": ".xml",
}
"""Kinds of lists, and the extensions of their files."""
