"""Asks readers of video which frame is which, and writes a table of what they say.

``python benchmarks/compare_readers.py [--page docs/comparison.md] [--only NAME ...]``.
Files are generated, with the number of each frame in its pixels, or lie in
``../shared/videos``; of those the frames of a linear decode are the measure. Each
reader is asked, in a process of its own, for the number of frames, and for frames by
number: all, or 40 of them. A reader whose package is not installed is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
BEGIN, END = "<!-- readers -->", "<!-- end of readers -->"
ASKED, SECONDS, SMALL = 40, 120, 24
BROKEN = -1

# --- the readers: each gives its count of frames, then (frame, seconds) for rows ----

Reading = Iterator[Any]


def beam_scanner(path: str, rows: list[int]) -> Reading:
    import beam_scanner.video

    with beam_scanner.video.open(path, damage="salvage") as video:
        yield len(video)
        lost = set(video.lost.tolist())
        for row in rows:
            if row < len(video) and row not in lost:
                yield row, video[row], float(video.pts_seconds[row])


def opencv(path: str, rows: list[int]) -> Reading:
    import cv2

    capture = cv2.VideoCapture(path)
    if not capture.isOpened():
        raise OSError("not opened")
    yield int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    for row in rows:
        capture.set(cv2.CAP_PROP_POS_FRAMES, row)
        found, frame = capture.read()
        if found:
            yield row, frame[:, :, ::-1], capture.get(cv2.CAP_PROP_POS_MSEC) / 1000


def decord(path: str, rows: list[int]) -> Reading:
    import decord

    reader = decord.VideoReader(path, num_threads=1)
    yield len(reader)
    for row in rows:
        with contextlib.suppress(decord.DECORDError, IndexError):
            frame = reader[row].asnumpy()
            yield row, frame, float(reader.get_frame_timestamp(row)[0])


def torchcodec(path: str, rows: list[int]) -> Reading:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, dimension_order="NHWC")
    yield len(decoder)
    for row in rows:
        with contextlib.suppress(RuntimeError, IndexError):
            frame = decoder.get_frame_at(row)
            yield row, frame.data.numpy(), frame.pts_seconds


def pyav(path: str, rows: list[int]) -> Reading:
    """The usual loop: seek by the average rate, decode up to the time."""
    import av

    with av.open(path) as container:
        stream = container.streams.video[0]
        yield None
        tick, rate = stream.time_base, stream.average_rate
        for row in rows:
            wanted = (stream.start_time or 0) + round(row / (rate * tick))
            with contextlib.suppress(av.error.FFmpegError):
                container.seek(wanted, stream=stream)
                for frame in container.decode(stream):
                    if frame.pts is not None and frame.pts >= wanted:
                        yield row, frame.to_ndarray(format="rgb24"), frame.time
                        break


READERS: dict[str, Callable[[str, list[int]], Reading]] = {
    "beam_scanner": beam_scanner,
    "PyAV, seek and decode": pyav,
    "OpenCV": opencv,
    "decord": decord,
    "torchcodec": torchcodec,
}
PACKAGES = {"PyAV, seek and decode": "av", "OpenCV": "cv2"}

# --- the files -----------------------------------------------------------------------


@dataclass
class File:
    """A file and what it holds: by row, a small picture or a number, and the time."""

    name: str
    path: Path
    numbers: list[int]
    times: list[float]
    pictures: np.ndarray | None = None
    damaged: bool = False


def small(frame: np.ndarray) -> np.ndarray:
    """Brightness at a grid of places."""
    gray = frame.reshape(*frame.shape[:2], -1).mean(axis=2)
    rows = np.linspace(0, gray.shape[0] - 1, SMALL).round().astype(int)
    columns = np.linspace(0, gray.shape[1] - 1, SMALL).round().astype(int)
    return gray[rows][:, columns]


def generated() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(name, extension, options of ``make_video``)."""
    from tests.support.corpus import ALT_REF, X265

    opened = {"x264-params": "open-gop=1"}
    yield "H.264 MP4", "mp4", {}
    yield "16 B-frames", "mp4", {"bframes": 16, "gop": 40}
    yield "H.264 open GOP", "mp4", {"bframes": 3, "options": opened}
    yield "H.264 intra-refresh", "mp4", {"options": {"x264-params": "intra-refresh=1"}}
    yield "H.264 interlaced", "mp4", {"options": {"x264-params": "interlaced=1"}}
    yield "H.264 4:4:4, odd size", "mp4", {"pix_fmt": "yuv444p", "size": (65, 47)}
    yield "H.264 10 bit", "mp4", {"pix_fmt": "yuv420p10le"}
    hevc = {"codec": "hevc", "options": {"x265-params": f"open-gop=1:bframes=4:{X265}"}}
    yield "HEVC open GOP", "mp4", hevc
    yield (
        "VP8, alternate references",
        "webm",
        {**{"codec": "vp8", "gop": 40, "options": ALT_REF, "frames": 100}},
    )
    yield (
        "VP9, alternate references",
        "webm",
        {**{"codec": "vp9", "gop": 40, "options": ALT_REF, "frames": 100}},
    )
    yield "AV1", "mp4", {"codec": "av1"}
    yield "MPEG-4 B-frames, AVI", "avi", {"codec": "mpeg4"}
    yield "H.264 transport stream", "ts", {}
    yield "MPEG-2 program stream", "mpg", {"codec": "mpeg2video"}
    yield "raw H.264, no times", "h264", {}
    yield (
        "fragmented MP4",
        "mp4",
        {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    )
    yield "Matroska", "mkv", {}
    yield "FLV", "flv", {}
    steps = np.array([1, 1, 1, 7, 1, 2, 30, 1, 1, 5])
    varied = np.cumsum(np.tile(steps, 5)).tolist()
    yield "variable rate, MP4", "mp4", {"pts": varied, "time_base": Fraction(1, 50)}
    yield (
        "variable rate, Matroska",
        "mkv",
        {
            "pts": varied,
            "time_base": Fraction(1, 50),
        },
    )
    yield "starts at 8 s", "ts", {"pts": list(range(200, 250))}
    yield "one keyframe", "mp4", {"gop": 1000}
    yield "one frame", "mp4", {"frames": 1}


def make_files(folder: Path) -> Iterator[File]:
    from tests.support.video_fixtures import make_video

    for number, (name, extension, options) in enumerate(generated()):
        path = folder / f"{number:02d}.{extension}"
        make_video(path, **{"frames": 50, **options})
        yield measured(name, path)
    yield from special_files(folder)
    yield from damaged_files(folder)
    shared = ROOT.parent / "shared" / "videos"
    for path in sorted(shared.glob("*.m[pk][4v]")):
        yield measured(path.name, path, real=True)


def special_files(folder: Path) -> Iterator[File]:
    """Rotation, hidden frames, packets that hold two pictures, false keyframes."""
    import av

    from tests.support.corpus import packed
    from tests.support.video_fixtures import make_video, numbered_frame

    path = folder / "rotated.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(90)
        for i in range(20):
            picture = numbered_frame(i, (64, 48))
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    yield measured("rotated by 90 degrees", path, real=True)
    path = Path(make_video(folder / "hidden.mp4", 50, bframes=0))
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 16
    with av.open(str(path)) as container:
        tick = container.streams.video[0].time_base
    skipped = int(10 / 25 / tick)
    data[at : at + 4] = skipped.to_bytes(4, "big")
    path.write_bytes(data)
    yield measured("edit list hides 10 frames", path)
    path = Path(make_video(folder / "b1.avi", 50, "mpeg4", bframes=1))
    yield measured("MPEG-4 packed B-frames, AVI", packed(path))
    path = Path(make_video(folder / "all.mp4", 50, "mpeg4", bframes=0))
    path.write_bytes(path.read_bytes().replace(b"stss", b"skip"))
    yield measured("no table of keyframes, MP4", path)


def damaged_files(folder: Path) -> Iterator[File]:
    """Rows that are damaged or lost may be errors, but not other frames."""
    from tests.support.video_fixtures import make_video

    for name, extension in (("MP4", "mp4"), ("transport stream", "ts")):
        options = {"gop": 10, "bframes": 0, "size": (160, 120)}
        path = Path(make_video(folder / f"hurt.{extension}", 50, **options))
        file = measured(f"damaged data, {name}", path)
        path.write_bytes(hurt(path, [22, 23]))
        file.damaged = True
        yield file
    path = Path(make_video(folder / "lost.mp4", 50, gop=10, bframes=0))
    yield without_packets("two packets lost, MP4", path, folder / "lost2.mp4")
    for extension in ("mp4", "mkv", "ts"):
        path = Path(make_video(folder / f"cut.{extension}", 50, bframes=0))
        file = measured(f"cut in the middle, {extension.upper()}", path)
        size = path.stat().st_size // 2
        path.write_bytes(path.read_bytes()[:size])
        file.damaged = True
        yield file


def hurt(path: Path, packets: list[int]) -> bytes:
    import av

    with av.open(str(path)) as container:
        found = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for number in packets:
        start, size = found[number]
        for place in range(start + 40, start + size):
            # The packets of a transport stream stay packets.
            if path.suffix != ".ts" or place % 188 > 40:
                data[place] = 0xFF
    return bytes(data)


def without_packets(name: str, path: Path, target: Path) -> File:
    import av

    file = measured(name, path)
    lost = (22, 23)
    with av.open(str(path)) as source, av.open(str(target), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for i, packet in enumerate(source.demux(video=0)):
            if packet.size and i not in lost:
                packet.stream = stream
                container.mux(packet)
    file.path, file.damaged = target, True
    for values in (file.numbers, file.times):
        del values[22:24]
    return file


def measured(name: str, path: Path, real: bool = False) -> File:
    """What a linear decode shows."""
    import av

    from tests.support.video_fixtures import frame_number

    numbers, times, pictures = [], [], []
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        for frame in container.decode(stream):
            picture = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
            numbers.append(len(numbers) if real else frame_number(picture))
            times.append(len(times) / 25 if frame.time is None else frame.time)
            if real:
                pictures.append(small(picture))
    # In AVI files with B-frames, FFmpeg gives frames each other's times.
    times.sort()
    return File(name, path, numbers, times, np.array(pictures) if real else None)


# --- asking --------------------------------------------------------------------------


def ask(reader: str, path: str, rows: list[int], real: bool) -> None:
    """In a process of its own: prints what a reader says, a line each."""
    from tests.support.video_fixtures import frame_number

    answers = READERS[reader](path, rows)
    print(json.dumps(next(answers)), flush=True)
    for row, frame, seconds in answers:
        if real:
            said: Any = small(frame).round(1).tolist(), list(frame.shape[:2])
        else:
            try:
                said = frame_number(frame)
            except ValueError:
                said = BROKEN
        print(json.dumps([row, said, seconds]), flush=True)


def verdict(file: File, reader: str) -> str:
    """What a reader made of a file, in a few words."""
    rows = list(range(len(file.numbers)))
    if len(rows) > ASKED:
        rows = sorted(random.Random(1).sample(rows, ASKED))
    command = [sys.executable, __file__, "--ask", reader, str(file.path)]
    command += [json.dumps(rows)]
    if file.pictures is not None:
        command.append("--real")
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return "hangs"
    lines = _answers(done.stdout)
    if not lines:
        return "crashes" if done.returncode < 0 else "refuses"
    count, answers = lines[0], lines[1:]
    told = []
    if count is not None and count < 0:
        told.append("says a negative number of frames")
    elif count is not None and count != len(file.numbers) and not file.damaged:
        told.append(f"says {count} frames, not {len(file.numbers)}")
    wrong = [answer for answer in answers if not is_right(file, *answer)]
    late = [row for row, _, t in answers if row not in rows_at(file, t)]
    if wrong:
        told.append(f"**{len(wrong)} of {len(rows)} wrong**")
    elif late and not file.damaged:
        told.append(f"{len(late)} times wrong")
    if done.returncode < 0:
        told.append("crashes")
    if len(answers) < len(rows):
        told.append(f"{len(rows) - len(answers)} of {len(rows)} not given")
    if not wrong and (file.damaged or not told):
        told.insert(0, "right")
    return ", ".join(told)


def rows_at(file: File, seconds: float) -> list[int]:
    """Rows shown then; some readers count from the first frame, not by the clock."""
    return [
        row
        for row, time in enumerate(file.times)
        if min(abs(seconds - time), abs(seconds - time + file.times[0])) < 1e-3
    ]


def _answers(output: bytes) -> list[Any]:
    """Readers print things of their own between."""
    found = []
    for line in output.splitlines():
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found


def is_right(file: File, row: int, said: Any, seconds: float) -> bool:
    """Whether it is the row; of a damaged file, the row of the time that it names."""
    if file.damaged:
        return said in [file.numbers[shown] for shown in rows_at(file, seconds)]
    if file.pictures is None:
        return bool(said == file.numbers[row])
    picture = np.array(said[0])
    distances = np.abs(file.pictures - picture).mean(axis=(1, 2))
    # Readers differ in colours by a little, and neighbours may be alike.
    return bool(distances[row] <= distances.min() + 0.5 and distances[row] < 8)


def table(only: list[str]) -> str:
    readers = [r for r in READERS if importlib.util.find_spec(PACKAGES.get(r, r))]
    lines = [
        "| file | " + " | ".join(readers) + " |",
        "|---" * (len(readers) + 1) + "|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for file in make_files(Path(folder)):
            if only and file.name not in only:
                continue
            cells = [verdict(file, reader) for reader in readers]
            lines.append(f"| {file.name} | " + " | ".join(cells) + " |")
            print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, help="write the table into this page")
    parser.add_argument("--only", action="append", default=[], help="a file's name")
    parser.add_argument("--ask", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--real", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ask:
        reader, path, rows = args.ask
        ask(reader, path, json.loads(rows), args.real)
        return
    found = table(args.only)
    if args.page is None:
        print(found)
        return
    text = args.page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    args.page.write_text(f"{before}{BEGIN}\n\n{found}\n\n{END}{after}")


if __name__ == "__main__":
    main()
