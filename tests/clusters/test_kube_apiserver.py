"""Our files and objects, and a session cluster, on a real API server of Kubernetes."""

from __future__ import annotations

import copy
import itertools
import time
from base64 import b64decode
from typing import Any

import pytest
import yaml

from beam_scanner.clusters import flink_cluster
from beam_scanner.clusters.flink_cluster import FlinkCluster
from beam_scanner.clusters.kubernetes import Kubernetes
from beam_scanner.clusters.manifests import Pods, SessionCluster, secret
from beam_scanner.errors import ArgumentError, WorkerError
from tests.support.fake_kubernetes import Refused
from tests.support.flink_crd import crd_mistakes
from tests.support.folders import ROOT
from tests.support.kube_operator import KubeOperator
from tests.support.kube_servers import APPLY, kube_servers

# One process has the server.
pytestmark = [
    *(pytest.mark.slow, pytest.mark.kube),
    pytest.mark.xdist_group("kube_apiserver"),
]

FILES = sorted((ROOT / "templates" / "flink").glob("*.yaml"))
OBJECTS = [
    pytest.param(made, id=f"{file.stem}-{made['kind']}")
    for file in FILES
    for made in yaml.safe_load_all(file.read_text())
]
PATHS = {
    "FlinkDeployment": "/apis/flink.apache.org/v1beta1/namespaces/{}/flinkdeployments",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "Service": "/api/v1/namespaces/{}/services",
}
FULL = SessionCluster(
    "films",
    "registry/worker",
    worker=Pods("7850m", "46Gi", 2, {"pool": "workers"}, [{"operator": "Exists"}]),
    master=Pods("250m", "2Gi", nodes={"pool": "masters"}),
    variables={"A": "1"},
    secret="films-keys",
    key_file="key.json",
    containers=[{"name": "beside", "image": "registry/beside"}],
)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with kube_servers(tmp_path_factory.mktemp("kube")) as started:
        yield started


@pytest.fixture
def namespace(servers) -> str:
    """An empty one of its own."""
    return servers.namespace(f"films-{next(_numbers)}")


@pytest.fixture
def api(servers, namespace) -> Kubernetes:
    return Kubernetes(namespace, config=servers.config)


@pytest.fixture
def operator(servers, namespace, monkeypatch) -> KubeOperator:
    monkeypatch.setattr(flink_cluster, "_POLL_SECONDS", 0.05)
    return KubeOperator(servers, namespace)


def placed(made: dict[str, Any], namespace: str) -> dict[str, Any]:
    return {**made, "metadata": {**made["metadata"], "namespace": namespace}}


def apply_strictly(servers, namespace: str, made: dict[str, Any]) -> Any:
    """As kubectl applies, on the server and strictly; no other code of ours."""
    path = PATHS[made["kind"]].format(namespace)
    query = "fieldManager=kubectl&fieldValidation=Strict"
    name = made["metadata"]["name"]
    return servers.ask("PATCH", f"{path}/{name}?{query}", made, APPLY)


@pytest.mark.parametrize("made", OBJECTS)
def test_templates_are_accepted(servers, namespace, made) -> None:
    for _ in range(2):
        kept = apply_strictly(servers, namespace, made)
    assert kept["metadata"]["name"] == made["metadata"]["name"]
    # The second one has changed nothing.
    assert kept["metadata"].get("generation", 1) == 1


@pytest.mark.parametrize("spec", [SessionCluster("films", "worker"), FULL])
def test_what_we_make_is_accepted(servers, namespace, spec) -> None:
    for made in spec.objects():
        apply_strictly(servers, namespace, placed(made, namespace))


CHANGES = [
    (["spec", "flinkVersion"], "1.19"),
    (["spec", "taskManagers"], {}),
    (["spec", "taskManager", "replicas"], "4"),
    (["spec", "taskManager", "resource", "cpu"], "1"),
    (["spec", "taskManager", "podTemplate", "spec", "containers"], {}),
    (["spec", "taskManager", "podTemplate", "spec", "initContainer"], []),
    (["spec", "flinkConfiguration", "taskmanager.numberOfTaskSlots"], 2),
    (["spec", "mode"], "standalon"),
]


