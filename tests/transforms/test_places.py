"""Pipelines that could not work where their runner puts the workers."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.flink_runner import FlinkRunner
from apache_beam.runners.runner import PipelineRunner

from beam_scanner.beam_internals.applied_steps import runner_of
from beam_scanner.elements.keys import FrameKey
from beam_scanner.errors import ArgumentError, MissingDependencyError
from beam_scanner.runners import dataflow
from beam_scanner.transforms import (
    Histogram,
    ReadAllFromVideo,
    ReadFromNamedStream,
    ReadFromVideo,
    VideoGraph,
    WriteToNamedStream,
    WriteToNamedVideo,
)
from beam_scanner.transforms.match import MatchAllVideos, MatchVideos
from beam_scanner.transforms.places import check_places
from tests.support.pipeline_runs import Run

DATAFLOW = (
    "--runner=DataflowRunner",
    "--project=my-project",
    "--region=us-central1",
    "--temp_location=gs://bucket/tmp",
    "--sdk_container_image=repo/image:1",
)
ROWS = [(FrameKey("a", 0, 0), b"1")]

Applied = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def with_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the clients of Google Cloud were installed."""
    monkeypatch.setattr(dataflow, "_check_installed", lambda: None)


@pytest.fixture
def job_server() -> Iterator[str]:
    with socket.create_server(("localhost", 0)) as server:
        yield f"localhost:{server.getsockname()[1]}"


def pipeline_with(*flags: str, runner: Any = None) -> beam.Pipeline:
    made = beam.Pipeline("FnApiRunner", PipelineOptions([*flags]))
    # Beam's own runners validate options too, and need packages.
    made.runner = type(runner or _runner(flags), (PipelineRunner,), {})()
    return made


def _runner(flags: tuple[str, ...]) -> str:
    return next(f.partition("=")[2] for f in flags if f.startswith("--runner="))


SOURCES: dict[str, Applied] = {
    "video": lambda p: p | ReadFromVideo("films/*.mp4"),
    "file URL": lambda p: p | ReadFromVideo("file:///films/*.mp4"),
    "matching alone": lambda p: p | MatchVideos(["gs://bucket/*", "films/*.mp4"]),
    "named streams": lambda p: p | ReadFromNamedStream("db", "a"),
    "graph": lambda p: (
        p | VideoGraph(lambda p: p | ReadFromVideo("films/a.mp4") | Histogram())
    ),
    "elements": lambda p: (
        p | beam.Create(ROWS) | WriteToNamedStream("db", name="x/{stream}", type=bytes)
    ),
    "sink": lambda p: p | ReadFromVideo("gs://bucket/*.mp4") | WriteToNamedVideo("db"),
    "sink in a graph": lambda p: (
        p
        | VideoGraph(
            lambda p: p | ReadFromVideo("gs://bucket/*.mp4") | WriteToNamedVideo("db")
        )
    ),
}


@pytest.mark.parametrize("apply", SOURCES.values(), ids=SOURCES)
def test_places_of_this_machine(
    apply: Applied, job_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match="out of reach of Dataflow's workers"):
        apply(pipeline_with(*DATAFLOW))
    docker = (
        "--environment_type=DOCKER",
        "--environment_config=image",
        f"--job_endpoint={job_server}",
    )
    for runner in ("FlinkRunner", "PrismRunner", "PortableRunner", "SparkRunner"):
        with pytest.raises(ArgumentError, match=r"containers .* do not have"):
            apply(pipeline_with(f"--runner={runner}", *docker))
    pool = pipeline_with(
        "--runner=PortableRunner",
        "--environment_type=EXTERNAL",
        "--environment_config=pool:9",
        f"--job_endpoint={job_server}",
    )
    with pytest.warns(UserWarning, match="they must have the folder"):
        apply(pool)
    apply(pipeline_with("--runner=FnApiRunner"))
    apply(pipeline_with("--runner=PrismRunner"))


