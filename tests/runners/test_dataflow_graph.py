"""The job that Dataflow would be sent: made in full, and sent nowhere."""

from __future__ import annotations

import json
import logging
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2

from beam_scanner import DeviceType, FrameType
from beam_scanner.errors import ArgumentError
from beam_scanner.run.options import ScannerOptions
from beam_scanner.run.pipeline_stages import RunGraph
from beam_scanner.run.worker_run import StoredRun
from beam_scanner.runners import dataflow
from beam_scanner.transforms import (
    Histogram,
    Infer,
    Op,
    Range,
    ReadFromVideo,
    Repeat,
    RepeatNull,
    Resize,
    ShotBoundaries,
    Slice,
    Stride,
    Unslice,
    WriteToNamedStream,
    WriteToNamedVideo,
    partitioner,
)
from tests.support.folders import ROOT
from tests.support.job_graph import crossings, environments
from tests.support.runner_graphs import FEATURES
from tests.support.small_gcs import Objects, small_gcs

apiclient = pytest.importorskip(
    "apache_beam.runners.dataflow.internal.apiclient", reason="needs the gcp extra"
)

IMAGE = "us-docker.pkg.dev/my-project/video/worker:1"
GPU = "beam:resources:accelerator:v1"
RAM = "beam:resources:min_ram_bytes:v1"

Build = Callable[[beam.Pipeline], Any]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Objects]:
    """What is staged."""
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    logging.getLogger("google").setLevel(logging.ERROR)
    with small_gcs() as (url, objects):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        yield objects


def options(**given: Any) -> PipelineOptions:
    more = ["--no_auth", "--sdk_location=container", "--dry_run=true"]
    more += given.pop("more", [])
    settings = {"sdk_container_image": IMAGE, **given}
    return dataflow.options(
        project="my-project",
        region="us-central1",
        temp_location="gs://bucket/tmp",
        more=more,
        **settings,
    )


def submitted(build: Build, made: PipelineOptions) -> Any:
    """The job of a dry run."""
    pipeline = beam.Pipeline(options=made)
    build(pipeline)
    return pipeline.run().job


def described(job: Any) -> dict[str, Any]:
    """What the service would be told, after all files are staged."""
    client = apiclient.DataflowApplicationClient(job.options, job.root_staging_location)
    client.create_job_description(job)
    told: dict[str, Any] = json.loads(job.json())
    return told


def two_phases(pipeline: beam.Pipeline, **hints: Any) -> None:
    jobs = pipeline | beam.Create(range(3))
    jobs | RunGraph(StoredRun("gs://bucket/db", "run"), 2, **hints)


@pytest.mark.slow
def test_all_stages_are_in_the_image_and_none_has_hints(bucket: Objects) -> None:
    found = environments(submitted(two_phases, options()).proto_pipeline)
    assert {
        "RunGraph/Phase 0/Run/ParDo(_Run)",
        "RunGraph/Phase 1/Run/ParDo(_Run)",
    } <= found.keys()
    assert set(map(str, found.values())) == {str((IMAGE, {}))}


def test_hints_are_on_the_run_stage_alone(bucket: Objects) -> None:
    made = options(gpu="nvidia-l4", gpu_machine_type="g2-standard-8", min_ram="16GB")
    hints = dataflow.run_hints(made.view_as(ScannerOptions))
    job = submitted(lambda p: two_phases(p, resource_hints=hints), made)
    found = environments(job.proto_pipeline)
    runs = {name for name, (_, hints) in found.items() if hints}
    assert runs == {
        "RunGraph/Phase 0/Run/ParDo(_Run)",
        "RunGraph/Phase 1/Run/ParDo(_Run)",
    }
    gpu = b"type:nvidia-l4;count:1;machine_type:g2-standard-8;install-nvidia-driver"
    for name in runs:
        assert found[name] == (IMAGE, {GPU: gpu, RAM: b"16000000000"})
    assert {image for image, _ in found.values()} == {IMAGE}
    assert not [c for c in crossings(job.proto_pipeline) if c.has_frames]


@pytest.mark.slow
def test_no_frames_cross_from_stage_to_stage(bucket: Objects) -> None:
    found = list(crossings(submitted(two_phases, options()).proto_pipeline))
    assert not [crossing for crossing in found if crossing.has_frames]
    assert {crossing.reason for crossing in found} == {"group"}
    stored = {crossing.consumer for crossing in found}
    assert {name for name in stored if "/Phase " in name} == {
        f"RunGraph/Phase {phase}/{label}"
        for phase in (0, 1)
        for label in ("Spread tasks/ReshufflePerKey/GroupByKey", "By job")
    }


def _slices(x: Any) -> Any:
    return x | Slice(partitioner.all(20)) | Op("RunnerUnbounded") | Unslice()


