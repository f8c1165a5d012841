"""Clips that a pipeline finds share the batches of a model, and fail alone."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import Any

import apache_beam as beam

from beam_scanner import NamedStream
from beam_scanner.transforms import Infer, ReadFromVideo, WriteToNamedStream
from tests.support.client_helpers import IN_MEMORY, open_client
from tests.support.models import note
from tests.support.video_fixtures import frame_number, make_video


class Counting:
    """Numbers of frames; notes each call, and fails at one number."""

    def __init__(self, calls: Path) -> None:
        self.calls = str(calls)

    def load(self) -> None: ...

    def __call__(self, batch: Any) -> list[int]:
        note(self.calls, f"{len(batch)} rows ")
        found = [frame_number(frame) for frame in batch]
        if 105 in found:
            raise ValueError("frame 105")
        return found


def whole(value: Any) -> int:
    return int(value)


def test_clips_of_a_pipeline_share_batches(tmp_path: Path) -> None:
    calls_made = tmp_path / "calls"
    calls_made.mkdir()
    names = [f"{number}.mp4" for number in range(400)]
    lots = [blake2b(n.encode(), digest_size=1).digest()[0] % 16 for n in names]
    clips = sorted([n for n, lot in zip(names, lots, strict=True) if not lot][:7])
    folder = tmp_path / "clips"
    folder.mkdir()
    for number, name in enumerate(clips):
        make_video(folder / name, 5, first_number=100 * (number == 2) + number)
    with beam.Pipeline(argv=["--runner=FnApiRunner", *IN_MEMORY]) as pipeline:
        numbers = (
            pipeline
            | ReadFromVideo(f"{folder}/*.mp4")
            | Infer(Counting(calls_made), batch=16, postprocess=whole)
        )
        _ = numbers | "Beside" >> WriteToNamedStream(
            str(tmp_path / "other"), name="{stream}"
        )
        _ = numbers | WriteToNamedStream(str(tmp_path / "db"), name="{stream}")
    calls = [name.partition(" ")[0] for name in os.listdir(calls_made)]
    # Three share a task; that with the clip that fails does as well.
    assert calls.count("15") == 2
    sc = open_client(tmp_path / "db")
    there = [NamedStream(sc, name).committed() for name in clips]
    assert there == [True, True, False, True, True, True, True]
    for number, name in enumerate(clips):
        if number != 2:
            found: list[Any] = list(NamedStream(sc, name).load())
            assert found == list(range(number, number + 5))
