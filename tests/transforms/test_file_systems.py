"""Pipelines over videos of file systems that a test registers, and what names them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.io.fileio import MatchFiles, ReadMatches
from apache_beam.io.filesystem import FileMetadata
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing import test_stream

from beam_scanner import CacheMode, Client, NamedStream, NamedVideoStream, PerfParams
from beam_scanner.cli.inputs import find_videos
from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.storage.streams.formats import ImageFolder
from beam_scanner.transforms import (
    Range,
    ReadAllFromNamedStream,
    ReadAllFromVideo,
    ReadFromVideo,
    WriteToNamedStream,
)
from beam_scanner.transforms.match import MatchVideos
from tests.support.disk_file_system import filled, needs_options, registered
from tests.support.pipeline_kernels import Number
from tests.support.pipeline_runs import IN_MEMORY, PROCESSES, Run, stream
from tests.support.small_streams import elements

SPREAD = "--task_timeout=100"
"""Lets tasks be run by processes of their own."""


@pytest.fixture
def disk(tmp_path: Path, films: Path) -> Iterator[Path]:
    """A file system ``disk://`` with the folder ``films``."""
    root = tmp_path / "disk"
    names = {name: films / name for name in ("a.mp4", "b.mp4")}
    filled(root, {f"films/{name}": path for name, path in names.items()})
    filled(root, {"films/tv/c.mp4": films / "a.mp4"})
    (root / "films" / "notes.txt").write_text("no video")
    with registered("disk", str(root)):
        yield root


@pytest.mark.parametrize("flags", [(*IN_MEMORY, SPREAD), PROCESSES], ids=["", "many"])
@pytest.mark.slow
def test_videos_of_a_registered_file_system(
    flags: tuple[str, ...], disk: Path, db: Path
) -> None:
    """The class is one that workers could not import."""
    with Run(*flags) as run:
        frames = run.pipeline | ReadFromVideo("disk://films/**/*.mp4") | Range(0, 2)
        numbers = frames | Number()
        run.keep_written("n", numbers | WriteToNamedStream(str(db), "n/{stream}"))
    assert {name: list(stream(db, name).load()) for name in ("n/a.mp4", "n/b.mp4")} == {
        "n/a.mp4": [0, 1],
        "n/b.mp4": [100, 101],
    }
    assert list(stream(db, "n/tv/c.mp4").load()) == [0, 1]


@pytest.mark.slow
def test_options_of_a_file_system(disk: Path, films: Path, db: Path) -> None:
    """Processes that run tasks have them, too."""
    FileSystems.set_options(PipelineOptions([]))
    with registered("asks", "", **needs_options("asks", "")):
        url = "asks://films/a.mp4"
        with pytest.raises(ArgumentError, match="temp_location is not set"):
            Run().pipeline | ReadFromVideo(url)
        with Run(*IN_MEMORY, SPREAD, f"--temp_location={disk}") as run:
            frames = run.pipeline | ReadFromVideo(url) | Range(0, 1)
            run.keep("n", frames | Number())
        assert run.rows("n") == elements("a.mp4", [0])


@pytest.mark.slow
def test_the_client_reads_it_too(disk: Path, films: Path, tmp_path: Path) -> None:
    flags = [flag for flag in PROCESSES if not flag.startswith("--runner")]
    with Client(db_path=str(tmp_path / "client"), options=flags) as sc:
        given = [
            NamedVideoStream(sc, "there", path="disk://films/b.mp4"),
            NamedVideoStream(sc, "here", path=str(films / "b.mp4")),
        ]
        frames = sc.io.Input(given)
        made = [NamedStream(sc, f"{each.name()}'s") for each in given]
        output = sc.io.Output(sc.ops.Histogram(frame=frames), made)
        sc.run(output, PerfParams.estimate(), cache_mode=CacheMode.Overwrite)
        there, here = ([h[0].tolist() for h in each.load()] for each in made)
        assert there == here != []


