"""Which attempts are made at a row of a damaged video, and when it is given up.

Which rows are errors does not depend on what was read before: a row is given if, and
only if, some attempt from a keyframe leads to it without a sign of damage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from beam_scanner.video.bitstream.registry import bitstream
from beam_scanner.video.decoder_traits import GIVES_WHAT_IT_HOLDS
from beam_scanner.video.index import FrameIndex


class UnexpectedFrameError(Exception):
    """What was decoded is not what the index says; the message says how.

    Attributes:
        lasting: Whether all later rows up to the next keyframe need what is damaged,
            but for those whose pictures were decoded before it.
        decoded: Times of pictures that were decoded before it, and not shown.
    """

    def __init__(self, message: str, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting
        self.decoded: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Attempt:
    """How a row is to be decoded.

    Attributes:
        keyframe: The number of the keyframe at which to start.
        leave_out: Whether to leave out pictures to which no other refers.
        ends: Whether to decode nothing that follows the row's own packet.
        passes_lost: Whether to decode on past damage, where the index knows which
            rows it spoils.
        messages: Whether the decoder is given messages that pictures do not need.
    """

    keyframe: int
    leave_out: bool = False
    ends: bool = False
    passes_lost: bool = False
    messages: bool = True


class DamagePolicy:
    """Chooses the attempts of one decoder, and remembers which failed.

    Args:
        index: The video's index.

    Attributes:
        may_end: Whether decoding may end at a row's own packet.
    """

    def __init__(self, index: FrameIndex) -> None:
        self._index = index
        ordered = index.timed and index.monotonic
        self.may_end = ordered and index.codec in GIVES_WHAT_IT_HOLDS
        self._has_messages = bitstream(index.codec).has_messages
        self._gives_messages = index.messages
        # By keyframe, the first row that damage spoils with all later ones.
        self._spoilt: dict[int, tuple[int, UnexpectedFrameError]] = {}
        # By keyframe, the first row that no attempt reaches that leaves nothing out.
        self._blocked: dict[int, int] = {}

    def refusal(self, row: int, keyframe: int) -> str | None:
        """Why a row is not tried; None if it is."""
        if len(self._index.lost) and self._index.is_lost(row):
            return "; ".join(self._index.damage)
        spoilt = self._spoilt.get(keyframe)
        if spoilt is None or row < spoilt[0]:
            return None
        decoded = int(self._index.pts[row]) in spoilt[1].decoded
        return None if decoded else str(spoilt[1])

    def attempts(self, row: int, keyframe: int, ends: bool) -> Iterator[Attempt]:
        """The attempts at a row, in turn, the cheapest first.

        Args:
            row: The row.
            keyframe: The number of the keyframe at or before it.
            ends: Whether nothing that follows the row is wanted.
        """
        blocked = row >= self._blocked.get(keyframe, len(self._index))
        for attempt in self._all_attempts(keyframe, ends):
            if attempt.leave_out or not blocked:
                given = self._gives_messages
                yield attempt if given else replace(attempt, messages=False)

    def _all_attempts(self, keyframe: int, ends: bool) -> Iterator[Attempt]:
        may_withhold = self._gives_messages and self._has_messages
        yield Attempt(keyframe, leave_out=True, ends=ends)
        # A decoder holds pictures back until others follow, which may be damaged.
        if self.may_end:
            yield Attempt(keyframe, leave_out=True, ends=not ends)
        # Some encoders call pictures unreferenced that are not.
        yield Attempt(keyframe)
        if may_withhold:
            yield Attempt(keyframe, messages=False)
        if not self._index.timed:
            return  # Damage on the way from further back would count as no frame.
        # Some files call packets keyframes that are none.
        if keyframe > 0:
            yield Attempt(keyframe - 1)
        yield Attempt(0)
        if may_withhold:
            yield Attempt(0, messages=False)
        if len(self._index.lost):
            yield Attempt(keyframe, leave_out=True, passes_lost=True)

    def succeeded(self, attempt: Attempt) -> None:
        """Learns from an attempt: where messages did harm, they are withheld."""
        self._gives_messages = attempt.messages

    def failed(self, row: int, keyframe: int, error: UnexpectedFrameError) -> None:
        """Learns that no attempt leads to a row."""
        self._blocked[keyframe] = min(row, self._blocked.get(keyframe, row))
        if error.lasting:
            self._spoilt[keyframe] = row, error
