"""Dataflow's options, and what is refused before anything is sent."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
    WorkerOptions,
)

from beam_scanner.errors import ArgumentError, MissingDependencyError
from beam_scanner.run.options import ScannerOptions
from beam_scanner.runners import dataflow

GOOD: dict[str, Any] = {
    "project": "my-project",
    "region": "us-central1",
    "temp_location": "gs://bucket/tmp",
    "sdk_container_image": "repo/image:1",
}
GPU = "type:nvidia-l4;count:1;install-nvidia-driver"


@pytest.fixture(autouse=True)
def _cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("google.cloud.dataflow_v1beta3", reason="needs the gcp extra")
    monkeypatch.delenv("CLOUDSDK_COMPUTE_REGION", raising=False)


def flags(**changes: Any) -> list[str]:
    return [f"--{k}={v}" for k, v in {**GOOD, **changes}.items() if v is not None]


def checked(*more: str, urls: tuple[str, ...] = (), **changes: Any) -> None:
    dataflow.check(
        PipelineOptions(["--runner=DataflowRunner", *flags(**changes), *more]), urls
    )


def test_every_argument_becomes_a_flag() -> None:
    made = dataflow.options(
        **GOOD,
        staging_location="gs://bucket/staging",
        job_name="films",
        machine_type="n1-standard-4",
        disk_size_gb=60,
        num_workers=2,
        max_num_workers=9,
        autoscaling_algorithm="THROUGHPUT_BASED",
        gpu="nvidia-tesla-t4",
        gpus=2,
        min_ram="16GB",
        scanner_db="gs://bucket/db",
        service_account_email="worker@my-project.iam.gserviceaccount.com",
        subnetwork="regions/us-central1/subnetworks/films",
        more=["--no_use_public_ips"],
    )
    cloud, worker = made.view_as(GoogleCloudOptions), made.view_as(WorkerOptions)
    assert made.view_as(StandardOptions).runner == "DataflowRunner"
    assert (cloud.project, cloud.region) == ("my-project", "us-central1")
    assert cloud.temp_location == "gs://bucket/tmp"
    assert cloud.staging_location == "gs://bucket/staging"
    assert cloud.job_name == "films"
    assert cloud.service_account_email == "worker@my-project.iam.gserviceaccount.com"
    assert worker.sdk_container_image == "repo/image:1"
    assert (worker.machine_type, worker.disk_size_gb) == ("n1-standard-4", 60)
    assert (worker.num_workers, worker.max_num_workers) == (2, 9)
    assert worker.autoscaling_algorithm == "THROUGHPUT_BASED"
    assert worker.subnetwork == "regions/us-central1/subnetworks/films"
    assert worker.use_public_ips is False
    assert made.view_as(ScannerOptions).scanner_db == "gs://bucket/db"
    assert dataflow.run_hints(made) == {
        "accelerator": "type:nvidia-tesla-t4;count:2;install-nvidia-driver",
        "min_ram": "16GB",
    }


def test_what_is_left_out_stays_with_the_service() -> None:
    made = dataflow.options(**GOOD)
    assert dataflow.run_hints(made) == {}
    kept = made.get_all_options(drop_default=True)
    assert kept.keys() == {*GOOD, "runner"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"project": None}, ["--project is missing"]),
        ({"project": "My Project"}, ["--project='My Project'", "id"]),
        ({"project": "123456"}, ["--project='123456'"]),
        ({"region": None}, ["--region is missing", "us-central1"]),
        ({"region": "us-central1-a"}, ["--region='us-central1-a'"]),
        ({"temp_location": None}, ["--temp_location is missing", "gs://"]),
        ({"temp_location": "/tmp/x"}, ["--temp_location='/tmp/x'", "gs://"]),
        ({"temp_location": "gs://bucket"}, ["--temp_location='gs://bucket'"]),
        ({"staging_location": "s3://b/x"}, ["--staging_location='s3://b/x'"]),
        ({"sdk_container_image": None}, ["--sdk_container_image", "PyAV"]),
        ({"scanner_db": "/home/db"}, ["'/home/db'", "gs://"]),
        ({"setup_file": "setup.py"}, ["--setup_file=setup.py", "./setup.py"]),
        ({"min_ram": "much"}, ["--min_ram='much'", "16GB"]),
        ({"accelerator": "nvidia-l4"}, ["--accelerator='nvidia-l4'", "type"]),
        ({"accelerator": "type:nvidia-l4;count:0"}, ["count above 0"]),
        ({"accelerator": "type:nvidia-l4;count:1"}, ["install-nvidia-driver"]),
        ({"accelerator": f"{GPU};mps"}, ["no 'mps'"]),
        (
            {"accelerator": f"{GPU};machine_type:n1-standard-4"},
            ["g2-", "n1-standard-4"],
        ),
        (
            {"accelerator": GPU, "sdk_container_image": None},
            ["--accelerator", "--sdk_container_image", "CUDA"],
        ),
        (
            {"accelerator": GPU, "flexrs_goal": "COST_OPTIMIZED"},
            ["--flexrs_goal=COST_OPTIMIZED", "--accelerator"],
        ),
        (
            {"min_ram": "16GB", "flexrs_goal": "SPEED_OPTIMIZED"},
            ["--flexrs_goal=SPEED_OPTIMIZED", "--min_ram"],
        ),
        (
            {
                "accelerator": GPU,
                "dataflow_service_options": f"worker_accelerator={GPU}",
            },
            ["worker_accelerator", "run stage alone"],
        ),
        (
            {"min_ram": "16GB", "experiments": f"worker_accelerator={GPU}"},
            ["worker_accelerator", "--min_ram"],
        ),
    ],
)
def test_refused_with_the_flag_and_what_was_expected(
    changes: dict[str, Any], words: list[str]
) -> None:
    checked()
    with pytest.raises(ArgumentError) as caught:
        checked(**changes)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    "changes",
    [
        {"project": "example.com:my-project"},
        {"flexrs_goal": "COST_OPTIMIZED"},
        {"dataflow_service_options": f"worker_accelerator={GPU}"},
        {"accelerator": f"{GPU};machine_type:g2-standard-8"},
        {"accelerator": "type:nvidia-new-9;count:8;install-nvidia-driver:latest"},
        {"sdk_container_image": None, "setup_file": "./setup.py"},
        {"min_ram": "16GB", "dataflow_service_options": "enable_prime"},
    ],
)
def test_taken(changes: dict[str, Any]) -> None:
    checked(**changes)


def test_a_region_may_come_from_gclouds_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLOUDSDK_COMPUTE_REGION", "europe-west4")
    checked(region=None)


def test_databases_must_be_within_reach() -> None:
    checked(urls=("gs://bucket/db",))
    for near in ("db", "/home/db", "file:///home/db"):
        with pytest.raises(ArgumentError, match=rf"'{near}' is out of reach.*gs://"):
            checked(urls=("gs://bucket/db", near))


def test_a_gpu_machine_without_a_gpu() -> None:
    with pytest.raises(ArgumentError, match=r"gpu_machine_type='g2-standard-8'"):
        dataflow.options(**GOOD, gpu_machine_type="g2-standard-8")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.storage", None)
    with pytest.raises(MissingDependencyError, match=r"pip install.*gcp"):
        checked()


@pytest.mark.parametrize("runner", ["FlinkRunner", "PrismRunner", "FnApiRunner"])
def test_other_runners_get_no_hints(runner: str) -> None:
    options = PipelineOptions([f"--runner={runner}", f"--accelerator={GPU}"])
    assert dataflow.run_hints(options) == {}
    assert not dataflow.is_dataflow(options)


@pytest.mark.parametrize(
    "runner",
    [
        "DataflowRunner",
        "dataflow",
        "apache_beam.runners.dataflow.dataflow_runner.DataflowRunner",
    ],
)
def test_names_of_dataflow(runner: str) -> None:
    assert dataflow.is_dataflow(PipelineOptions([f"--runner={runner}"]))
