"""The graph ``shots``: shot boundaries, one thumbnail a shot, histograms."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from beam_scanner.apps.contact_sheet import Cell, contact_sheet
from beam_scanner.apps.graph_function import Written
from beam_scanner.errors import ArgumentError, did_you_mean
from beam_scanner.graph.nodes import OpColumn
from beam_scanner.kernels import KernelConfig
from beam_scanner.ops.detect_shots import DETECTORS as RULES
from beam_scanner.ops.detect_shots import DetectShots, ShotsFromScores
from beam_scanner.ops.transnet import TransNetV2
from beam_scanner.storage import NamedStream, NamedVideoStream
from beam_scanner.storage.stream_names import FOR_PEOPLE, stream_key
from beam_scanner.types.element_types import NumpyArrayInt32
from beam_scanner.types.image_files import encode_image

WIDTH = 320
"""Of thumbnails and previews, in pixels; smaller videos are not enlarged."""

TRANSNET = "transnetv2"

DETECTORS = (*RULES, TRANSNET)
"""Names of detectors."""


@dataclass(frozen=True)
class Shot:
    """Rows [first, end) of a video, and when they are shown, in seconds."""

    first: int
    end: int
    start_seconds: float
    end_seconds: float

    @property
    def middle(self) -> int:
        """The row that stands for the shot."""
        return (self.first + self.end) // 2


def shots(
    sc: Any, videos: list[NamedVideoStream], **arguments: Any
) -> Generator[Mapping[str, OpColumn], Written, Sequence[str]]:
    """Finds the shots of videos.

    Outputs: ``histograms`` of every frame; ``boundaries``, in row 0 the list of rows at
    which shots begin; ``previews``, small videos; ``thumbnails``, a JPEG of the middle
    of each shot; ``shots``, the first row of each shot and the row after its last. In
    the folder of ``shots`` are a contact sheet, a table of the shots and the preview as
    one file.

    Args:
        sc: The client.
        videos: What to look at.
        **arguments: Of :func:`shot_boundaries`.
    """
    frames = sc.io.Input(videos)
    found = yield {
        "histograms": sc.ops.Histogram(frame=frames),
        "boundaries": shot_boundaries(sc, frames, len(videos), **arguments),
        "previews": _small(sc, frames, len(videos)),
    }
    shots_of = [
        _shots(video, next(boundaries.load(rows=[0])))
        for video, boundaries in zip(found.videos, found["boundaries"], strict=True)
    ]
    middles = sc.streams.Gather(
        sc.io.Input(found.videos), [[s.middle for s in each] for each in shots_of]
    )
    small = _small(sc, middles, len(found.videos))
    made = yield {"thumbnails": sc.ops.ImageEncoder(frame=small, format="jpg")}
    files: list[str] = []
    for video, each, previews in zip(
        found.videos, shots_of, found["previews"], strict=True
    ):
        if video in made.videos:
            thumbnails = made["thumbnails"][made.videos.index(video)]
            files += _leave(made.stream("shots", video), each, thumbnails, previews)
    return files


def shot_boundaries(
    sc: Any, frames: OpColumn, jobs: int, detector: str = "local", **arguments: Any
) -> OpColumn:
    """Where shots begin, by the detector of a name.

    Args:
        sc: The client.
        frames: Of the videos.
        jobs: How many videos these are.
        detector: One of ``DETECTORS``.
        **arguments: ``threshold``, ``floor`` and ``min_length``, as ``DetectShots``
            takes them, or ``ShotsFromScores`` for 'transnetv2'.

    Returns:
        A column whose row 0 has the list of rows, and others None.
    """
    column: OpColumn
    if detector != TRANSNET:
        features = sc.ops.ShotFeatures(frame=frames)
        column = sc.ops.DetectShots(features=features, detector=detector, **arguments)
        return column
    small = sc.ops.Resize(
        frame=frames,
        width=[48] * jobs,
        height=[27] * jobs,
        interpolation=["INTER_AREA"] * jobs,
    )
    scores = sc.ops.TransNetV2(frame=small)
    column = sc.ops.ShotsFromScores(scores=scores, **arguments)
    return column


def check_detector(arguments: Mapping[str, Any]) -> None:
    """Checks arguments of :func:`shot_boundaries` before there are videos.

    Raises:
        ArgumentError: There is no such detector, or it takes no such value.
        MissingDependencyError: What it needs is not installed.
    """
    given = dict(arguments)
    config = KernelConfig()
    name = given.get("detector", TRANSNET)
    if name not in DETECTORS:
        hint = did_you_mean(name, DETECTORS) or f"; there are {', '.join(DETECTORS)}"
        raise ArgumentError(f"there is no detector {name!r}{hint}")
    if given.get("detector") != TRANSNET:
        DetectShots(config, **given)
        return
    del given["detector"]
    if "floor" in given:
        raise ArgumentError(f"detector {TRANSNET!r} has no floor")
    ShotsFromScores(config, **given)
    TransNetV2(config)


def _small(sc: Any, frames: OpColumn, jobs: int) -> OpColumn:
    small: OpColumn = sc.ops.Resize(
        frame=frames,
        width=[WIDTH] * jobs,
        preserve_aspect=[True] * jobs,
        min=[True] * jobs,
        interpolation=["INTER_AREA"] * jobs,
    )
    return small


def _shots(video: NamedVideoStream, boundaries: Sequence[int]) -> list[Shot]:
    with video.reader() as reader:
        seconds = reader.seconds(np.arange(video.len()))
    bounds = [0, *boundaries, video.len()]
    interval = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0
    times = np.append(seconds, seconds[-1] + interval)
    return [
        Shot(first, end, float(times[first]), float(times[end]))
        for first, end in itertools.pairwise(bounds)
    ]


def _leave(
    stream: NamedStream,
    found: Sequence[Shot],
    thumbnails: NamedStream,
    previews: NamedVideoStream,
) -> list[str]:
    """Saves the stream of shots, and files for people beside it."""
    stream.save(
        [np.array([shot.first, shot.end], np.int32) for shot in found],
        ty=NumpyArrayInt32,
        seconds=[shot.start_seconds for shot in found],
    )
    cells = [
        Cell(image, number, shot.first, shot.end, shot.start_seconds, shot.end_seconds)
        for number, (shot, image) in enumerate(
            zip(found, thumbnails.load(), strict=True), 1
        )
    ]
    store = stream.storage().store()
    folder = stream_key(stream.name())
    sheet, table, preview = FOR_PEOPLE
    written = {
        sheet: encode_image(contact_sheet(cells), "png"),
        table: _table(found),
    }
    for name, data in written.items():
        store.put(f"{folder}/{name}", data)
    # The file is made on this machine wherever the database is.
    scratch = Path(previews.save_mp4(store.scratch(".mp4")))
    store.put(f"{folder}/{preview}", scratch)
    return [store.describe(f"{folder}/{name}") for name in FOR_PEOPLE]


def _table(found: Sequence[Shot]) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["shot", "first_row", "end_row", "start_seconds", "end_seconds"])
    for number, shot in enumerate(found, 1):
        times = f"{shot.start_seconds:.3f}", f"{shot.end_seconds:.3f}"
        rows.writerow([number, shot.first, shot.end, *times])
    return text.getvalue().encode()
