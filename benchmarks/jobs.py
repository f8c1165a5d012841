"""The jobs that are compared: ours, and what a good engineer would write by hand.

Each job is one process: ``python benchmarks/jobs.py SIDE JOB OUTPUT VIDEO...``. Both
sides use all cores, read the same files and leave equal output: histograms (three
times 16 bins) as Parquet, or one H.264 file a video.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

ROWS = 64
SMALL = (320, 136)


def scattered(frames: int, video: str) -> list[int]:
    """The rows that the sparse job takes of a video: the same for every side."""
    seed = f"{Path(video).stem} {frames}"
    return sorted(random.Random(seed).sample(range(frames), min(ROWS, frames)))


def count_frames(video: str) -> int:
    """Frames by the header, which tells the truth for the benchmark's own files."""
    import av

    with av.open(video) as container:
        return container.streams.video[0].frames


# --- ours -------------------------------------------------------------------------


def run_ours(job: str, output: str, videos: list[str]) -> None:
    from beam_scanner import Client, NamedStream, NamedVideoStream, PerfParams

    sc = Client(db_path=output)
    names = [Path(video).stem for video in videos]
    inputs = [
        NamedVideoStream(sc, f"in/{name}", path=video)
        for name, video in zip(names, videos, strict=True)
    ]
    frames = sc.io.Input(inputs)
    if job == "resize":
        width, height = SMALL
        count = len(videos)
        small = sc.ops.Resize(
            frame=frames, width=[width] * count, height=[height] * count
        )
        outputs = [NamedVideoStream(sc, f"small/{name}") for name in names]
        sc.run(sc.io.Output(small, outputs), PerfParams.estimate())
        for stream, name in zip(outputs, names, strict=True):
            stream.save_mp4(f"{output}/{name}.mp4")
        return
    if job == "sparse":
        rows = [scattered(count_frames(video), video) for video in videos]
        frames = sc.streams.Gather(frames, rows)
    histograms = [NamedStream(sc, f"histogram/{name}") for name in names]
    sc.run(
        sc.io.Output(sc.ops.Histogram(frame=frames), histograms), PerfParams.estimate()
    )


# --- by hand ----------------------------------------------------------------------


def histogram(frame: np.ndarray) -> list[list[int]]:
    import cv2

    return [
        cv2.calcHist([frame], [channel], None, [16], [0, 256])
        .ravel()
        .astype(np.int32)
        .tolist()
        for channel in range(3)
    ]


def fast_histogram() -> Callable[[np.ndarray], list[list[int]]]:
    """Our kernel, without all that we have around it."""
    from beam_scanner.kernels import KernelConfig
    from beam_scanner.ops.histogram import HistogramKernel

    kernel = HistogramKernel(KernelConfig())
    return lambda frame: [bins.tolist() for bins in kernel.execute(frame)]


def write_histograms(
    output: str,
    video: str,
    frames: Iterator[np.ndarray],
    count: Callable[[np.ndarray], list[list[int]]] = histogram,
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {"value": pa.array(map(count, frames), pa.list_(pa.list_(pa.int32())))}
    )
    pq.write_table(table, f"{output}/{Path(video).stem}.parquet")


def decode_all(video: str) -> Iterator[np.ndarray]:
    import av

    with av.open(video) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            yield frame.to_ndarray(format="rgb24")


def decode_bare(video: str) -> Iterator[np.ndarray]:
    """The least that it takes: no thread but this one, one reformatter for all."""
    import av
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()
    with av.open(video) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            rgb = reformatter.reformat(frame, format="rgb24", threads=1)
            yield np.ascontiguousarray(rgb.to_ndarray())


def seek_each(video: str) -> Iterator[np.ndarray]:
    """For each row: seek to its keyframe, decode up to it."""
    import av

    with av.open(video) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        start, step = (
            stream.start_time or 0,
            1 / (stream.average_rate * stream.time_base),
        )
        for row in scattered(stream.frames, video):
            wanted = start + round(row * step)
            container.seek(wanted, stream=stream)
            for frame in container.decode(stream):
                if frame.pts >= wanted:
                    yield frame.to_ndarray(format="rgb24")
                    break


def decord_rows(video: str) -> Iterator[np.ndarray]:
    import decord

    reader = decord.VideoReader(video, num_threads=1)
    rows = scattered(len(reader), video)
    yield from reader.get_batch(rows).asnumpy()


def torchcodec_rows(video: str) -> Iterator[np.ndarray]:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(video, dimension_order="NHWC")
    rows = scattered(len(decoder), video)
    yield from decoder.get_frames_at(rows).data.numpy()


def resize_one(output: str, video: str) -> None:
    import av

    width, height = SMALL
    with (
        av.open(video) as container,
        av.open(f"{output}/{Path(video).stem}.mp4", "w") as target,
    ):
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        encoder = target.add_stream("libx264", rate=stream.average_rate)
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
        for frame in container.decode(stream):
            small = frame.reformat(width=width, height=height, format="yuv420p")
            for packet in encoder.encode(small):
                target.mux(packet)
        for packet in encoder.encode():
            target.mux(packet)


READERS: dict[str, Callable[[str], Iterator[np.ndarray]]] = {
    "pool": seek_each,
    "decord": decord_rows,
    "torchcodec": torchcodec_rows,
}


def one_video(side: str, job: str, output: str, video: str) -> None:
    if job == "resize":
        resize_one(output, video)
        return
    if side == "bare":
        write_histograms(output, video, decode_bare(video), fast_histogram())
        return
    frames = decode_all(video) if job == "histogram" else READERS[side](video)
    write_histograms(output, video, frames)


def run_pool(side: str, job: str, output: str, videos: list[str]) -> None:
    os.makedirs(output, exist_ok=True)
    workers = len(os.sched_getaffinity(0))
    # Forked workers hang in some of these libraries.
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        pool.map(partial(one_video, side, job, output), videos, chunksize=1)


def main(side: str, job: str, output: str, *videos: str) -> None:
    if output == "-":
        output = tempfile.mkdtemp()
    if side == "ours":
        run_ours(job, output, list(videos))
    else:
        run_pool(side, job, output, list(videos))


if __name__ == "__main__":
    main(*sys.argv[1:])