def changed(path: list[str], value: Any) -> dict[str, Any]:
    made = copy.deepcopy(FULL.deployment())
    at = made
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    return made


@pytest.mark.parametrize(("path", "value"), CHANGES, ids=lambda v: str(v)[-24:])
def test_wrong_objects_are_refused(servers, namespace, api, path, value) -> None:
    made = placed(changed(path, value), namespace)
    with pytest.raises(Refused) as refused:
        apply_strictly(servers, namespace, made)
    assert path[-1] in str(refused.value)
    # As the schema says, by which the fast tests check.
    assert crd_mistakes(made)
    with pytest.raises(WorkerError, match="cannot apply FlinkDeployment 'films'"):
        api.apply(made)
    assert api.get("FlinkDeployment", "films") is None


@pytest.mark.parametrize("kind", ["Deployment", "Service", "Secret"])
def test_fields_that_do_not_exist_are_refused(api, namespace, kind) -> None:
    made = {m["kind"]: m for m in FULL.objects()}
    made["Secret"] = secret("films-keys", "", {"A": "1"})
    wrong = placed(copy.deepcopy(made[kind]), namespace)
    wrong.get("spec", wrong)["portz"] = []
    with pytest.raises(WorkerError, match=rf"cannot apply {kind} .*portz"):
        api.apply(wrong)


def test_secrets_are_what_was_last_given(api, namespace) -> None:
    for values in ({"A": "1", "B": "2"}, {"A": "3", "B": "2"}, {"B": "ö"}):
        api.apply(secret("keys", namespace, values))
        found = api.get("Secret", "keys")["data"]
        assert {k: b64decode(v).decode() for k, v in found.items()} == values


def test_a_cluster_from_start_to_end(api, namespace, operator) -> None:
    spec = SessionCluster("films", "w", 2, 4, namespace=namespace, secret="keys")
    cluster = FlinkCluster(spec, api)
    assert not cluster.exists()
    cluster.delete()
    with operator.at_work():
        cluster.start(secrets={"A": "1"}, seconds=60)
        assert cluster.exists()
        assert cluster.problems() == []
        assert [len(cluster.workers()), len(cluster.masters())] == [2, 2]
        first = api.get("FlinkDeployment", "films")["metadata"]
        # A second start creates nothing.
        cluster.start(secrets={"A": "1"}, seconds=60)
        again = api.get("FlinkDeployment", "films")["metadata"]
        assert (again["uid"], again["generation"]) == (
            first["uid"],
            first["generation"],
        )
        cluster.resize(5)
        cluster.wait(60)
        for _ in range(100):
            if len(cluster.workers()) == 5:
                break
            time.sleep(0.1)
        assert len(cluster.workers()) == 5
        # The number of workers stays, whoever starts it.
        other = FlinkCluster(spec, api)
        other.start(seconds=60)
        assert other.spec.parallelism == 20
        other.start(reset=True, secrets={"A": "1"}, seconds=60)
        assert api.get("FlinkDeployment", "films")["metadata"]["uid"] != first["uid"]
        cluster.delete(60)
        assert not cluster.exists()
        assert api.get("Secret", "keys") is None
        cluster.delete(60)
    assert operator.pods() == []


def test_a_cluster_without_an_operator_at_work(api, namespace, operator) -> None:
    cluster = FlinkCluster(SessionCluster("films", "w", namespace=namespace), api)
    with pytest.raises(WorkerError, match=r"not ready after .*JobManager not made"):
        cluster.start(seconds=0.2)
    operator.step()
    assert cluster.exists()
    with pytest.raises(WorkerError, match=r"still there .*does the Flink operator run"):
        cluster.delete(seconds=0.2)
    operator.step()
    cluster.delete(10)


