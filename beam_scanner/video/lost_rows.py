"""Which rows of a video are lost, from the signs of damage in its packets.

A sign is anything that says that a packet was not decoded as it was coded: an
exception, a frame marked as corrupt, an encrypted packet. A packet that a transport
stream marks is a reason to look closer, not a sign. A sign taints its own row and, in
presentation order, every later one up to the next packet at which decoding may start.
What comes before the first such packet of a cut recording shows nothing, and is not a
row.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from beam_scanner.video.decoder_traits import PAINTS_ON_GREY
from beam_scanner.video.index import NO_PTS, Int64Array

BoolArray = NDArray[np.bool_]

_END = 1 << 62
_MOST_REASONS = 8
_NO_ROWS: Int64Array = np.zeros(0, dtype=np.int64)


@dataclass
class Packets:
    """All packets of a stream, in decoding order.

    Attributes:
        codec: FFmpeg's name of the codec.
        pts: int64[n], :data:`NO_PTS` where there is none.
        dts: int64[n], likewise.
        pos: int64[n], -1 where unknown.
        size: int64[n], in bytes.
        pictures: int64[n], how many pictures each holds; see
            :class:`beam_scanner.video.bitstream.codec.Bitstream`.
        shown: bool[n], False for what no player shows.
        clean: bool[n], whether decoding may start there.
        marked: bool[n], what the container calls damaged or incomplete.
        signs: Why a packet cannot be decoded, where the container says so.
        last_duration: Of the last packet that has one.
        open_gop: See ``FrameIndex``.
        begins_open: Whether the first clean packet is such a keyframe.
        setups: What later packets give decoders besides pictures; by packet.
        swaps_times: Whether frames may have each other's times, as in AVI, which has
            no times but the order of packets.
        cut: How the file is cut short; '' if it is not.
    """

    codec: str
    pts: Int64Array
    dts: Int64Array
    pos: Int64Array
    size: Int64Array
    pictures: Int64Array
    shown: BoolArray
    clean: BoolArray
    marked: BoolArray
    signs: dict[int, str]
    last_duration: int
    open_gop: bool
    begins_open: bool
    setups: list[tuple[int, str, bytes]] = field(default_factory=list)
    swaps_times: bool = False
    cut: str = ""


@dataclass
class Pictures:
    """What decoding gave, frame by frame in the order of presentation.

    Attributes:
        pts: Time of each frame; None where the file gives none.
        packets: Number of the packet that each came from.
        given: Number of the packet that was decoded when each came out.
        signs: Why a packet could not be decoded.
        sums: Checksum of each frame's pixels, where they were asked for.
        probed: Packets whose first frame is to be summed up.
        probes: Checksums of these, by packet.
        width: Of the first frame, before rotation.
        height: Of the first frame, before rotation.
        rotation: See ``FrameIndex``.
        mirrored: See ``FrameIndex``.
        pix_fmt: FFmpeg's name of the first frame's pixel format.
        interpolated: See ``FrameIndex``.
        primaries: See ``FrameIndex``. Of the first frame.
        transfer: Likewise.
        read: How many packets were read.
    """

    pts: list[int | None] = field(default_factory=list)
    packets: list[int] = field(default_factory=list)
    given: list[int] = field(default_factory=list)
    signs: dict[int, str] = field(default_factory=dict)
    sums: list[int] | None = None
    probed: set[int] = field(default_factory=set)
    probes: dict[int, int] = field(default_factory=dict)
    width: int = 0
    height: int = 0
    rotation: int = 0
    mirrored: bool = False
    pix_fmt: str = ""
    interpolated: bool = False
    primaries: int = 2
    transfer: int = 2
    read: int = 0


@dataclass
class Rows:
    """The rows of a video.

    Attributes:
        pts: int64[n], their times; :data:`NO_PTS` where the file gives none.
        lost: See ``FrameIndex``.
        timed: Whether each frame comes with the time of its row.
        starts: int64[k], packets at which decoding may start, ascending; empty where
            no seek can be trusted.
        damage: Why rows are lost: the first reasons, each once.
        start_rows: int64[k], the row that each start begins with; None where their
            times tell.
    """

    pts: Int64Array
    lost: Int64Array
    timed: bool
    starts: Int64Array
    damage: tuple[str, ...]
    start_rows: Int64Array | None = None


def possible_starts(packets: Packets) -> BoolArray:
    """bool[n]: packets before which, in presentation order, is all that came before."""
    known = packets.pts != NO_PTS
    seen = np.where(packets.shown, packets.pts, NO_PTS)
    before = np.maximum.accumulate(np.concatenate(([NO_PTS], seen[:-1])))
    times, counts = np.unique(packets.pts, return_counts=True)
    unique = counts[np.searchsorted(times, packets.pts)] == 1
    found: BoolArray = packets.clean & known & unique & (before < packets.pts)
    return found


def rows_of_packets(packets: Packets) -> Rows:
    """The rows of a video whose every shown packet is one frame at its own time."""
    starts = np.flatnonzero(possible_starts(packets))
    pts = np.sort(packets.pts[packets.shown])
    return Rows(pts, _NO_ROWS, True, starts, ())


def rows_of_pictures(packets: Packets, pictures: Pictures) -> Rows:
    """The rows of a video that was decoded from its first packet to its last."""
    signs = {**pictures.signs, **packets.signs}
    # Without any keyframe, decoding from the start is all there is: such videos refresh
    # their pictures piece by piece.
    cut_off = packets.clean.any() and not packets.clean[0]
    if cut_off and packets.codec in PAINTS_ON_GREY:
        signs.setdefault(0, "the video begins without a keyframe")
    given = np.bincount(pictures.packets, minlength=len(packets.pts))
    times = np.array([NO_PTS if t is None else t for t in pictures.pts], np.int64)
    clock = NO_PTS not in times
    ascending = clock and bool((np.diff(times) > 0).all())
    if clock and not ascending and not packets.swaps_times:
        return _rows_by_place(packets, pictures, signs, times)
    starts = possible_starts(packets) & ((given > 0) | ~packets.shown)
    starts[list(signs)] = False
    if not ascending or (packets.pts[given > 0] == NO_PTS).any():
        starts[:] = False
    if signs and starts.any():
        return _Stretches(packets, signs, given, starts).rows(times)
    # Without starts, all that comes out after the first sign is lost.
    hurt = np.array(pictures.given, dtype=np.int64) >= min(signs, default=_END)
    lost = np.array([int(hurt.argmax()), len(times)] if hurt.any() else _NO_ROWS)
    shown = np.sort(times) if clock else times
    return Rows(shown, lost, ascending, np.flatnonzero(starts), _reasons(signs))


def _rows_by_place(
    packets: Packets, pictures: Pictures, signs: dict[int, str], times: Int64Array
) -> Rows:
    """The rows of a video whose clock goes back, or stands still.

    Decoding may start at a clean packet whose frame comes after the frames of all
    packets before. Frames that come between these and it belong to the start before.
    """
    count, owners = len(packets.pts), np.array(pictures.packets, dtype=np.int64)
    rows = np.arange(len(owners))
    first = np.full(count, -1)
    first[owners[::-1]] = rows[::-1]
    last = np.full(count, -1)
    last[owners] = rows
    before = np.maximum.accumulate(np.concatenate(([-1], last[:-1])))
    possible = packets.clean & (first > before)
    possible[list(signs)] = False
    starts = np.flatnonzero(possible)
    edges, came = [], np.array(pictures.given, dtype=np.int64)
    for sign in sorted(signs):
        hurt = (owners >= sign) | (came >= sign)
        if hurt.any():
            following = starts[starts > sign]
            end = int(first[following[0]]) if len(following) else len(times)
            edges.append([int(hurt.argmax()), end])
    if len(starts) == 0 or first[starts[0]] != 0:
        starts = np.append(0, starts)
    first[0] = 0
    return Rows(
        pts=times,
        lost=_joined(edges),
        timed=True,
        starts=starts,
        damage=_reasons(signs),
        start_rows=first[starts],
    )


def counted_rows(packets: Packets, pictures: Pictures) -> Rows | None:
    """The rows of a damaged video without times, by the numbers of its packets.

    Between two packets at which decoding may start lies a *stretch*. If each packet
    of all undamaged stretches gives one frame, and those of a stretch come before
    those of the next, a stretch has as many rows as packets. Of a damaged stretch the
    rows are lost that come after its first sign, or first packet without a frame, was
    decoded. Packets that are gone altogether leave no rows, as elsewhere.

    Returns:
        The rows, with a start after each damaged stretch; None where packets and rows
        do not match.
    """
    signs = {**pictures.signs, **packets.signs}
    if not signs or not packets.clean.any() or not _told_by_place(packets):
        return None
    if packets.begins_open:
        return None  # Decoders cannot be strict then, and do not tell of all damage.
    given = np.bincount(pictures.packets, minlength=len(packets.pts))
    owner = np.cumsum(packets.clean) - 1
    owners = owner[pictures.packets]
    # A decoder that is one packet late reports an error for the next packet.
    late = [n - 1 for n in signs if n and not given[n - 1]]
    first_signs: dict[int, int] = {}
    for number in sorted({*signs, *late}, reverse=True):
        first_signs[int(owner[number])] = number
    whole = (owner >= 0) & ~np.isin(owner, list(first_signs))
    ordered = bool((np.diff(owners, prepend=0) >= 0).all())
    if not ordered or not whole.any() or not (given[whole] == 1).all():
        return None
    begins = np.append(np.flatnonzero(packets.clean), len(owner))
    starts, edges, came = [begins[0]], [], np.array(pictures.given)
    # What comes before the first start is not a row.
    for stretch, sign in sorted(first_signs.items()):
        if stretch >= 0:
            before = given[begins[stretch] : sign]
            if (before > 1).any():
                return None
            # A frame that the decoder held may be lost with what is damaged; between
            # which others it would have come, nobody says.
            silent = np.flatnonzero(before == 0)
            first = begins[stretch] + silent[0] if len(silent) else sign
            good = int(((owners == stretch) & (came < first)).sum())
            edges.append([begins[stretch] + good, begins[stretch + 1]])
            starts.append(begins[stretch + 1])
    found = np.array(starts, dtype=np.int64)
    found = found[found < len(owner)]
    rows = int(len(owner) - begins[0])
    return Rows(
        pts=np.full(rows, NO_PTS),
        lost=_joined(edges) - begins[0],
        timed=False,
        starts=found,
        damage=_reasons(signs),
        start_rows=found - begins[0],
    )


def _told_by_place(packets: Packets) -> bool:
    """Whether packets have no times, and each has a place of its own in the file."""
    alike = len(packets.pos) - len(np.unique(packets.pos))
    places = alike == 0 and bool((packets.pos >= 0).all())
    return places and bool((packets.pts == NO_PTS).all())


class _Stretches:
    """Finds, between each two starts, the time from which on rows are lost."""

    def __init__(
        self,
        packets: Packets,
        signs: dict[int, str],
        given: NDArray[np.intp],
        starts: BoolArray,
    ) -> None:
        self.packets, self.signs, self.starts = packets, signs, np.flatnonzero(starts)
        # Number of the start that a packet follows; -1 before the first.
        self.owner = np.cumsum(starts) - 1
        self.leading = np.zeros(len(starts), dtype=bool)
        if len(self.starts):
            after = packets.pts[self.starts[np.maximum(self.owner, 0)]]
            known = packets.pts != NO_PTS
            self.leading = (self.owner >= 0) & known & (packets.pts < after)
        self.missing = packets.shown & (given == 0)
        self.one_each = self._is_one_each(given)

    def _is_one_each(self, given: NDArray[np.intp]) -> bool:
        """Whether, where nothing is damaged, each shown packet gives one frame."""
        hurt = {int(self.owner[n]) for n in self.signs}
        whole = (self.owner >= 0) & ~self.leading & ~np.isin(self.owner, list(hurt))
        whole &= self.packets.shown
        return bool((given[whole] == 1).all())

    def rows(self, times: Int64Array) -> Rows:
        """All rows, with those that are lost between others that are not."""
        head, spans = self._spans()
        pts = self.packets.pts
        lost = np.zeros(len(pts), dtype=bool)
        for begin, end in spans:
            lost |= (pts >= begin) & (pts < end)
        # A packet that gave no frame is a row all the same, if one packet is one row.
        extra = pts[lost & self.packets.shown & (pts >= head) & self.one_each]
        rows = np.union1d(times[times >= head], extra)
        edges = np.searchsorted(rows, np.array(spans, dtype=np.int64).reshape(-1, 2))
        lost = _joined(edges.tolist())
        return Rows(rows, lost, True, self.starts, _reasons(self.signs))

    def _spans(self) -> tuple[int, list[tuple[int, int]]]:
        """(time before which there are no rows, times [from, to) of lost rows)."""
        head, spans = int(NO_PTS), []
        signs = self._all_signs()
        owners, firsts = np.unique(self.owner[signs], return_index=True)
        for owner, group in zip(
            owners.tolist(), np.split(signs, firsts[1:]), strict=True
        ):
            if owner < 0:
                head = self._time(0)
                continue
            early, late = group[self.leading[group]], group[~self.leading[group]]
            if len(early):
                spans.append((self._earliest(owner, early[0], True), self._time(owner)))
                if owner == 0:
                    head = self._time(0)
            if len(late):
                begin = self._earliest(owner, late[0], False)
                spans.append((begin, self._time(owner + 1)))
                # Pictures shown before the next start refer to those of this one.
                spoilt = self._earliest(owner + 1, 0, True)
                spans.append((spoilt, self._time(owner + 1)))
        return head, spans

    def _all_signs(self) -> Int64Array:
        """Signs, and the packets before those that a late decoder blames instead."""
        late = [n - 1 for n in self.signs if n and self.missing[n - 1]]
        return np.array(sorted({*self.signs, *late}), dtype=np.int64)

    def _time(self, owner: int) -> int:
        """When the first row of a start is shown; the end of time after the last."""
        if owner >= len(self.starts):
            return _END
        return int(self.packets.pts[self.starts[owner]])

    def _earliest(self, owner: int, packet: int, leading: bool) -> int:
        """The earliest time of a start's packets that a sign at ``packet`` taints."""
        begin, end = np.searchsorted(self.owner, (owner, owner + 1)).tolist()
        mine = np.arange(begin, end)
        mine = mine[self.leading[mine] == leading]
        mine = mine[self.packets.pts[mine] != NO_PTS]
        tainted = mine[(mine >= packet) | self.missing[mine]]
        return int(self.packets.pts[tainted].min(initial=_END))


def _joined(edges: list[list[int]]) -> Int64Array:
    """Overlapping intervals as one flat ascending array."""
    joined: list[int] = []
    for begin, end in sorted(edges):
        if begin >= end:
            continue
        if joined and begin <= joined[-1]:
            joined[-1] = max(joined[-1], end)
        else:
            joined += [begin, end]
    return np.array(joined, dtype=np.int64)


def _reasons(signs: dict[int, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(signs[n] for n in sorted(signs)))[:_MOST_REASONS]