@pytest.mark.parametrize(
    ("flag", "changed", "told"),
    [
        ("--sdk_container_image", None, "--sdk_container_image is missing"),
        ("--temp_location", "tmp", "--temp_location='tmp': expected a folder gs://"),
        ("--region", None, "--region is missing"),
        ("--scanner_db", "db", "'db' is out of reach"),
    ],
)
def test_options_of_dataflow(
    flag: str, changed: str | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLOUDSDK_COMPUTE_REGION", raising=False)
    flags = [each for each in DATAFLOW if not each.startswith(flag)]
    flags += [] if changed is None else [f"{flag}={changed}"]
    pipeline = pipeline_with(*flags)
    with pytest.raises(ArgumentError, match=re.escape(told)):
        pipeline | ReadFromVideo("gs://bucket/*.mp4")
    # Paths that are elements change nothing of it.
    with pytest.raises(ArgumentError, match=re.escape(told)):
        pipeline | beam.Create(["gs://bucket/*.mp4"]) | ReadAllFromVideo()


def test_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingDependencyError("Dataflow needs google.cloud.storage")

    monkeypatch.setattr(dataflow, "_check_installed", missing)
    with pytest.raises(MissingDependencyError):
        pipeline_with(*DATAFLOW) | ReadFromVideo("gs://bucket/*.mp4")


def test_what_can_work_is_accepted() -> None:
    pipeline = pipeline_with(*DATAFLOW)
    frames = pipeline | ReadFromVideo("gs://bucket/*.mp4")
    frames | WriteToNamedVideo("gs://bucket/db")
    frames | Histogram() | WriteToNamedStream("s3://bucket/db")


def test_a_job_server_that_is_not_there() -> None:
    pipeline = pipeline_with(
        "--runner=PortableRunner",
        "--job_endpoint=localhost:9",
        "--environment_type=LOOPBACK",
    )
    with pytest.raises(ArgumentError, match="nothing listens there"):
        pipeline | ReadFromVideo("films/*.mp4")


def test_the_runner_of_the_pipeline_counts() -> None:
    """Not the one that its options name."""
    made = pipeline_with("--runner=FnApiRunner", *DATAFLOW[1:], runner="DataflowRunner")
    with pytest.raises(ArgumentError, match="out of reach"):
        made | ReadFromVideo("films/*.mp4")
    assert made.options.get_all_options()["runner"] == "FnApiRunner"
    other = pipeline_with(*DATAFLOW, runner="FnApiRunner")
    other | ReadFromVideo("films/*.mp4")
    derived = beam.Pipeline("FnApiRunner")
    derived.runner = type("Mine", (FlinkRunner,), {})()
    assert runner_of(derived) == "FlinkRunner"


def test_programs_that_beam_finds_itself_are_not_asked_for() -> None:
    """Beam downloads its job server's jar and Prism, if need be."""
    for runner in ("FlinkRunner", "PrismRunner"):
        pipeline_with(f"--runner={runner}") | ReadFromVideo("films/*.mp4")


def test_packages_for_containers(job_server: str) -> None:
    flags = ("--runner=PortableRunner", f"--job_endpoint={job_server}")
    with pytest.raises(ArgumentError, match="Beam's own image has neither"):
        pipeline_with(*flags) | ReadFromVideo("gs://bucket/*.mp4")
    given = pipeline_with(*flags, "--requirements_file=requirements.txt")
    given | ReadFromVideo("gs://bucket/*.mp4")


def test_a_place_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(
        "beam_scanner.transforms.places.check_pipeline",
        lambda options, urls: asked.append(list(urls)),
    )
    pipeline = pipeline_with(*DATAFLOW)
    check_places(pipeline, "gs://a/b")
    check_places(pipeline, "gs://a/b")
    check_places(pipeline)
    check_places(pipeline, "gs://a/b", "gs://a/c")
    assert asked == [["gs://a/b"], ["gs://a/c"]]


def test_paths_that_are_elements_fail_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the driver cannot know, the workers say."""
    monkeypatch.setattr(
        "beam_scanner.transforms.match.why_paths_fail",
        lambda pipeline: "is out of reach of Dataflow's workers",
    )
    file = tmp_path / "a.mp4"
    file.touch()
    with Run() as run:
        paths = run.pipeline | beam.Create([str(file), f"file://{file}"])
        found = paths | MatchAllVideos()
        run.keep("videos", found.videos)
        run.keep("failures", found.failures)
    assert run.rows("videos") == []
    reasons = {failure.reason for failure in run.rows("failures")}
    assert reasons == {
        f"{str(file)!r} is out of reach of Dataflow's workers",
        f"'file://{file}' is out of reach of Dataflow's workers",
    }
