"""A graph over a video, for databases anywhere; run as a program, it is one run.

python bucket_graphs.py DATABASE VIDEO
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Sequence  # noqa: UP035

from beam_scanner import (
    CacheMode,
    Client,
    FrameType,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    register_python_op,
)

OPTIONS = ["--direct_running_mode=in_memory"]
ROWS = 60
PAUSE = "BUCKET_GRAPHS_PAUSE"
"""Seconds that a row takes, so that a run can be killed in the middle."""


@register_python_op(name="BucketGraphsMeans", stencil=[-1, 0, 1])
def means(config: Any, frame: Sequence[FrameType]) -> bytes:
    """The mean of each frame of a window."""
    time.sleep(float(os.environ.get(PAUSE, "0")))
    return ",".join(f"{picture.mean():.3f}" for picture in frame).encode()


def run(database: str, video: str) -> tuple[Any, list[Any]]:
    """Makes a video and a table of numbers; gives the report and the streams."""
    sc = Client(db_path=database, options=OPTIONS)
    source = NamedVideoStream(sc, "films/a", path=video)
    frames = sc.streams.Stride(sc.io.Input([source]), [2])
    small = sc.ops.Resize(frame=frames, width=[80], height=[60])
    numbers = sc.ops.BucketGraphsMeans(frame=small)
    streams = [NamedVideoStream(sc, "small"), NamedStream(sc, "means")]
    outputs = [
        sc.io.Output(column, [stream])
        for column, stream in zip((small, numbers), streams, strict=True)
    ]
    job = sc.run(
        outputs,
        PerfParams.manual(5, 10),
        cache_mode=CacheMode.Overwrite,
        show_progress=False,
    )
    return sc.report(job), streams


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2])
