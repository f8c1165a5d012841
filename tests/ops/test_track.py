"""TrackObjects, on boxes that move as one can see."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import NamedStream, PerfParams, errors, protobufs
from beam_scanner.ops.track import TrackObjects
from beam_scanner.types import BboxList
from tests.support.client_helpers import open_client
from tests.support.frames import CONFIG


def box(x: float, y: float, score: float = 0.9, label: int = 3) -> Any:
    return protobufs.BoundingBox(
        x1=x, y1=y, x2=x + 0.1, y2=y + 0.2, score=score, label=label
    )


def crossing(rows: int = 40) -> list[list[Any]]:
    """One goes to the right, one to the left, one above the other; they pass."""
    return [
        [box(0.02 * row, 0.1), box(0.8 - 0.02 * row, 0.5)][:: 1 if row % 2 else -1]
        for row in range(rows)
    ]


def test_things_keep_their_numbers() -> None:
    pytest.importorskip("edgefirst.tracker")
    track = TrackObjects(CONFIG)
    for _ in range(2):
        numbers = {}
        for boxes in crossing():
            for found in track.execute(boxes):
                assert found.label == 3
                assert np.isclose(found.track_score, 0.9)
                numbers.setdefault(round(found.y1, 1), set()).add(found.track_id)
        # In the first row the lower one comes first.
        assert numbers == {0.5: {1}, 0.1: {2}}
        track.reset()


def test_what_is_lost_and_what_is_not_sure() -> None:
    pytest.importorskip("edgefirst.tracker")
    track = TrackObjects(CONFIG, score=0.5, lost=5)
    assert track.execute([box(0.1, 0.1, score=0.2, label=-1)]) == []
    for row in range(8):
        (found,) = track.execute([box(0.1 + 0.01 * row, 0.1)])
        assert found.track_id == 1
    # It is hardly seen, then not at all for a few rows, and comes back.
    assert [f.track_id for f in track.execute([box(0.18, 0.1, score=0.3)])] == [1]
    for _ in range(3):
        assert track.execute([]) == []
    assert [f.track_id for f in track.execute([box(0.22, 0.1)])] == [1]
    for _ in range(10):
        track.execute([])
    assert [f.track_id for f in track.execute([box(0.22, 0.1)])] == [2]


def test_in_a_graph(tmp_path: Path) -> None:
    pytest.importorskip("edgefirst.tracker")
    with open_client(tmp_path / "db") as sc:
        boxes = NamedStream(sc, "boxes")
        boxes.save(crossing(), BboxList)
        tracks = sc.ops.TrackObjects(bboxes=sc.io.Input([boxes]))
        output = NamedStream(sc, "tracks")
        # Many tasks could be made of the rows, but not of tracks.
        sc.run(sc.io.Output(tracks, [output]), PerfParams.manual(3, 6))
        found = list(output.load())
    assert [{f.track_id for f in row} for row in found] == [{1, 2}] * 40


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "edgefirst.tracker", None)
    with pytest.raises(
        errors.MissingDependencyError, match=r"pip install .*\[tracking\]"
    ):
        TrackObjects(CONFIG)