def _nulls(x: Any) -> Any:
    return x | Stride(3) | RepeatNull(3) | Op("RunnerWindow")


AS_TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "sampling": lambda x: x | Stride(8) | Repeat(8) | Op("RunnerMark"),
    "windows": lambda x: x | Op("RunnerWindow"),
    "bounded state": lambda x: x | Op("RunnerBounded"),
    "unbounded state": lambda x: x | Op("RunnerUnbounded"),
    "slices": _slices,
    "batches": lambda x: x | Op("RunnerBatch"),
    "several inputs": lambda x: (
        {"left": x, "right": x | Range(0, 9)} | Op("RunnerPair")
    ),
    "null rows": _nulls,
    "phases": lambda x: x | Histogram() | ShotBoundaries(),
    "video output": lambda x: x | Resize(width=32, height=24),
}


@pytest.mark.slow
@pytest.mark.parametrize("feature", FEATURES)
def test_the_graph_of_a_feature(feature: str, bucket: Objects) -> None:
    """Nothing runs: where each stage would, and what would cross between them."""

    def build(pipeline: beam.Pipeline) -> None:
        frames = pipeline | "read" >> ReadFromVideo("gs://bucket/films/*.mp4")
        made = AS_TRANSFORMS[feature](frames)
        kind = WriteToNamedVideo if feature == "video output" else WriteToNamedStream
        _ = made | "write" >> kind("gs://bucket/db", "out/{stream}")

    made = options(gpu="nvidia-l4", gpu_machine_type="g2-standard-8")
    proto = submitted(build, made).proto_pipeline
    found = environments(proto)
    runs = {name for name in found if name.endswith("/Run/ParDo(_Run)")}
    assert len(runs) == (2 if feature == "phases" else 1)
    hinted = {name for name, (_, hints) in found.items() if hints}
    # Rows that leave are handed on by the worker that has made them.
    assert {name for name in hinted if not name.endswith("/Rows")} == runs
    assert {image for image, _ in found.values()} == {IMAGE}
    assert not [c for c in crossings(proto) if c.has_frames]


def _brighter(batch: Any) -> list[Any]:
    return [255 - frame for frame in batch]


def _frame(value: Any) -> FrameType:
    return value


@pytest.mark.slow
def test_a_model_is_in_the_stage_that_decodes_and_encodes(bucket: Objects) -> None:
    """With the accelerator, in the workers' image, and with no frame between stages."""

    def build(pipeline: beam.Pipeline) -> None:
        frames = pipeline | "read" >> ReadFromVideo("gs://bucket/films/*.mp4")
        made = frames | Infer(
            _brighter, batch=32, postprocess=_frame, device=DeviceType.GPU
        )
        _ = made | "write" >> WriteToNamedVideo("gs://bucket/db", "out/{stream}")

    one_process = "--experiments=no_use_multiple_sdk_containers"
    made = options(
        gpu="nvidia-l4",
        gpu_machine_type="g2-standard-8",
        more=["--decoder=cuda", one_process],
    )
    job = submitted(build, made)
    found = environments(job.proto_pipeline)
    # Rows that leave are handed on by the worker that has made them.
    (run,) = (n for n, (_, hints) in found.items() if hints and n[-5:] != "/Rows")
    assert run.endswith("/Run/ParDo(_Run)")
    image, hints = found[run]
    assert image == IMAGE
    assert hints[GPU].startswith(b"type:nvidia-l4;count:1;machine_type:g2-standard-8")
    assert {image for image, _ in found.values()} == {IMAGE}
    across = list(crossings(job.proto_pipeline))
    assert not [crossing for crossing in across if crossing.has_frames]
    experiments = described(job)["environment"]["experiments"]
    assert "no_use_multiple_sdk_containers" in experiments


@pytest.mark.slow
def test_decoding_alone_needs_the_accelerator(bucket: Objects) -> None:
    """Of two phases the one that decodes has it; without any, the job is refused."""

    def build(pipeline: beam.Pipeline) -> None:
        frames = pipeline | "read" >> ReadFromVideo("gs://bucket/films/*.mp4")
        made = frames | Stride(2) | Histogram() | ShotBoundaries()
        _ = made | "write" >> WriteToNamedStream("gs://bucket/db", "out/{stream}")

    on_gpu = options(
        gpu="nvidia-l4", gpu_machine_type="g2-standard-8", more=["--decoder=cuda"]
    )
    found = environments(submitted(build, on_gpu).proto_pipeline)
    runs = {
        name: GPU in hints
        for name, (_, hints) in found.items()
        if name.endswith("/Run/ParDo(_Run)")
    }
    assert {"Phase 0" in name: has for name, has in runs.items()} == {
        True: True,
        False: False,
    }
    with pytest.raises(
        ArgumentError, match="decoded on a GPU, but workers of Dataflow"
    ):
        submitted(build, options(more=["--decoder=cuda"]))


