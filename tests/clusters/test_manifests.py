"""Objects of a session cluster: those of the templates, and accepted by the API."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from beam_scanner.clusters.manifests import Pods, SessionCluster, secret
from tests.support.flink_crd import crd_mistakes
from tests.support.folders import ROOT
from tests.support.kubernetes_fields import object_mistakes

FULL = SessionCluster(
    "films",
    "registry/worker:7",
    workers=3,
    slots=8,
    worker=Pods("4", "20Gi", 2, {"pool": "workers"}, [{"key": "spot"}]),
    namespace="tv",
    flink="1.20",
    beam="2.70.0",
    flink_cpu=0.25,
    slot_seconds=60,
    master=Pods("250m", "2Gi", nodes={"pool": "masters"}),
    variables={"LANG": "C"},
    secret="films-keys",
    key_file="key.json",
    containers=[{"name": "more", "image": "sidecar"}],
)


def test_they_are_those_of_the_templates() -> None:
    folder = ROOT / "templates" / "flink"
    files = [folder / "cluster.yaml", folder / "job-server.yaml"]
    wanted = [made for file in files for made in yaml.safe_load_all(file.read_text())]
    found = SessionCluster("beam-scanner", "REPOSITORY/worker", beam="2.77.0").objects()
    for made in found:
        assert made["metadata"].pop("namespace") == "default"
    assert found == wanted


@pytest.mark.parametrize("cluster", [SessionCluster("a", "b"), FULL])
def test_the_api_accepts_them(cluster: SessionCluster) -> None:
    deployment, *others = cluster.objects()
    assert crd_mistakes(deployment) == []
    for made in others:
        plain = copy.deepcopy(made)
        del plain["metadata"]["namespace"]
        plain["spec"].get("template", {}).get("spec", {}).pop("nodeSelector", None)
        assert object_mistakes(plain) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["spec", "flinkVersion"], "v1_9"),
        (["spec", "taskManagers"], {}),
        (["spec", "taskManager", "replicas"], "4"),
        (["spec", "mode"], "session"),
        (["spec", "flinkConfiguration", "taskmanager.numberOfTaskSlots"], 2),
        (["spec", "taskManager", "podTemplate", "spec", "containers"], {}),
        (["spec", "taskManager", "podTemplate", "spec", "nodes"], {}),
    ],
)
def test_the_schema_sees_mistakes(path: list[str], value: Any) -> None:
    made = SessionCluster("a", "b").deployment()
    at = made
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    assert len(crd_mistakes(made)) == 1


def test_what_workers_are_given() -> None:
    template = FULL.deployment()["spec"]["taskManager"]["podTemplate"]["spec"]
    names = [container["name"] for container in template["containers"]]
    assert names == ["flink-main-container", "workers", "more"]
    pool = template["containers"][1]
    assert pool["image"] == "registry/worker:7"
    assert pool["resources"] == {
        "requests": {"cpu": "4", "memory": "20Gi"},
        "limits": {"memory": "20Gi", "nvidia.com/gpu": 2},
    }
    assert pool["env"] == [
        {"name": "LANG", "value": "C"},
        {"name": "GOOGLE_APPLICATION_CREDENTIALS", "value": "/secret/key.json"},
    ]
    assert pool["envFrom"] == [{"secretRef": {"name": "films-keys"}}]
    assert template["nodeSelector"] == {"pool": "workers"}
    assert template["tolerations"] == [{"key": "spot"}]
    keys = {
        "secretName": "films-keys",
        "items": [{"key": "key.json", "path": "key.json"}],
    }
    assert {"name": "keys", "secret": keys} in template["volumes"]


def test_names_and_versions() -> None:
    spec = FULL.deployment()["spec"]
    assert (spec["image"], spec["flinkVersion"]) == ("flink:1.20-java17", "v1_20")
    assert spec["flinkConfiguration"]["slot.request.timeout"] == "60000"
    assert FULL.parallelism == 24
    (server,) = FULL.job_server()["spec"]["template"]["spec"]["containers"]
    assert server["image"] == "apache/beam_flink1.20_job_server:2.70.0"
    assert "--flink-master=films-rest:8081" in server["args"]
    from apache_beam.version import __version__

    (server,) = SessionCluster("a", "b").job_server()["spec"]["template"]["spec"][
        "containers"
    ]
    assert server["image"].endswith(f":{__version__}")


def test_secrets() -> None:
    made = secret("films-keys", "tv", {"A": "b"})
    assert (made["kind"], made["data"]) == ("Secret", {"A": "Yg=="})
    assert made["metadata"] == {"name": "films-keys", "namespace": "tv"}
