"""Reads a file in all ways, and compares with FFmpeg's decode from the start."""

from __future__ import annotations

import random
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from beam_scanner.errors import VideoError
from beam_scanner.video.chroma import EXACT
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.indexing import index_video
from beam_scanner.video.linear import READ_ERRORS
from tests.support.video_fixtures import frame_number


@dataclass
class Outcome:
    """What came of one seed; ``findings`` must be empty."""

    seed: int
    encoder: str
    muxer: str
    oddity: str
    skipped: str = ""
    refused: str = ""
    rows: int = 0
    disagrees: str = ""
    findings: list[str] = field(default_factory=list)


@dataclass
class Linear:
    """What decoding from the start gives."""

    sums: list[int] = field(default_factory=list)
    exact: list[int] = field(default_factory=list)
    numbers: list[int | None] = field(default_factory=list)
    times: list[Fraction | None] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def linear(path: Path, keep: bool = False) -> Linear:
    """Decodes from the start; ``keep`` gives each frame memory of its own."""
    found, kept = Linear(), []
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            stream: Any = container.streams.best("video")
            if stream is None or stream.codec_context is None:
                found.errors.append("no video")
                return found
            stream.codec_context.thread_count = 1
            for packet in _demuxed(container, stream):
                try:
                    frames = stream.codec_context.decode(packet)
                except READ_ERRORS as error:
                    found.errors.append(str(error))
                    continue
                for frame in frames:
                    kept += [frame] if keep else []
                    shown = np.rot90(
                        frame.to_ndarray(format="rgb24"), round(frame.rotation / 90)
                    )
                    found.sums.append(_sum(shown))
                    found.exact.append(_exact_sum(frame))
                    found.numbers.append(_number(shown))
                    time = None if frame.pts is None else frame.pts * stream.time_base
                    found.times.append(time)
    except READ_ERRORS as error:
        found.errors.append(str(error))
    return found


def _demuxed(container: Any, stream: Any) -> Iterator[Any]:
    for packet in container.demux(stream):
        if packet.size:
            yield packet
    yield None


def _sum(frame: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(frame).data)


def _exact_sum(frame: Any) -> int:
    """Of a frame whose colours lie between the usual places."""
    rgb = VideoReformatter().reformat(
        frame, format="rgb24", interpolation=EXACT, threads=1
    )
    return _sum(np.rot90(rgb.to_ndarray(), round(frame.rotation / 90)))


def _number(frame: np.ndarray) -> int | None:
    try:
        return frame_number(frame)
    except ValueError:
        return None


def other_build(path: Path, size: tuple[int, int]) -> tuple[list[int | None], str]:
    """What the ffmpeg of another build shows, and its messages."""
    import imageio_ffmpeg

    program = imageio_ffmpeg.get_ffmpeg_exe()
    command = [program, "-v", "error", "-nostdin", "-threads", "1", "-i", str(path)]
    command += ["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "rawvideo"]
    command += ["-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, timeout=60)
    width, height = size
    data = np.frombuffer(done.stdout, np.uint8)
    whole = len(data) // (width * height * 3)
    frames = data[: whole * width * height * 3].reshape(whole, height, width, 3)
    return [_number(frame) for frame in frames], done.stderr.decode(errors="replace")


def compare(path: Path, outcome: Outcome, rng: random.Random, other: bool) -> None:
    """Reads a file in all ways, and writes down where that is not its linear decode."""
    expected = linear(path)
    if not expected.sums:
        outcome.skipped = "FFmpeg shows nothing"
        return
    if linear(path, keep=True).sums != expected.sums:
        outcome.skipped = "FFmpeg shows what lay in its memory"
        return
    messages = "; ".join(expected.errors)
    try:
        index = index_video(path)
    except VideoError as error:
        outcome.refused = str(error)
        if not messages and other:
            messages = other_build(path, (2, 2))[1]
        if not messages:
            outcome.findings.append(f"refused: {error}")
        return
    outcome.rows = len(index)
    findings = outcome.findings
    if len(index) != len(expected.sums):
        findings.append(f"{len(index)} rows, FFmpeg shows {len(expected.sums)}")
        return
    if index.interpolated:
        expected.sums = expected.exact
    findings += _times(index, expected, outcome.muxer)
    again = index_video(path, verify=True)
    if not np.array_equal(again.pts, index.pts):
        findings.append("verify gives other times")
    findings += _pixels(path, index, expected, rng)
    if other and expected.numbers == list(range(len(expected.numbers))):
        shown, said = other_build(path, (index.width, index.height))
        if shown != expected.numbers and not said:
            outcome.disagrees = f"another build shows {shown}"


def _times(index: FrameIndex, expected: Linear, muxer: str) -> Iterator[str]:
    known = [time for time in expected.times if time is not None]
    if len(known) < len(index):
        return
    own = [int(pts) * index.time_base for pts in index.pts]
    if own != (sorted(known) if muxer == "avi" else known):
        yield f"times {[float(t) for t in own]}, FFmpeg has {[float(t) for t in known]}"
    if index.monotonic != all(a < b for a, b in pairwise(own)):
        yield f"monotonic is {index.monotonic}"


def _pixels(
    path: Path, index: FrameIndex, expected: Linear, rng: random.Random
) -> Iterator[str]:
    rows = list(range(len(index)))
    orders = {"onwards": rows, "backwards": rows[::-1], "strided": rows[1::3]}
    orders["shuffled"] = rng.sample(rows, len(rows))
    for name, order in orders.items():
        ascending = all(a < b for a, b in pairwise(order))
        with VideoDecoder(path, index) as decoder:
            frames = (
                decoder.read(order)
                if ascending
                else (next(decoder.read([row])) for row in order)
            )
            yield from _differences(name, order, frames, expected)
    for row in rng.sample(rows, min(len(rows), 4)):
        with VideoDecoder(path, index) as decoder:
            yield from _differences("alone", [row], decoder.read([row]), expected)


def _differences(
    way: str, order: list[int], frames: Iterator[np.ndarray], expected: Linear
) -> Iterator[str]:
    done = 0
    try:
        for row, frame in zip(order, frames, strict=True):
            if _sum(frame) != expected.sums[row]:
                number = expected.numbers[row]
                yield f"row {row} {way!r} shows {_number(frame)}, FFmpeg {number}"
            done += 1
    except VideoError as error:
        if not expected.errors:
            yield f"row {order[done]} {way!r}: {error}"
