"""TrackObjects: which boxes of one row and the next are of one thing."""

from __future__ import annotations

from typing import Any

import numpy as np

from beam_scanner import protobufs
from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.models.libraries import TRACKER, library
from beam_scanner.types.element_types import BboxList

_ROW = 1_000_000
"""Of the tracker's clock, for each row."""


@register_python_op(unbounded_state=True)
class TrackObjects(Kernel):
    """Numbers boxes by the things that they follow, with ByteTrack.

    Tracks begin anew in each stream, and in each slice group. Only sure boxes begin a
    track; less sure ones continue it. Boxes of no track are left out.

    Raises:
        MissingDependencyError: edgefirst-tracker is not installed.
    """

    def __init__(
        self,
        config: KernelConfig,
        score: float = 0.5,
        overlap: float = 0.25,
        lost: int = 30,
    ) -> None:
        """Looks for the tracker.

        Args:
            config: Of the kernel.
            score: Of a box that may begin a track, 0.0 to 1.0.
            overlap: Intersection over union with where the track is expected, from which
                on a box may continue it.
            lost: Rows after which a track ends that no box continues.
        """
        super().__init__(config)
        tracker = library(TRACKER, "op TrackObjects")
        self._make: Any = lambda: tracker.ByteTrack(
            score, overlap, lifespan_ns=lost * _ROW
        )
        self.reset()

    def reset(self) -> None:
        """Forgets all tracks."""
        self._tracker: Any = self._make()
        self._numbers: dict[str, int] = {}
        self._row = 0

    def execute(self, bboxes: BboxList) -> BboxList:
        """The boxes, with ``track_id`` from 1 on and ``track_score``, the box's own."""
        corners = [[box.x1, box.y1, box.x2, box.y2] for box in bboxes]
        tracks = self._tracker.update(
            np.array(corners, np.float32).reshape(-1, 4),
            np.array([box.score for box in bboxes], np.float32),
            # It takes no negative ones, which wrap around here.
            np.array([box.label for box in bboxes], np.int64).astype(np.uint64),
            self._row * _ROW,
        )
        self._row += 1
        found = []
        for box, track in zip(bboxes, tracks, strict=True):
            if track is not None:
                number = self._numbers.setdefault(track.uuid, len(self._numbers) + 1)
                tracked = protobufs.BoundingBox()
                tracked.CopyFrom(box)
                tracked.track_id, tracked.track_score = number, box.score
                found.append(tracked)
        return found
