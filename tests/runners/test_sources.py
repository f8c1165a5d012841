"""What names videos, where they are, and branches of them, on every runner."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.io.fileio import MatchFiles
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner import NamedStorage, NamedStream
from beam_scanner.errors import ArgumentError
from beam_scanner.transforms import (
    Range,
    ReadAllFromVideo,
    ReadFromVideo,
    Slice,
    Unslice,
    WriteToNamedStream,
    partitioner,
)
from tests.support.disk_file_system import filled, registered
from tests.support.pipeline_kernels import Number
from tests.support.seen_frames import Seen


def rows(db: Path, name: str) -> list[Any]:
    return list(NamedStream(NamedStorage(str(db)), name).load())


@pytest.mark.slow
def test_sources_and_branches(
    runner_flags: list[str], film: str, tmp_path: Path
) -> None:
    """One pipeline, since runners take long to start."""
    db = tmp_path / "db"
    filled(tmp_path / "disk", {"films/a.mp4": film, "films/tv/b.mp4": film})
    options = PipelineOptions(runner_flags)
    # Beam's local files, and a file system whose class workers could not import.
    with (
        registered("disk", str(tmp_path / "disk")),
        beam.Pipeline(options=options) as p,
    ):
        matched = p | MatchFiles(f"{tmp_path}/disk/films/*.mp4") | ReadAllFromVideo()
        few = matched | Range(5, 8) | Number()
        _ = few | WriteToNamedStream(str(db), "matched/{stream}")
        folder = p | "Folder" >> ReadFromVideo("disk://films/")
        groups = folder | Slice(partitioner.all(40)) | Seen() | Unslice()
        _ = groups | "Groups" >> WriteToNamedStream(str(db), "seen/{stream}")
        plain = folder | "All" >> Number()
        _ = plain | "Plain" >> WriteToNamedStream(str(db), "plain/{stream}")
    assert rows(db, "matched/a.mp4") == [5, 6, 7]
    for name in ("a.mp4", "tv/b.mp4"):
        assert rows(db, f"seen/{name}") == [row % 40 for row in range(96)]
        assert rows(db, f"plain/{name}") == list(range(96))


def test_containers_reach_no_folder(
    runner_flags: list[str], film: str, tmp_path: Path
) -> None:
    """Where workers are containers, places of this machine are refused."""
    docker = ["--environment_type=DOCKER", "--environment_config=image"]
    is_local = any(re.search("FnApi", flag) for flag in runner_flags)
    pipeline = beam.Pipeline(options=PipelineOptions([*runner_flags, *docker]))
    if is_local:
        pipeline | ReadFromVideo(film)
        return
    with pytest.raises(ArgumentError, match="which containers"):
        pipeline | ReadFromVideo(film)