def test_schemes_that_cannot_be_read(disk: Path) -> None:
    for given in (ReadFromVideo, MatchVideos):
        with pytest.raises(ArgumentError, match="no file system is registered with"):
            given("nosuch://films/*.mp4")
    with pytest.raises(ArgumentError, match="a database is written on conditions"):
        WriteToNamedStream("disk://films/db", "x")
    flag = "--scanner_db=disk://films/db"
    with pytest.raises(ArgumentError, match="a database is written on conditions"):
        Run(flag).pipeline | ReadFromVideo("disk://films/*.mp4")
    with pytest.raises(ArgumentError, match="a database is written on conditions"):
        Client(db_path="disk://films/db")
    # Without a sink the work would lie there, as is known when the pipeline runs.
    run = Run("--temp_location=disk://tmp")
    run.pipeline | ReadFromVideo("disk://films/a.mp4") | beam.Map(print)
    with pytest.raises(Exception) as raised:  # noqa: PT011 - Beam wraps it
        run.run()
    told: BaseException | None = raised.value
    while told is not None and not isinstance(told, ArgumentError):
        told = told.__cause__
    assert "a database is written on conditions" in str(told)


def test_a_scheme_that_only_elements_have(run: Run) -> None:
    paths = run.pipeline | beam.Create(["nosuch://films/a.mp4"])
    run.keep("failures", (paths | ReadAllFromVideo()).failures)
    run.run()
    (failure,) = run.rows("failures")
    assert "no file system is registered with Beam for 'nosuch://'" in failure.reason


def as_metadata(films: Path, p: Any) -> Any:
    return p | MatchFiles(f"{films}/?.mp4")


def as_readable(films: Path, p: Any) -> Any:
    return p | MatchFiles(f"{films}/?.mp4") | ReadMatches()


def as_paths(films: Path, p: Any) -> Any:
    return p | beam.Create([films / "a.mp4", films / "b.mp4"])


def as_mixed(films: Path, p: Any) -> Any:
    a, b = films / "a.mp4", str(films / "b.mp4")
    return p | beam.Create([FileMetadata(str(a), 1), b])


def as_folder(films: Path, p: Any) -> Any:
    return p | beam.Create([str(films)])


def of_unknown_type(films: Path, p: Any) -> Any:
    given = beam.Map(lambda name: str(films / name)).with_output_types(Any)
    return p | beam.Create(["a.mp4", "b.mp4"]) | given


GIVEN = [as_metadata, as_readable, as_paths, as_mixed, as_folder, of_unknown_type]


@pytest.mark.parametrize("given", GIVEN)
def test_what_names_videos(given: Any, run: Run, films: Path) -> None:
    frames = given(films, run.pipeline) | ReadAllFromVideo() | Range(0, 1)
    run.keep("n", frames | Number())
    run.run()
    assert run.rows("n") == elements("a.mp4", [0]) + elements("b.mp4", [100])


def test_pairs_name_their_streams(run: Run, films: Path) -> None:
    pairs = [("first", films / "b.mp4"), ("first", str(films / "b.mp4"))]
    pairs += [("second", f"{films}/a.mp?"), ("all", films), ("none", "no.mp4")]
    paths = run.pipeline | beam.Create(pairs)
    # Names that are given are not made again.
    frames = paths | ReadAllFromVideo(name=lambda path: "other") | Range(0, 1)
    run.keep("n", frames | Number())
    run.keep("failures", frames.failures)
    run.run()
    assert run.rows("n") == elements("first", [100]) + elements("second", [0])
    reasons = {each.stream: each.reason for each in run.rows("failures")}
    assert "'all' is the name of one video" in reasons["all"]
    assert "no file matches" in reasons["none"]
    assert len(reasons) == 2


@pytest.mark.parametrize("given", [[b"a.mp4"], [3], [("a", 3)], [("a", "b", "c")]])
def test_other_elements_are_refused(given: list[Any], run: Run) -> None:
    """Where their type is known, when the transform is applied."""
    with pytest.raises(ElementTypeError, match=r"ReadAllFromVideo.*paths or patterns"):
        run.pipeline | beam.Create(given) | ReadAllFromVideo()


