"""The sound of a source, taken over into a video that was made of its pictures.

Packets are copied, not coded again. An edit list hides what lies before the first
picture, so that sound and pictures begin together to the sample.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av

from beam_scanner.errors import VideoError
from beam_scanner.video.container import OpenMedia, OpenVideo
from beam_scanner.video.index_assembly import SIZE_TAG
from beam_scanner.video.source import VideoSource, source_name
from beam_scanner.video.timing import TICKS

# Decoders of lossy codecs need some packets before the first that is heard: 80 ms for
# Opus, the most of all.
_LEAD = Fraction(1, 10)


@dataclass(frozen=True)
class Sound:
    """A span of the sound of a file.

    Attributes:
        source: The file.
        start: Seconds by its clock.
        end: Seconds.
    """

    source: VideoSource
    start: float
    end: float


class _OpenSound(OpenMedia):
    """The best audio track of a file."""

    def __init__(self, source: VideoSource) -> None:
        super().__init__(source, "video")
        self.stream = self.container.streams.best("audio")
        if self.stream is None:
            self.close()
            raise VideoError(f"video {source_name(source)!r} has no sound")
        self._read_only(self.stream)

    def packets(self, sound: Sound) -> Iterator[Any]:
        """The packets of a span, with times from its start on."""
        tick = self.stream.time_base
        start, end = Fraction(sound.start), Fraction(sound.end)
        offset = round(start / tick)
        back = max(0, int((start - 1) / tick))
        if back:
            self.container.seek(back, stream=self.stream, backward=True)
        for packet in self.container.demux(self.stream):
            if not packet.size or packet.pts is None:
                continue
            begin = packet.pts * tick
            if begin >= end:
                break
            if begin + (packet.duration or 0) * tick > start - _LEAD:
                packet.pts -= offset
                packet.dts = packet.pts
                yield packet


def has_sound(source: VideoSource) -> bool:
    """Whether a file has an audio track."""
    with OpenMedia(source, "video") as media:
        return media.container.streams.best("audio") is not None


def add_sound(pictures: str, out_path: str, sound: Sound) -> None:
    """Writes an MP4 with the pictures of one file and the sound of another.

    Args:
        pictures: An MP4 whose pictures begin at 0, as ``concatenate`` writes it.
        out_path: Where to write.
        sound: What is heard; its start is the time of the first picture.

    Raises:
        VideoError: There is no sound in that time, or an MP4 cannot hold its codec.
    """
    with OpenVideo(pictures) as video, _OpenSound(sound.source) as audio:
        sounds = audio.packets(sound)
        first = next(sounds, None)
        if first is None:
            raise VideoError(
                f"video {source_name(sound.source)!r} has no sound from "
                f"{sound.start:.3f} to {sound.end:.3f} s"
            )
        container = _open_like(video.container, out_path)
        try:
            with container:
                shown = _copy_of(container, video.stream)
                heard = _copy_of(container, audio.stream)
                listed = heapq.merge(
                    ((packet, shown) for packet in _pictures(video)),
                    ((packet, heard) for packet in itertools.chain([first], sounds)),
                    key=lambda each: each[0].dts * each[0].time_base,
                )
                for packet, stream in listed:
                    # Another stream gives the packet its own time base.
                    base = packet.time_base
                    packet.stream, packet.time_base = stream, base
                    container.mux_one(packet)
        except (av.error.FFmpegError, ValueError) as error:
            codec = audio.stream.codec_context.name
            raise VideoError(
                f"the sound of {source_name(sound.source)!r} ({codec}) cannot be copied "
                f"into an MP4: {error}"
            ) from error


def _pictures(video: OpenVideo) -> Iterator[Any]:
    return (packet for packet in video.container.demux(video.stream) if packet.size)


def _open_like(source: Any, path: str) -> Any:
    tag = source.metadata.get(SIZE_TAG)
    flags = "+faststart" + ("+use_metadata_tags" if tag else "")
    options = {
        "fflags": "+bitexact",
        "movflags": flags,
        "movie_timescale": str(TICKS),
    }
    container = av.open(f"file:{path}", "w", format="mp4", container_options=options)
    if tag:
        container.metadata[SIZE_TAG] = tag
    return container


def _copy_of(container: Any, stream: Any) -> Any:
    made = container.add_stream_from_template(stream, opaque=True)
    made.time_base = stream.time_base
    if stream.codec_context.name == "hevc":
        made.codec_context.codec_tag = "hvc1"
    return made
