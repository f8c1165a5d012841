"""examples/track_motion_beam.py, as it is printed there, on every runner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from beam_scanner import NamedStorage, NamedVideoStream
from tests.support.folders import ROOT
from tests.support.programs import python
from tests.support.video_fixtures import make_video

SIZE = (160, 96)


def scene(number: int, size: tuple[int, int]) -> np.ndarray:
    """A square goes right from frame 8 on, and another one down from frame 24 on."""
    frame = np.full((size[1], size[0], 3), 60, np.uint8)
    if number >= 8:
        frame[16:40, 2 * number : 2 * number + 24] = 220
    if number >= 24:
        frame[24 + number : 40 + number, 130:150] = 200
    return frame


def still(number: int, size: tuple[int, int]) -> np.ndarray:
    return scene(0, size)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    make_video(folder / "moving.mp4", frames=50, size=SIZE, picture=scene)
    make_video(folder / "still.mp4", frames=20, size=SIZE, picture=still)
    return folder


def read(folder: Path) -> list[dict[str, Any]]:
    """The records, in order."""
    files = sorted(folder.glob("tracks-*.parquet"))
    found = [record for file in files for record in pq.read_table(file).to_pylist()]
    return sorted(found, key=lambda record: (record["film"], record["row"]))


@pytest.mark.slow
def test_the_example(runner_flags: list[str], films: Path, tmp_path: Path) -> None:
    program = ROOT / "examples" / "track_motion_beam.py"
    places = [f"--input={films}/*.mp4", f"--output={tmp_path}/out"]
    python(program, *places, *runner_flags, cwd=tmp_path)
    found = read(tmp_path / "out")
    assert [(record["film"], record["row"]) for record in found] == [
        ("moving.mp4", row) for row in range(1, 7)
    ]
    assert [record["seconds"] for record in found] == [
        pytest.approx(row * 8 / 25) for row in range(1, 7)
    ]
    right, down = _track(found, 1), _track(found, 2)
    assert [row for row, _ in right] == [1, 2, 3, 4, 5, 6]
    assert [row for row, _ in down] == [3, 4, 5, 6]
    for row, box in right:
        assert box["x1"] == pytest.approx(16 * row / SIZE[0], abs=0.03)
        assert box["y2"] == pytest.approx(40 / SIZE[1], abs=0.05)
    for row, box in down:
        assert box["x2"] == pytest.approx(150 / SIZE[0], abs=0.03)
        assert box["y1"] == pytest.approx((24 + 8 * row) / SIZE[1], abs=0.05)
    db = NamedStorage(str(tmp_path / "out" / "db"))
    rows = [NamedVideoStream(db, f"small/{name}.mp4") for name in ("moving", "still")]
    assert [stream.len() for stream in rows] == [7, 3]
    assert {frame.shape for frame in rows[0].load()} == {(180, 320, 3)}


def _track(records: list[dict[str, Any]], number: int) -> list[tuple[int, Any]]:
    return [
        (record["row"], box)
        for record in records
        for box in record["boxes"]
        if box["track"] == number
    ]