def test_problems_are_told(api, namespace, operator) -> None:
    cluster = FlinkCluster(SessionCluster("films", "w", 2, namespace=namespace), api)
    cluster.start(wait=False)
    operator.step()
    cluster.wait(5)
    waits = {"reason": "ImagePullBackOff", "message": "no such image"}
    pod = api.get("Pod", "films-taskmanager-1")
    states = pod["status"]["containerStatuses"]
    states[1] = {**states[1], "state": {"waiting": waits}, "ready": False}
    operator.set_pod("films-taskmanager-1", containerStatuses=states)
    operator.set_pod("films-taskmanager-0", phase="Failed", message="node is gone")
    operator.set_flink("films", lifecycleState="FAILED", error="no quota")
    assert cluster.problems() == [
        "cluster 'films': no quota",
        "pod 'films-taskmanager-0' has failed: node is gone",
        (
            "container 'workers' of pod 'films-taskmanager-1' does not start, "
            "ImagePullBackOff: no such image"
        ),
    ]
    with pytest.raises(WorkerError, match="'films' has failed: no quota"):
        cluster.wait(5)


def test_a_cluster_that_is_not_there(api, namespace) -> None:
    cluster = FlinkCluster(SessionCluster("films", "w", namespace=namespace), api)
    with pytest.raises(
        WorkerError, match=r'change FlinkDeployment \'films\': .*"films" not found'
    ):
        cluster.resize(3)
    with pytest.raises(WorkerError, match=r'services "films-rest" not found'):
        cluster.jobs()
    with pytest.raises(WorkerError, match="has no JobManager"):
        cluster.master_log()
    with pytest.raises(ArgumentError, match="has no workers"):
        cluster.worker_log(0)
    with pytest.raises(WorkerError, match='pods "none" not found'):
        api.log("none", "workers")


@pytest.mark.parametrize(
    ("context", "reason"),
    [("nobody", "forbidden.*nobody"), ("stranger", "Unauthorized")],
)
def test_those_who_may_not(servers, namespace, context, reason) -> None:
    api = Kubernetes(namespace, context, servers.config)
    cluster = FlinkCluster(SessionCluster("films", "w", namespace=namespace), api)
    name = "FlinkDeployment 'films'"
    for call, what in (
        (cluster.start, f"read {name}"),
        (cluster.exists, f"read {name}"),
        (cluster.problems, f"read {name}"),
        (lambda: cluster.resize(3), f"change {name}"),
        (cluster.delete, f"delete {name}"),
        (cluster.jobs, "ask service 'films-rest' for jobs/overview"),
        (cluster.workers, "list Pod"),
    ):
        with pytest.raises(WorkerError, match=f"Kubernetes cannot {what}: .*{reason}"):
            call()


def test_a_namespace_that_is_not_there(servers) -> None:
    api = Kubernetes("none", config=servers.config)
    cluster = FlinkCluster(SessionCluster("films", "w", namespace="none"), api)
    with pytest.raises(WorkerError, match='namespaces "none" not found'):
        cluster.start()


def test_a_cluster_of_machines_without_the_operator(servers, api, namespace) -> None:
    cluster = FlinkCluster(SessionCluster("films", "w", namespace=namespace), api)
    servers.remove_operator()
    try:
        with pytest.raises(WorkerError, match="is the Flink operator installed"):
            cluster.start()
        assert not cluster.exists()
        with pytest.raises(WorkerError, match="is the Flink operator installed"):
            cluster.resize(3)
        cluster.delete()
    finally:
        servers.install_operator()


def test_files_name_each_other(servers, namespace) -> None:
    """All files of a folder at once, as the README has it."""
    for file in FILES:
        if file.stem != "gpu-workers":
            for made in yaml.safe_load_all(file.read_text()):
                apply_strictly(servers, namespace, made)
    operator = KubeOperator(servers, namespace)
    operator.step()
    operator.step()
    names = {pod["metadata"]["name"] for pod in operator.pods()}
    (cluster,) = (
        made
        for made in yaml.safe_load_all((FILES[0]).read_text())
        if made["kind"] == "FlinkDeployment"
    )
    count = cluster["spec"]["taskManager"]["replicas"]
    assert len([name for name in names if "-taskmanager-" in name]) == count
