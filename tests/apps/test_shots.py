"""The graph ``shots``, from the command."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from beam_scanner.models import transnet_network
from beam_scanner.storage import NamedStorage, NamedStream
from tests.support.commands import IN_MEMORY, command, wrong
from tests.support.cut_films import joined, misses, moving_clip
from tests.support.real_clips import needs_weights


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


def composed(path: Path, gradual: int = 0) -> list[tuple[int, int]]:
    """A film of four clips; gives its transitions."""
    clips = [moving_clip(seed, 50) for seed in range(20, 24)]
    film, transitions = joined(clips, gradual)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = film.shape[2], film.shape[1]
        stream.options = {"crf": "20", "preset": "ultrafast"}
        for picture in film:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return transitions


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gradual", "arguments"),
    [
        (12, []),
        pytest.param(
            0,
            ["--detector", "histogram", "--min-length", "20"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_shots_are_those_of_the_boundaries(
    gradual: int, arguments: list[str], tmp_path: Path
) -> None:
    transitions = composed(tmp_path / "film.mp4", gradual)
    db = str(tmp_path / "db")
    assert command(tmp_path / "film.mp4", "--output", db, IN_MEMORY, *arguments) == 0
    storage = NamedStorage(db)
    (boundaries, *rest) = NamedStream(storage, "boundaries/film.mp4").load()
    rows = len(rest) + 1
    assert set(rest) == {None}
    assert list(misses(boundaries, transitions)) == []
    found = [value.tolist() for value in NamedStream(storage, "shots/film.mp4").load()]
    bounds = [0, *boundaries, rows]
    assert found == [list(pair) for pair in itertools.pairwise(bounds)]


def test_tasks_change_no_boundary(tmp_path: Path) -> None:
    composed(tmp_path / "film.mp4", 12)
    chain = "ShotFeatures() | DetectShots(threshold=0.6)"
    sizes = ["--work-packet-size", "10", "--io-packet-size", "20"]
    found = []
    for number, more in enumerate((sizes, [])):
        db = str(tmp_path / str(number))
        film = tmp_path / "film.mp4"
        given = [film, "--output", db, "--ops", chain, IN_MEMORY, *more]
        assert command(*given) == 0
        found.append(next(NamedStream(NamedStorage(db), "detectshots/film.mp4").load()))
    assert found[0] == found[1]
    assert len(found[0]) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--detector", "best"], "there is no detector 'best'; there are local, "),
        (["--detector", "transnet"], "'transnet'; did you mean transnetv2?"),
        (["--detector", "content", "--floor", "3"], "detector 'content' has no floor"),
        (["--threshold", "7"], "threshold of detector 'local' must be from 0 to 1"),
        (["--ops", "Histogram()", "--floor", "3"], "--floor is for the graph shots"),
        (["--detector", "transnetv2", "--floor", "3"], "'transnetv2' has no floor"),
    ],
)
def test_arguments_that_are_refused(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    film = scenes(tmp_path / "film.mp4", [3], (16, 16))
    assert message in wrong(capsys, film, "--output", tmp_path / "db", *arguments)
    assert not (tmp_path / "db").exists()


def test_transnet_from_the_command(tmp_path: Path) -> None:
    needs_weights(transnet_network.PACKAGE, transnet_network.FILE)
    transitions = composed(tmp_path / "film.mp4")
    db = str(tmp_path / "db")
    given = [tmp_path / "film.mp4", "--output", db, IN_MEMORY]
    assert command(*given, "--detector", "transnetv2") == 0
    boundaries = next(NamedStream(NamedStorage(db), "boundaries/film.mp4").load())
    assert boundaries == [after for _, after in transitions]
