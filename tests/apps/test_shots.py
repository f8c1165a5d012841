"""The graph ``shots``, from the command."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from beam_scanner.storage import NamedStorage, NamedStream
from tests.support.commands import IN_MEMORY, command

# The built-in graph.


def scenes(path: Path, lengths: list[int], size: tuple[int, int]) -> str:
    """A video whose shots have one color each."""
    colors = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (220, 220, 220)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "rgb24"
        stream.options = {"crf": "0", "preset": "ultrafast"}
        for shot, length in enumerate(lengths):
            for row in range(length):
                picture = np.full((size[1], size[0], 3), colors[shot % 4], np.uint8)
                picture[: row % size[1]] //= 2
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


@pytest.mark.parametrize(
    ("lengths", "size"),
    [([20, 30, 15], (64, 48)), ([7], (35, 91)), ([1], (64, 48))],
)
def test_shots(tmp_path: Path, lengths: list[int], size: Any) -> None:
    path, db = scenes(tmp_path / "film.mp4", lengths, size), str(tmp_path / "db")
    assert command("--input", path, "--output", db, IN_MEMORY) == 0
    storage = NamedStorage(db)
    ends = np.cumsum(lengths)
    found = [value.tolist() for value in NamedStream(storage, "shots/film.mp4").load()]
    assert found == [[int(e - n), int(e)] for n, e in zip(lengths, ends, strict=True)]
    thumbnails = list(NamedStream(storage, "thumbnails/film.mp4").load())
    assert [t.shape for t in thumbnails] == [(size[1], size[0], 3)] * len(lengths)
    folder = Path(db) / "shots" / "film.mp4"
    with av.open(str(folder / "contact_sheet.png")) as container:
        sheet = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert sheet.shape[0] > size[1]
    with av.open(str(folder / "preview.mp4")) as container:
        assert len(list(container.decode(video=0))) == sum(lengths)
    with open(folder / "shots.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["first_row"]) for row in rows] == [f[0] for f in found]
    assert float(rows[-1]["end_seconds"]) == pytest.approx(
        (sum(lengths) - (len(lengths) == 1 and lengths[0] == 1)) / 25, abs=0.002
    )
