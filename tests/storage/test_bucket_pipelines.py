"""Pipelines whose every path is in a bucket: ours, Beam's sinks, and Beam's sources."""

from __future__ import annotations

from typing import Any

import apache_beam as beam
import pytest
from apache_beam.io.fileio import MatchFiles
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to

from beam_scanner.storage import NamedStorage, NamedStream
from beam_scanner.transforms import (
    ReadAllFromVideo,
    ReadFromVideo,
    Stride,
    WriteToNamedStream,
    op,
)
from beam_scanner.types import FrameType
from tests.support.long_videos import upload
from tests.support.tiers import most_slow
from tests.support.video_fixtures import frame_number, make_video

FILMS = ("a", "b")
FRAMES = 24
RUNNERS = {
    "memory": ["--direct_running_mode=in_memory"],
    "processes": ["--direct_running_mode=multi_processing", "--direct_num_workers=2"],
}

# Beam's own client for S3 is one more dependency, and none of ours.
pytestmark = pytest.mark.parametrize("object_server", ["gs"], indirect=True)


def _number(config: Any, frame: FrameType) -> int:
    return frame_number(frame)


Number = op(_number)


@pytest.fixture
def films(bucket_url: str, tmp_path: Any) -> str:
    """A pattern that finds two videos; the second one's numbers begin at 100."""
    for place, name in enumerate(FILMS):
        path = make_video(
            tmp_path / f"{name}.mp4", frames=FRAMES, gop=8, first_number=100 * place
        )
        upload(f"{bucket_url}/films/{name}.mp4", path)
    return f"{bucket_url}/films/*.mp4"


def options(bucket: str, runner: str = "memory") -> PipelineOptions:
    return PipelineOptions(
        [
            "--runner=FnApiRunner",
            *RUNNERS[runner],
            f"--temp_location={bucket}/temp",
            f"--scanner_db={bucket}/db",
        ]
    )


def wanted_rows() -> list[tuple[str, int, int]]:
    return [
        (f"{name}.mp4", row, 100 * place + 8 * row)
        for place, name in enumerate(FILMS)
        for row in range(FRAMES // 8)
    ]


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("runner", most_slow(RUNNERS))
def test_to_parquet_and_back(runner: str, bucket_url: str, films: str) -> None:
    """Also a sink of ours beside Beam's, and nothing temporary is left."""
    with beam.Pipeline(options=options(bucket_url, runner)) as pipeline:
        numbers = pipeline | ReadFromVideo(films) | Stride(8) | Number()
        _ = numbers | WriteToNamedStream(f"{bucket_url}/db", "numbers/{stream}")
        rows = numbers | beam.Select(
            stream=lambda kv: kv[0].stream,
            row=lambda kv: kv[0].row,
            number=lambda kv: kv[1],
        )
        _ = rows | beam.io.WriteToParquet(f"{bucket_url}/out/numbers", num_shards=2)
    files = sorted(
        m.path for m in FileSystems.match([f"{bucket_url}/out/**"])[0].metadata_list
    )
    assert files == [f"{bucket_url}/out/numbers-0000{n}-of-00002" for n in range(2)]
    with beam.Pipeline(options=options(bucket_url)) as pipeline:
        read = pipeline | beam.io.ReadFromParquet(f"{bucket_url}/out/numbers-*")
        plain = read | beam.Map(lambda r: (r["stream"], r["row"], r["number"]))
        assert_that(plain, equal_to(wanted_rows()))
    stored = NamedStream(NamedStorage(f"{bucket_url}/db"), "numbers/b.mp4")
    assert list(stored.load()) == [100, 108, 116]
    store = NamedStorage(bucket_url).store()
    assert not list(store.list("db/.work/runs/"))
    assert not list(store.list("temp/"))


@pytest.mark.slow
def test_text_and_matches(bucket_url: str, films: str) -> None:
    """Paths in a file in the bucket lead to streams, and lines go back there."""
    with beam.Pipeline(options=options(bucket_url)) as pipeline:
        paths = pipeline | MatchFiles(films) | beam.Map(lambda match: match.path)
        _ = paths | beam.io.WriteToText(f"{bucket_url}/lists/films", num_shards=1)
    with beam.Pipeline(options=options(bucket_url)) as pipeline:
        listed = pipeline | beam.io.ReadFromText(f"{bucket_url}/lists/films*")
        numbers = listed | ReadAllFromVideo() | Stride(8) | Number()
        lines = numbers | beam.MapTuple(lambda key, number: f"{key.row} {number}")
        _ = lines | beam.io.WriteToText(f"{bucket_url}/out/lines", ".txt")
    with beam.Pipeline(options=options(bucket_url)) as pipeline:
        found = pipeline | beam.io.ReadFromText(f"{bucket_url}/out/lines*.txt")
        assert_that(found, equal_to([f"{r} {n}" for _, r, n in wanted_rows()]))
