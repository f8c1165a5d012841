"""Scanner's clusters on a real API server of Kubernetes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from beam_scanner.clusters import flink_cluster
from beam_scanner.errors import ArgumentError, WorkerError
from beam_scanner.scannerpy import kube
from tests.support.kube_operator import KubeOperator, add_node
from tests.support.kube_servers import kube_servers

pytestmark = [
    *(pytest.mark.slow, pytest.mark.kube),
    pytest.mark.xdist_group("scannerpy_kube_apiserver"),
]

MACHINE = kube.MachineConfig(
    "registry/worker", kube.MachineTypeName("n1-standard-8"), 100
)
HERE = kube.CloudConfig(provider=None, service_key="", storage_key_id="")
REST = "jobs/overview"


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with kube_servers(tmp_path_factory.mktemp("kube")) as started:
        add_node(started)
        yield started


@pytest.fixture
def config(request, servers, monkeypatch) -> kube.ClusterConfig:
    """Of a cluster in an empty namespace of its own."""
    monkeypatch.setenv("KUBECONFIG", str(servers.config))
    monkeypatch.setattr(flink_cluster, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(kube, "_LOOK_SECONDS", 0.05)
    name = request.node.name.replace("_", "-").strip("-")[:60]
    namespace = servers.namespace(name)
    return kube.ClusterConfig("films", 2, MACHINE, MACHINE, namespace=namespace)


@pytest.fixture
def operator(servers, config):
    made = KubeOperator(servers, config.namespace)
    with made.at_work():
        yield made


def test_a_cluster_that_is_there(servers, config, operator) -> None:
    keys = replace(HERE, storage_key_id="id", storage_key_secret="secret")
    cluster = kube.Cluster(keys, config, no_delete=True)
    assert not cluster.running()
    with cluster:
        assert cluster.running()
        assert cluster.healthy()
    secret = cluster.get_object(cluster.get_kube_info("secret"), "films-keys")
    assert sorted(secret["data"]) == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    cluster.start(reset=False)
    cluster.resize(4)
    assert cluster.config().num_workers == 4
    cluster.delete()
    assert not cluster.running()
    cluster.delete()
    assert cluster.get_kube_info("secret") == {"items": []}


def test_jobs_and_logs(config, operator, capsys) -> None:
    cluster = kube.Cluster(HERE, config)
    cluster.start()
    with pytest.raises(WorkerError, match=f"'films-rest' for {REST}: .*no such page"):
        cluster.job_status()
    operator.answer("films-0", 8081, REST, "[half an ans")
    with pytest.raises(WorkerError, match=f"'films-rest' for {REST}: .*JSON"):
        cluster.job_status()
    operator.answer("films-0", 8081, REST, '{"jobs": []}')
    assert cluster.job_status() == []
    tasks = {"finished": 3, "total": 8}
    jobs = [
        {
            "jid": f"j{n}",
            "name": "night",
            "state": state,
            "start-time": n,
            "tasks": tasks,
        }
        for n, state in enumerate(("FINISHED", "RUNNING"))
    ]
    operator.answer("films-0", 8081, REST, json.dumps({"jobs": jobs}))
    assert [job["jid"] for job in cluster.job_status()] == ["j1", "j0"]
    shown = capsys.readouterr().out.splitlines()
    assert shown[:2] == ["no jobs", "j1 RUNNING    3/8 night"]
    operator.say("films-0", "flink-main-container", "manager\n")
    operator.say("films-jobs-1-a", "job-server", "jobs\n")
    operator.say("films-taskmanager-1", "workers", "worker\n")
    cluster.master_logs()
    cluster.worker_logs(1)
    assert capsys.readouterr().out.split() == ["manager", "jobs", "worker"]
    with pytest.raises(ArgumentError, match="has workers 0 to 1, got 2"):
        cluster.worker_logs(2)


def test_health(config, operator) -> None:
    cluster = kube.Cluster(HERE, config)
    assert not cluster.healthy()
    cluster.start()
    assert cluster.healthy()
    operator.set_pod("films-taskmanager-0", phase="Failed", reason="Evicted")
    assert cluster.flink.problems() == ["pod 'films-taskmanager-0' has failed: Evicted"]
    assert not cluster.healthy()


def test_objects_of_the_cluster(servers, config, operator) -> None:
    cluster = kube.Cluster(HERE, config)
    cluster.start()
    assert cluster.get_by_owner("rs", "films-jobs") == "films-jobs-1"
    for name in ("scanner-master", "films-jobs", "scanner-worker"):
        pod = cluster.get_pod(name)
        assert pod["metadata"]["name"] in ("films-0", "films-jobs-1-a") or (
            name == "scanner-worker"
            and pod["metadata"]["name"] == "films-taskmanager-0"
        )
    kinds = ("pods", "deployments", "svc", "flinkdep", "nodes")
    counts = [len(cluster.get_kube_info(kind)["items"]) for kind in kinds]
    assert counts == [4, 1, 2, 1, 1]
    other = servers.namespace("others")
    assert cluster.get_kube_info("pods", other) == {"items": []}
    with pytest.raises(WorkerError, match=r"NodeMetrics: .*metrics-server installed"):
        cluster.resource_metrics()


def test_containers_with_a_mistake_are_refused(config, operator) -> None:
    beside = {"name": "beside", "image": "registry/beside", "argz": ["a"]}
    cluster = kube.Cluster(HERE, config, containers=[beside])
    with pytest.raises(WorkerError, match=r"cannot apply FlinkDeployment .*argz"):
        cluster.start()


def test_other_kinds_of_objects(config, operator) -> None:
    cluster = kube.Cluster(HERE, config)
    metadata = {"name": "films", "namespace": config.namespace}
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    with pytest.raises(ArgumentError, match="'ConfigMap'"):
        cluster.create_object(made)