class Frame:
    pass


class FrameCoder(beam.coders.Coder):
    def encode(self, value: Frame) -> bytes:
        return b""

    def decode(self, encoded: bytes) -> Frame:
        return Frame()

    def to_type_hint(self) -> type[Frame]:
        return Frame


def _keep(value: Any) -> Any:
    return value


def _keep_first(value: Any, others: Any) -> Any:
    return value


SIGHTS: dict[str, tuple[Build, str]] = {
    "grouped": (lambda made: made | "after" >> beam.GroupByKey(), "group"),
    "spread": (lambda made: made | "after" >> beam.Reshuffle(), "group"),
    "hinted": (
        lambda made: made | "after" >> beam.Map(_keep).with_resource_hints(min_ram=1),
        "environment",
    ),
    "side input": (
        lambda made: (
            made.pipeline
            | "One" >> beam.Create([1])
            | "after" >> beam.Map(_keep_first, beam.pvalue.AsList(made))
        ),
        "side input",
    ),
}


@pytest.mark.parametrize("name", SIGHTS)
@pytest.mark.parametrize("kind", [Frame, np.ndarray])
def test_frames_that_cross_are_seen(name: str, kind: Any) -> None:
    beam.coders.registry.register_coder(Frame, FrameCoder)
    use, reason = SIGHTS[name]
    pipeline = beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"]))
    made = (
        pipeline
        | beam.Create([1])
        | "Frames" >> beam.Map(_keep).with_output_types(tuple[int, kind])
    )
    made | "fused" >> beam.Map(_keep)
    use(made)
    found = [
        crossing
        for crossing in crossings(pipeline.to_runner_api())
        if crossing.reason == reason and crossing.consumer.startswith("after")
    ]
    assert found
    if kind is Frame:
        assert all(crossing.has_frames for crossing in found)
    else:
        # No coder of its own tells that these are arrays.
        assert all(crossing.is_opaque for crossing in found)
    fused = [c for c in crossings(pipeline.to_runner_api()) if c.consumer == "fused"]
    assert not fused


@pytest.mark.slow
def test_machines_disks_and_scaling(bucket: Objects) -> None:
    made = options(
        machine_type="n2-standard-4",
        disk_size_gb=80,
        num_workers=3,
        max_num_workers=40,
        autoscaling_algorithm="THROUGHPUT_BASED",
        service_account_email="worker@my-project.iam.gserviceaccount.com",
        subnetwork="regions/us-central1/subnetworks/films",
        more=["--no_use_public_ips", "--number_of_worker_harness_threads=2"],
    )
    told = described(submitted(two_phases, made))
    (pool,) = told["environment"]["workerPools"]
    assert pool["machineType"] == "n2-standard-4"
    assert pool["diskSizeGb"] == 80
    assert pool["numWorkers"] == 3
    assert pool["numThreadsPerWorker"] == 2
    assert pool["subnetwork"] == "regions/us-central1/subnetworks/films"
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 40
    assert pool["workerHarnessContainerImage"] == IMAGE
    account = told["environment"]["serviceAccountEmail"]
    assert account == "worker@my-project.iam.gserviceaccount.com"


@pytest.mark.slow
def test_the_graph_is_staged(bucket: Objects) -> None:
    job = submitted(two_phases, options(job_name="films"))
    described(job)
    (name,) = (name for _, name in bucket if name.endswith("/pipeline.pb"))
    assert name.startswith("tmp/films.")
    staged = beam_runner_api_pb2.Pipeline.FromString(bucket["bucket", name])
    assert "RunGraph/Phase 1/Run/ParDo(_Run)" in environments(staged)


def test_the_package_is_staged_where_no_image_has_it(
    bucket: Objects, tmp_path: Path
) -> None:
    package = tmp_path / "beam_scanner-0.1.0.tar.gz"
    with tarfile.open(package, "w:gz") as files:
        files.add(ROOT / "pyproject.toml", "beam_scanner-0.1.0/pyproject.toml")
    flag = f"--extra_package={package}"
    job = submitted(two_phases, options(sdk_container_image=None, more=[flag]))
    told = described(job)
    staged = {name.rpartition("/")[2]: data for (_, name), data in bucket.items()}
    assert staged[package.name] == package.read_bytes()
    assert staged["extra_packages.txt"].decode().split() == [package.name]
    env = next(iter(job.proto_pipeline.components.environments.values()))
    payloads = [dependency.type_payload for dependency in env.dependencies]
    assert any(package.name.encode() in payload for payload in payloads)
    (pool,) = told["environment"]["workerPools"]
    assert package.name in {file["name"] for file in pool["packages"]}
