"""Proves decoding on a GPU, on any machine that has one from NVIDIA, in under 8 minutes.

It makes videos and checks, of each, that

* the brightness of every row is that of the CPU's decoder, bit for bit, in order and in
  any order, and that RGB is what the same formula gives on the CPU;
* a kernel on the GPU is given every frame without a copy to the host, by the counters of
  a run;
* the memory of the GPU stays what it was after the first pass;

and how fast it is, beside the CPU's decoder here, PyAV alone, and torchcodec where it is
installed. ``--write docs/gpu.md`` puts the table into the documentation. It exits with 0,
with 1 if a check failed, and with 2 if there is no GPU::

    pip install -e '.[cuda]'
    python scripts/gpu_check.py --write docs/gpu.md
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from beam_scanner import (
    Client,
    DeviceType,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    register_python_op,
)
from beam_scanner.errors import ScannerException
from beam_scanner.kernels.inference.predictions import plain_tensor
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.device_decoding import Device, DeviceDecoding, device_decoding
from beam_scanner.video.device_pixels import BITS, rgb_of
from beam_scanner.video.encoder import VideoEncoder
from beam_scanner.video.encoding import Encoding
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.indexing import index_video

MARK = "<!-- gpu_check.py writes what follows -->"
FULL_HD, SMALL = (1920, 1080), (480, 270)
PASSES = 5
GROWTH = 64 * 1024 * 1024
"""Bytes of device memory that later passes may add: what allocators round up."""

SEED = 14

MOST_SECONDS = 300
"""No film is begun after this many."""


@dataclass(frozen=True)
class Film:
    """One video to check.

    Attributes:
        name: For the table.
        codec: Of ``Encoding``, or 'hevc10' for 10 bits.
        size: (width, height).
        frames: How many.
        step: Every how many rows are read when speed is measured.
    """

    name: str
    codec: str
    size: tuple[int, int]
    frames: int
    step: int = 1


FILMS = (
    Film("H.264, 1080p, every row", "h264", FULL_HD, 240),
    Film("H.264, 480x270, every 48th row", "h264", SMALL, 960, step=48),
    Film("HEVC, 1080p, every row", "hevc", FULL_HD, 48),
    Film("HEVC of 10 bits, 1080p, every row", "hevc10", FULL_HD, 48),
    Film("VP9, 1080p, every row", "vp9", FULL_HD, 48),
    Film("AV1, 1080p, every row", "av1", FULL_HD, 48),
)


@dataclass
class Findings:
    """What was found.

    Attributes:
        rows: Of the table: a film, and a cell for each column.
        wrong: Checks that failed.
        skipped: Films that were not checked, and why.
    """

    rows: list[list[str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def pictures(size: tuple[int, int], frames: int) -> Iterable[np.ndarray]:
    """A texture that moves, uint8[height, width, 3]."""
    width, height = size
    rng = np.random.default_rng(SEED)
    coarse = rng.integers(0, 256, (height // 6 + 1, width // 6 + 1, 3), np.uint8)
    texture = coarse.repeat(6, 0).repeat(6, 1)[:height, :width]
    for number in range(frames):
        yield np.ascontiguousarray(np.roll(texture, (number, 3 * number), (0, 1)))


def make(film: Film, folder: Path) -> str:
    """Encodes a film; returns its path."""
    path = str(folder / f"{film.codec}-{film.size[1]}.mp4")
    if film.codec != "hevc10":
        encoding = Encoding(film.codec, keyframe_distance=48)
        with VideoEncoder(path, encoding) as encoder:
            for number, picture in enumerate(pictures(film.size, film.frames)):
                encoder.write(picture, number / 25)
        return path
    with av.open(path, "w") as container:
        stream: Any = container.add_stream("libx265", rate=Fraction(25))
        stream.width, stream.height = film.size
        stream.pix_fmt = "yuv420p10le"
        stream.options = {"preset": "ultrafast", "x265-params": "log-level=none"}
        for picture in pictures(film.size, film.frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))
    return path


def why_not_decoded(device: Device, path: str, index: FrameIndex) -> str:
    """Why this GPU gives nothing of a film; '' if it gives a picture, right or wrong."""
    try:
        by_decoder(path, index, range(1), decoding=DeviceDecoding(device))
    except ScannerException as error:
        return "" if "the index says" in str(error) else str(error)
    return ""


def check_pixels(
    device: Device, path: str, index: FrameIndex, rows: Sequence[int]
) -> str:
    """Compares rows with those of the CPU's decoder; returns what is wrong, or ''.

    Args:
        device: The GPU.
        path: The video.
        index: Its index.
        rows: In the order in which they are decoded.
    """
    decoding = DeviceDecoding(device)
    convert = decoding.converter(index, path)
    with (
        VideoDecoder(path, index) as cpu,
        VideoDecoder(path, index, decoding=decoding) as gpu,
    ):
        for row in rows:
            shown, here = gpu.decode_frame(row), cpu.decode_frame(row)
            layout, exported = device.planes(shown)
            planes = [
                np.array(plain_tensor(device.arrays.from_dlpack(plane)))
                for plane in exported
            ]
            shift = 16 - BITS[layout] if BITS[layout] > 8 else 0
            wanted, blue, red = (np.from_dlpack(plane) for plane in here.planes)
            if not np.array_equal(planes[0], wanted << shift):
                return f"row {row}: its brightness is not that of the CPU's decoder"
            if not np.array_equal(planes[1], np.stack([blue, red], -1) << shift):
                return f"row {row}: its colours are not those of the CPU's decoder"
            rgb = rgb_of(
                np,
                *planes,
                bits=BITS[layout],
                matrix=int(shown.colorspace),
                full_range=int(shown.color_range) == 2,
            )
            if not np.array_equal(convert(shown).to_host(), rgb):
                return f"row {row}: RGB on the GPU is not what the formula gives"
    return ""


def speed(read: Callable[[], int]) -> str:
    """Frames a second of the better of two readings."""
    best = 0.0
    for _ in range(2):
        began = time.perf_counter()
        frames = read()
        best = max(best, frames / (time.perf_counter() - began))
    return f"{best:.0f}"


def by_decoder(path: str, index: FrameIndex, rows: range, **how: Any) -> int:
    """Reads rows with our decoder; returns how many."""
    with VideoDecoder(path, index, **how) as decoder:
        return sum(1 for _ in decoder.read(rows))


def by_pyav(path: str, rows: range) -> int:
    """Decodes all with all cores, and converts the wanted rows."""
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        for number, frame in enumerate(container.decode(video=0)):
            if number in rows:
                frame.to_ndarray(format="rgb24")
    return len(rows)


def by_torchcodec(path: str, rows: range, device: str) -> int:
    """Reads rows with torchcodec, if it is there."""
    from torchcodec.decoders import VideoDecoder as Theirs

    decoder = Theirs(path, device=device)
    for row in rows:
        decoder[row]
    return len(rows)


def speeds(device: Device, path: str, index: FrameIndex, step: int) -> list[str]:
    """The cells of the table that are frames a second."""
    rows = range(0, len(index), step)
    cells = [
        speed(lambda: by_decoder(path, index, rows, decoding=DeviceDecoding(device))),
        speed(lambda: by_decoder(path, index, rows)),
        speed(lambda: by_pyav(path, rows)),
    ]
    for place in ("cuda", "cpu"):
        cell = "-"
        with suppress(Exception):  # it may be there for another PyTorch or FFmpeg
            cell = speed(lambda: by_torchcodec(path, rows, place))  # noqa: B023
        cells.append(cell)
    return cells


def used_memory(arrays: Any) -> int:
    """Bytes of device memory that are in use."""
    cuda = arrays.cuda
    info = getattr(cuda, "mem_get_info", None) or cuda.runtime.memGetInfo
    free, total = info()
    return int(total - free)


def check_memory(device: Device, path: str, index: FrameIndex, used: Any) -> str:
    """Reads all rows several times; returns what is wrong, or ''."""
    after = []
    for _ in range(PASSES):
        by_decoder(path, index, range(len(index)), decoding=DeviceDecoding(device))
        after.append(used(device.arrays))
    if after[-1] - after[0] <= GROWTH:
        return ""
    return f"device memory grew from {after[0]} to {after[-1]} bytes in {PASSES} passes"


def check_copies(device: Device, path: str, rows: int, folder: Path) -> str:
    """Runs a graph with a kernel on the GPU; returns what is wrong, or ''."""
    arrays = device.arrays
    kind = arrays.Tensor if hasattr(arrays, "Tensor") else arrays.ndarray

    @register_python_op(name="GpuCheckMean", device_type=DeviceType.GPU, batch=8)
    def mean(config: Any, frame: Sequence[kind]) -> Sequence[Any]:  # type: ignore[valid-type]
        return [int(each[::8, ::8].sum()) for each in frame]

    options = ["--direct_running_mode=in_memory"]
    with Client(db_path=str(folder / "db"), options=options) as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "film", path=path)])
        output = NamedStream(sc, "means")
        run = sc.run(
            sc.io.Output(sc.ops.GpuCheckMean(frame=frames), [output]),
            PerfParams.estimate(decoder="cuda"),
            show_progress=False,
        )
        counters = sc.get_profile(run).statistics()["counters"]
        if output.len() != rows:
            return f"a run made {output.len()} rows of {rows}"
    copies = counters.get("frames_to_host", 0)
    return f"a run copied {copies} frames to the host" if copies else ""


def check(
    device: Device,
    folder: Path,
    films: Sequence[Film] = FILMS,
    used: Callable[[Any], int] = used_memory,
) -> Findings:
    """Makes all checks."""
    found, began = Findings(), time.monotonic()
    for film in films:
        if time.monotonic() - began > MOST_SECONDS:
            found.skipped.append(f"{film.name}: the others took too long")
            continue
        print(f"{film.name} ...", flush=True)
        path = make(film, folder)
        index = index_video(path)
        count = len(index)
        unable = why_not_decoded(device, path, index)
        if unable:
            # Every GPU with a decoder has one for the first.
            list_ = found.wrong if film is films[0] else found.skipped
            list_.append(f"{film.name}: {unable}")
            continue
        shuffled = np.random.default_rng(SEED).permutation(count)[:40].tolist()
        try:
            wrong = check_pixels(device, path, index, [*range(count), *shuffled])
        except ScannerException as error:
            wrong = str(error)
        if wrong:
            found.wrong.append(f"{film.name}: {wrong}")
            continue
        found.rows.append([film.name, *speeds(device, path, index, film.step)])
        if film is films[0]:
            for problem in (
                check_copies(device, path, count, folder),
                check_memory(device, path, index, used),
            ):
                if problem:
                    found.wrong.append(f"{film.name}: {problem}")
    return found


def gpu_name() -> str:
    """The GPU and its driver, in words."""
    query = "--query-gpu=name,driver_version"
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
        )
        return ", driver ".join(done.stdout.splitlines()[0].split(", "))
    return "a GPU"


HEAD = (
    "| frames a second | GPU | CPU, one thread | PyAV, all cores | torchcodec, GPU | "
    "torchcodec, CPU |\n|---|---|---|---|---|---|"
)


def report(found: Findings, where: str) -> str:
    """What was found, in Markdown."""
    lines = [f"Measured on {where}.", "", HEAD]
    lines += ["| " + " | ".join(row) + " |" for row in found.rows]
    exact = (
        "Every row, in order and in any order, had the brightness and the colours of "
    )
    exact += (
        "the CPU's decoder; a kernel on the GPU got all frames without a copy to the "
    )
    exact += "host; device memory stayed flat."
    lines += ["", exact if not found.wrong else "**Failed:** " + "; ".join(found.wrong)]
    lines += ["", *(f"- not checked: {text}" for text in found.skipped)]
    return "\n".join(lines).rstrip() + "\n"


def write(page: Path, text: str) -> None:
    """Replaces what follows the mark on a page."""
    before, mark, _ = page.read_text().partition(MARK)
    if not mark:
        raise SystemExit(f"{page} has no line {MARK}")
    page.write_text(f"{before}{MARK}\n\n{text}")


def main() -> int:
    """Makes the checks; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="PAGE", help="as docs/gpu.md")
    args = parser.parse_args()
    try:
        device = device_decoding().device
    except ScannerException as error:
        print(f"nothing was checked: {error}", file=sys.stderr)
        return 2
    versions = f"PyAV {av.__version__}, {device.arrays.__name__} "
    versions += f"{device.arrays.__version__}, Python {platform.python_version()}"
    with tempfile.TemporaryDirectory() as folder:
        found = check(device, Path(folder))
    text = report(found, f"{gpu_name()}, with {versions}")
    print(text)
    if args.write is not None and not found.wrong:
        write(args.write, text)
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
