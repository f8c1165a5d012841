"""Follows what moves in videos, as a Beam pipeline.

python examples/track_motion_beam.py --input 'films/*.mp4' --output out \
    --runner=FnApiRunner

Leaves, in out/: every eighth frame, small, as videos of the database db; and
tracks-*.parquet, with a record for each of these frames in which something moves.

The tracker is a small one: what differs from a background that is learned on the way
is a blob, and a blob goes on with the track that was nearest to it.
"""

import argparse
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner import FrameType, protobufs, register_python_op
from beam_scanner.kernels import Kernel
from beam_scanner.transforms import (
    ReadFromVideo,
    Resize,
    Slice,
    Stride,
    Unslice,
    WriteToNamedVideo,
    op,
    partitioner,
)
from beam_scanner.types import BboxList

CELL = 4
DIFFERENT = 30
LEARNED = 0.05
NEAR = 0.25

BOX = [("track", pa.int32())] + [
    (side, pa.float32()) for side in ("x1", "y1", "x2", "y2")
]
SCHEMA = pa.schema(
    [
        ("film", pa.string()),
        ("row", pa.int64()),
        ("seconds", pa.float64()),
        ("boxes", pa.list_(pa.struct(BOX))),
    ]
)


@register_python_op(unbounded_state=True)
class TrackMotion(Kernel):
    """Boxes of what moves, with the number of their track."""

    def reset(self) -> None:
        self.background: Any = None
        self.tracks: dict[int, Any] = {}
        self.last = 0

    def execute(self, frame: FrameType) -> BboxList:
        cells = brightness(frame)
        if self.background is None:
            self.background = cells
        boxes = blobs(np.abs(cells - self.background) > DIFFERENT)
        self.background = self.background + LEARNED * (cells - self.background)
        size = np.array(cells.shape[::-1] * 2)
        return self.follow([box / size for box in boxes])

    def follow(self, boxes: list[Any]) -> list[Any]:
        before, self.tracks = self.tracks, {}
        for box in boxes:
            near = {
                track: np.linalg.norm(centre(box) - centre(old))
                for track, old in before.items()
            }
            track = min(near, key=near.get, default=0)
            if not track or near[track] > NEAR:
                track = self.last = self.last + 1
            before.pop(track, None)
            self.tracks[track] = box
        return [
            protobufs.BoundingBox(x1=x1, y1=y1, x2=x2, y2=y2, track_id=track)
            for track, (x1, y1, x2, y2) in self.tracks.items()
        ]


def brightness(frame: Any) -> Any:
    """Mean of each cell of CELL x CELL pixels."""
    height, width = (side // CELL * CELL for side in frame.shape[:2])
    gray = frame[:height, :width].mean(axis=2)
    return gray.reshape(height // CELL, CELL, width // CELL, CELL).mean(axis=(1, 3))


def blobs(moving: Any) -> list[Any]:
    """Boxes (x1, y1, x2, y2), in cells, of cells that touch."""
    left = set(zip(*np.nonzero(moving), strict=True))
    found = []
    while left:
        blob, new = [], [left.pop()]
        while new:
            y, x = new.pop()
            blob.append((x, y))
            around = {(y + b, x + a) for b in (-1, 0, 1) for a in (-1, 0, 1)} & left
            left -= around
            new += around
        low, high = np.min(blob, axis=0), np.max(blob, axis=0) + 1
        found.append(np.concatenate([low, high]).astype(float))
    return sorted(found, key=list)


def centre(box: Any) -> Any:
    return (box[:2] + box[2:]) / 2


TrackMotion = op(TrackMotion)


def to_record(key: Any, boxes: Any) -> dict[str, Any]:
    return {
        "film": key.stream,
        "row": key.row,
        "seconds": key.pts_seconds,
        "boxes": [
            {"track": box.track_id}
            | {side: getattr(box, side) for side in ("x1", "y1", "x2", "y2")}
            for box in boxes
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True, help="videos: a path or pattern")
    parser.add_argument("--output", required=True, help="folder, or URL of a bucket")
    known, flags = parser.parse_known_args()
    with beam.Pipeline(options=PipelineOptions(flags)) as p:
        small = (
            p | ReadFromVideo(known.input) | Stride(8) | Resize(width=320, height=180)
        )
        small | WriteToNamedVideo(f"{known.output}/db", name="small/{stream}")
        (
            small
            | Slice(partitioner.all(250))
            | TrackMotion()
            | Unslice()
            | beam.Filter(lambda row: len(row[1]) > 0)
            | beam.MapTuple(to_record)
            | beam.io.WriteToParquet(
                f"{known.output}/tracks", SCHEMA, file_name_suffix=".parquet"
            )
        )


if __name__ == "__main__":
    main()
