"""The files for Flink on Kubernetes: fields, and that they fit one another."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions
from apache_beam.version import __version__ as beam_version

from beam_scanner.cli.args import parse_run, run_parser
from beam_scanner.cli.ops_language import check_ops, parse_ops
from beam_scanner.ops import register_ops
from tests.support.folders import ROOT
from tests.support.kubernetes_fields import object_mistakes

FOLDER = ROOT / "templates" / "flink"
FILES = sorted(FOLDER.glob("*.yaml"))


def objects(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text()))


def containers(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The containers of a pod template, by name."""
    return {container["name"]: container for container in made["spec"]["containers"]}


@pytest.fixture
def cluster() -> dict[str, Any]:
    (made,) = objects("cluster")
    return made


@pytest.fixture
def workers(cluster: dict[str, Any]) -> dict[str, Any]:
    return containers(cluster["spec"]["taskManager"]["podTemplate"])["workers"]


@pytest.fixture
def job_server() -> dict[str, Any]:
    deployment, _ = objects("job-server")
    return containers(deployment["spec"]["template"])["job-server"]


@pytest.fixture
def command() -> dict[str, Any]:
    (job,) = objects("submit")
    return containers(job["spec"]["template"])["submit"]


def test_there_are_files() -> None:
    names = ["cluster", "gpu-workers", "job-server", "submit"]
    assert [file.stem for file in FILES] == names


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_fields(file: Path) -> None:
    for made in objects(file.stem):
        assert object_mistakes(made) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["spec", "flinkVersion"], "1.19"),
        (["spec", "taskManagers"], {}),
        (["spec", "taskManager", "replicas"], "4"),
        (["spec", "taskManager", "resource", "cpu"], "1"),
        (["spec", "taskManager", "resource", "memory"], "2Gi8"),
        (["spec", "taskManager", "podTemplate", "spec", "containers"], {}),
        (["spec", "taskManager", "podTemplate", "spec", "initContainer"], []),
        (["spec", "flinkConfiguration", "taskmanager.numberOfTaskSlots"], 2),
        (["kind"], "FlinkDeployments"),
    ],
)
def test_mistakes_are_seen(
    cluster: dict[str, Any], path: list[str], value: Any
) -> None:
    made = copy.deepcopy(cluster)
    at = made
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    assert len(object_mistakes(made)) == 1


def test_the_task_manager_has_its_own_container_and_a_worker_pool(
    cluster: dict[str, Any], workers: dict[str, Any]
) -> None:
    template = cluster["spec"]["taskManager"]["podTemplate"]
    assert list(containers(template)) == ["flink-main-container", "workers"]
    assert "podTemplate" not in cluster["spec"]["jobManager"]
    assert workers["args"] == ["--worker_pool"]
    # Where Beam's boot program has the pool listen.
    assert [port["containerPort"] for port in workers["ports"]] == [50000]


def test_versions_fit(cluster: dict[str, Any], job_server: dict[str, Any]) -> None:
    version = cluster["spec"]["flinkVersion"].removeprefix("v").replace("_", ".")
    assert cluster["spec"]["image"].startswith(f"flink:{version}-")
    wanted = f"apache/beam_flink{version}_job_server:{beam_version}"
    assert job_server["image"] == wanted


def test_the_job_server_is_given_the_cluster(
    cluster: dict[str, Any], job_server: dict[str, Any]
) -> None:
    # The operator names the service of a deployment's REST port so.
    name = cluster["metadata"]["name"]
    assert f"--flink-master={name}-rest:8081" in job_server["args"]


def test_the_service_leads_to_the_job_server(job_server: dict[str, Any]) -> None:
    deployment, service = objects("job-server")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels == deployment["spec"]["selector"]["matchLabels"]
    assert labels == service["spec"]["selector"]
    listening = {port["containerPort"] for port in job_server["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == listening
    for flag, port in (("--job-port", 8099), ("--artifact-port", 8098)):
        assert f"{flag}={port}" in job_server["args"]


def test_the_submitted_command_is_one_that_we_take(
    cluster: dict[str, Any], workers: dict[str, Any], command: dict[str, Any]
) -> None:
    assert command["command"] == ["beam-scanner"]
    assert command["image"] == workers["image"]
    args, flags = parse_run(run_parser("run"), command["args"])
    register_ops()
    check_ops(parse_ops(args.ops))
    options = PipelineOptions(flags).view_as(PortableOptions)
    _, service = objects("job-server")
    host = service["metadata"]["name"]
    assert options.job_endpoint == f"{host}:8099"
    assert options.artifact_endpoint == f"{host}:8098"
    assert options.environment_type == "EXTERNAL"
    pool = workers["ports"][0]["containerPort"]
    assert options.environment_config == f"localhost:{pool}"
    slots = int(cluster["spec"]["flinkConfiguration"]["taskmanager.numberOfTaskSlots"])
    replicas = cluster["spec"]["taskManager"]["replicas"]
    assert f"--parallelism={slots * replicas}" in flags


def test_gpu_workers_are_the_cluster_with_a_gpu_beside_each_slot(
    cluster: dict[str, Any],
) -> None:
    (with_gpus,) = objects("gpu-workers")
    flink = with_gpus["spec"]["flinkConfiguration"]
    pod = with_gpus["spec"]["taskManager"]["podTemplate"]["spec"]
    workers = containers({"spec": pod})["workers"]
    assert flink["taskmanager.numberOfTaskSlots"] == "1"
    assert workers["resources"]["limits"].pop("nvidia.com/gpu") == "1"
    assert workers["image"] == "REPOSITORY/gpu"
    assert pod.pop("tolerations")[0]["key"] == "nvidia.com/gpu"
    # All else is the same, but for the size of the workers.
    spec = cluster["spec"]
    plain = spec["taskManager"]["podTemplate"]
    other = containers(plain)["workers"]
    spec["flinkConfiguration"]["taskmanager.numberOfTaskSlots"] = "1"
    for name in ("image", "resources"):
        assert other.pop(name) != workers.pop(name)
    assert with_gpus == cluster
