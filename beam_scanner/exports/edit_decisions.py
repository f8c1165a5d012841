"""Edit decision lists in the form of CMX 3600.

Editing programs find the film by ``FROM CLIP NAME``, and the frames by the film's own
timecode. Without the line ``FCM``, they take timecodes for non-drop-frame ones.
"""

from __future__ import annotations

import os
import re
import unicodedata

from beam_scanner.errors import ArgumentError
from beam_scanner.exports.shot_ranges import Shots
from beam_scanner.exports.timecodes import timecodes
from beam_scanner.text.printable import printable

_REEL_LETTERS = 8


def edit_decision_list(shots: Shots) -> str:
    """The shots of a video, one after another.

    Args:
        shots: The shots.

    Raises:
        ArgumentError: There are no timecodes for the video's rate, or it is longer than
            a day.
    """
    codes = timecodes(shots.rate, shots.clock.timecode)
    name = shots.video.name()
    if codes is None:
        raise ArgumentError(
            f"video {name!r} has {float(shots.rate):g} frames a second, for which an "
            "EDL has no timecodes: export otio or fcp-xml"
        )
    file = shots.file_name
    lines = [f"TITLE: {printable(name)}"]
    lines += [f"FCM: {'DROP FRAME' if codes.drop else 'NON-DROP FRAME'}", ""]
    recorded = 0
    for number, shot in enumerate(shots.ranges, 1):
        first, end = shots.frames(shot)
        after = recorded + end - first
        times = (codes.start + first, codes.start + end, recorded, after)
        shown = " ".join(map(codes.text, times))
        lines.append(f"{number:03}  {reel_name(file):8} V     C        {shown}")
        lines.append(f"* FROM CLIP NAME: {printable(file)}")
        lines.append(f"* FROM CLIP: {shots.url}")
        lines.append(f"* COMMENT: SHOT {number}")
        recorded = after
    return "\n".join([*lines, ""])


def reel_name(file: str) -> str:
    """The name of a reel: 8 capital letters and digits of a file's name.

    Args:
        file: Name of the file.

    Examples:
        >>> reel_name('Caché (2005).mp4'), reel_name('電影.mov')
        ('CACHE200', 'AX')
    """
    plain = unicodedata.normalize("NFKD", os.path.splitext(file)[0])
    letters = re.sub(r"[^A-Za-z0-9]", "", plain).upper()
    return letters[:_REEL_LETTERS] or "AX"
