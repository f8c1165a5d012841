"""SMPTE timecodes: frames counted as hours, minutes, seconds and frames.

At 29.97 and 59.94 frames a second, a clock that counts 30 or 60 runs slow. Drop-frame
timecodes skip the first 2 or 4 numbers of each minute that is not a multiple of ten,
and so stay with the time of day.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from beam_scanner.errors import ArgumentError

_NTSC = tuple(Fraction(1000 * count, 1001) for count in (24, 30, 48, 60))
RATES = frozenset((*map(Fraction, (24, 25, 30, 48, 50, 60)), *_NTSC))
"""Frames a second for which there are timecodes."""

_DROPPING = frozenset((Fraction(30000, 1001), Fraction(60000, 1001)))
_FORM = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.,])(\d\d)")


@dataclass(frozen=True)
class Timecodes:
    """How the frames of a video are numbered.

    Attributes:
        rate: One of :data:`RATES`.
        drop: Whether numbers are skipped.
        start: The number of the first frame, from midnight on.
    """

    rate: Fraction
    drop: bool
    start: int = 0

    def text(self, frame: int) -> str:
        """The timecode of a frame.

        Args:
            frame: Counted from 0 at midnight.

        Raises:
            ArgumentError: It lies after 24 hours.

        Examples:
            >>> ntsc = Timecodes(Fraction(30000, 1001), drop=True)
            >>> ntsc.text(1799), ntsc.text(1800), ntsc.text(17982)
            ('00:00:59;29', '00:01:00;02', '00:10:00;00')
        """
        count, skipped, ten = self._counts()
        tens, rest = divmod(frame, ten)
        # The first minute of ten skips nothing.
        later = max(rest - 60 * count, 0) // (60 * count - skipped)
        if rest >= 60 * count:
            later += 1
        seconds, number = divmod(frame + skipped * (9 * tens + later), count)
        minutes, second = divmod(seconds, 60)
        hours, minute = divmod(minutes, 60)
        if hours > 23:
            raise ArgumentError(
                f"frame {frame} of a video of {float(self.rate):g} frames a second is "
                "after 24 hours, where timecodes end"
            )
        mark = ";" if self.drop else ":"
        return f"{hours:02}:{minute:02}:{second:02}{mark}{number:02}"

    def _counts(self) -> tuple[int, int, int]:
        """Numbers a second, numbers skipped in a minute, frames in ten minutes."""
        count = round(self.rate)
        skipped = count // 15 if self.drop else 0
        return count, skipped, 600 * count - 9 * skipped


def timecodes(rate: Fraction, first: str | None) -> Timecodes | None:
    """The timecodes of a video; None for a rate without timecodes.

    Args:
        rate: Frames a second.
        first: Timecode of the first frame as the file has it; None for midnight, and
            drop-frame where that exists.

    Examples:
        >>> timecodes(Fraction(25), '10:00:00:05').start
        900005
        >>> timecodes(Fraction(30000, 1001), None)
        Timecodes(rate=Fraction(30000, 1001), drop=True, start=0)
    """
    if rate not in RATES:
        return None
    found = _FORM.fullmatch(first.strip()) if first else None
    if found is None:
        return Timecodes(rate, rate in _DROPPING)
    hour, minute, second, number = (int(found[group]) for group in (1, 2, 3, 5))
    count = round(rate)
    drop = rate in _DROPPING and found[4] != ":"
    minutes = hour * 60 + minute
    frame = (minutes * 60 + second) * count + number
    if drop:
        frame -= count // 15 * (minutes - minutes // 10)
    if number >= count or frame >= 24 * 3600 * count:
        return Timecodes(rate, rate in _DROPPING)
    return Timecodes(rate, drop, frame)
