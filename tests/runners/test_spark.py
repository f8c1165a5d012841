"""What is refused for Spark before anything is sent."""

from __future__ import annotations

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.runners.start import why_out_of_reach
from tests.support.refused_runs import check, refused

SPARK = "--runner=SparkRunner"
CLUSTER = "--spark_master_url=spark://spark.example.org:7077"
IMAGE = "--environment_config=repository/image:1"


def test_workers_of_this_machine() -> None:
    check(SPARK, url="/data/db")
    check(SPARK, "--spark_master_url=local[*]", url="/data/db")
    assert why_out_of_reach(PipelineOptions([SPARK])) == ""


@pytest.mark.parametrize("docker", ["--environment_type=DOCKER", CLUSTER])
def test_containers_have_no_folder_of_this_machine(docker: str) -> None:
    refused("Beam's own image has neither", SPARK, docker)
    check(SPARK, docker, IMAGE)
    refused(
        "'/data/db' is a path on this machine", SPARK, docker, IMAGE, url="/data/db"
    )
    assert "which containers" in why_out_of_reach(PipelineOptions([SPARK, docker]))


def test_a_job_server(nobody: str, listener: str) -> None:
    refused("nothing listens there", SPARK, f"--job_endpoint={nobody}")
    check(SPARK, f"--job_endpoint={listener}", url="/data/db")
    docker = ("--environment_type=DOCKER", IMAGE)
    endpoint = f"--job_endpoint={listener}"
    refused("is a path on this machine", SPARK, endpoint, *docker, url="/data/db")


def test_workers_of_a_cluster() -> None:
    refused(
        "makes this process the worker", SPARK, CLUSTER, "--environment_type=LOOPBACK"
    )
    process = "--environment_type=PROCESS"
    refused("a command that starts a worker", SPARK, CLUSTER, process)
    command = '--environment_config={"command": "/boot"}'
    check(SPARK, CLUSTER, process, command)
    check(SPARK, process, command, url="/data/db")
    with pytest.warns(UserWarning, match="must have the folder '/data/db'"):
        check(SPARK, CLUSTER, process, command, url="/data/db")
    pool = ("--environment_type=EXTERNAL", "--environment_config=spark-7:8097")
    with pytest.warns(UserWarning, match="must have the folder '/data/db'"):
        check(SPARK, CLUSTER, *pool, url="/data/db")