def test_other_elements_fail_where_their_type_is_not_known(
    run: Run, films: Path
) -> None:
    given = [3, b"a.mp4", None, ("a", 3), str(films / "a.mp4"), Path()]
    anything = beam.Map(lambda each: each).with_output_types(Any)
    frames = run.pipeline | beam.Create(given) | anything | ReadAllFromVideo()
    run.keep("n", frames | Range(0, 1) | Number())
    run.keep("failures", frames.failures)
    run.run()
    assert run.rows("n") == elements("a.mp4", [0])
    told = sorted(each.reason for each in run.rows("failures"))
    assert len(told) == 5
    assert sum("expected paths or patterns" in reason for reason in told) == 4


def test_names_that_never_end_are_refused(db: Path) -> None:
    for read in (ReadAllFromVideo(), ReadAllFromNamedStream(str(db))):
        endless = beam.Pipeline("FnApiRunner") | test_stream.TestStream()
        with pytest.raises(ArgumentError, match="takes a bounded PCollection"):
            endless | read


@pytest.mark.slow
@pytest.mark.parametrize("place", ["folder", "slash", "url", "file url"])
def test_a_folder_is_its_videos(
    place: str, run: Run, disk: Path, db: Path, tmp_path: Path
) -> None:
    """The same for sources of pipelines, and for the command."""
    folder = {
        "folder": f"{disk}/films",
        "slash": f"{disk}/films/",
        "url": "disk://films/",
        "file url": f"file://{disk}/films",
    }[place]
    wanted = elements("a.mp4", [0]) + elements("b.mp4", [100])
    wanted += elements("tv/c.mp4", [0])
    source = run.pipeline | ReadFromVideo(folder)
    run.keep("n", source | Range(0, 1) | Number())
    every = run.pipeline | beam.Create([folder]) | ReadAllFromVideo()
    run.keep("all", every | "R" >> Range(0, 1) | "N" >> Number())
    run.keep("found", (run.pipeline | MatchVideos(folder)).videos)
    with pytest.raises(ArgumentError, match=r"put \{stream\} into it"):
        source | WriteToNamedStream(str(db), "one")
    run.run()
    assert run.rows("n") == run.rows("all") == wanted
    assert run.rows("found") == sorted(find_videos([folder]))


def test_a_folder_of_the_client(disk: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with Client(db_path=str(tmp_path / "client")) as sc:
        tables, failures = sc.ingest_videos(
            [
                ("local", f"{disk}/films"),
                ("there", "disk://films/"),
                ("one", f"{disk}/films/a.mp4"),
                ("none", str(tmp_path / "none")),
            ],
            inplace=True,
        )
        assert [table.name() for table in tables] == [
            *(f"local/{name}" for name in ("a.mp4", "b.mp4", "tv/c.mp4")),
            *(f"there/{name}" for name in ("a.mp4", "b.mp4", "tv/c.mp4")),
            "one",
        ]
        ((path, reason),) = failures
        assert path == str(tmp_path / "none")
        assert "no video below the folder" in reason


def test_a_folder_of_folders_of_images(run: Run, tmp_path: Path) -> None:
    import cv2
    import numpy as np

    for name in ("scans/1/a.png", "scans/2/a.png", "scans/2/b.png"):
        path = tmp_path / name
        os.makedirs(path.parent, exist_ok=True)
        assert cv2.imwrite(str(path), np.zeros((16, 16, 3), np.uint8))
    source = run.pipeline | ReadFromVideo(tmp_path / "scans", format=ImageFolder())
    run.keep("rows", source | beam.Map(lambda row: (row[0].stream, row[0].row)))
    one = run.pipeline | "One" >> ReadFromVideo(
        f"{tmp_path}/scans/2", format=ImageFolder()
    )
    run.keep("one", one | "One's" >> beam.Map(lambda row: (row[0].stream, row[0].row)))
    run.run()
    assert run.rows("rows") == [("1", 0), ("2", 0), ("2", 1)]
    assert run.rows("one") == [("2", 0), ("2", 1)]
