"""Clusters of Scanner: machines by a cloud's programs, Flink by Kubernetes' API."""

from __future__ import annotations

import json
import socket
from base64 import b64decode
from dataclasses import replace
from types import SimpleNamespace

import pytest

from beam_scanner.clusters import flink_cluster
from beam_scanner.errors import ArgumentError, MissingDependencyError, WorkerError
from beam_scanner.scannerpy import kube
from tests.support.client_helpers import open_client
from tests.support.fake_kubernetes import fake_kubernetes
from tests.support.fake_programs import FakePrograms
from tests.support.flink_crd import crd_mistakes

MACHINE = kube.MachineConfig(
    "registry/worker", kube.MachineTypeName("n1-standard-8"), 100
)
CONFIG = kube.ClusterConfig("films", 2, MACHINE, MACHINE)
HERE = kube.CloudConfig(provider=None, service_key="", storage_key_id="")


@pytest.fixture
def fake(tmp_path, monkeypatch):
    monkeypatch.setattr(flink_cluster, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(kube, "_LOOK_SECONDS", 0.01)
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    with fake_kubernetes(tmp_path) as (server, config):
        monkeypatch.setenv("KUBECONFIG", str(config))
        yield server


@pytest.fixture
def programs(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    made = FakePrograms(folder, "gcloud", "kubectl")
    monkeypatch.setenv("PATH", made.path())
    return made


def spec(fake):
    return fake.of("FlinkDeployment", "films")["spec"]


def test_a_cluster_that_is_there(fake) -> None:
    cluster = kube.Cluster(HERE, CONFIG, no_delete=True)
    assert not cluster.running()
    with cluster as entered:
        assert entered is cluster
        assert cluster.running()
        assert cluster.healthy()
    made = fake.of("FlinkDeployment", "films")
    assert crd_mistakes({k: v for k, v in made.items() if k != "status"}) == []
    pod = spec(fake)["taskManager"]["podTemplate"]["spec"]
    assert "nodeSelector" not in pod
    cluster.resize(5)
    assert spec(fake)["taskManager"]["replicas"] == 5
    assert cluster.config().num_workers == 5
    cluster.delete()
    assert not cluster.running()


def test_sizes_follow_the_machines(fake) -> None:
    worker = replace(MACHINE, gpu=2, type=kube.MachineTypeQuantity(16, 64))
    cluster = kube.Cluster(HERE, replace(CONFIG, worker=worker, no_workers_timeout=30))
    cluster.start()
    settings = spec(fake)["flinkConfiguration"]
    assert settings["taskmanager.numberOfTaskSlots"] == "16"
    assert settings["slot.request.timeout"] == "30000"
    manager = spec(fake)["taskManager"]
    pool = manager["podTemplate"]["spec"]["containers"][1]
    assert pool["resources"] == {
        "requests": {"cpu": "7850m", "memory": "46Gi"},
        "limits": {"memory": "46Gi", "nvidia.com/gpu": 2},
    }
    # Two do not fit on one node.
    assert 16 / 2 < 7.85 + manager["resource"]["cpu"] < 16 * 0.9


@pytest.mark.parametrize("role", ["master", "worker"])
def test_machines_that_are_too_small(role: str) -> None:
    small = replace(MACHINE, type=kube.MachineTypeName("n1-standard-1"))
    machines = {"master": MACHINE, "worker": MACHINE, role: small}
    config = replace(CONFIG, master=machines["master"], worker=machines["worker"])
    with pytest.raises(ArgumentError, match=rf"a {role} of 3 GB .*at least 4 GB"):
        kube.Cluster(HERE, config)


def test_google_from_start_to_end(fake, programs, tmp_path) -> None:
    key = tmp_path / "key.json"
    key.write_text('{"private": 1}')
    account = kube.CloudConfig("tv", str(key), "id", "secret")
    with kube.Cluster(account, CONFIG) as cluster:
        programs.answer([{"name": "films"}], "clusters", "list")
        programs.answer([{"name": "default-pool"}], "node-pools", "list")
        assert cluster.running(kube.MASTER_POOL)
        assert not cluster.running("workers")
        cluster.resize(3)
    words = [call[2:4] for call in programs.calls() if call[0] == "gcloud"]
    assert words == [
        ["clusters", "list"],
        ["clusters", "create"],
        ["node-pools", "create"],
        ["clusters", "get-credentials"],
        *[["clusters", "list"], ["node-pools", "list"]] * 2,
        ["node-pools", "update"],
        ["clusters", "delete"],
    ]
    data = fake.of("Secret", "films-keys")["data"]
    secret = {name: b64decode(value).decode() for name, value in data.items()}
    assert secret["key.json"] == '{"private": 1}'
    assert secret["AWS_SECRET_ACCESS_KEY"] == "secret"
    pod = spec(fake)["taskManager"]["podTemplate"]["spec"]
    assert pod["nodeSelector"] == {"cloud.google.com/gke-nodepool": "workers"}
    assert "secret" not in json.dumps(programs.calls()).replace("secretRef", "")


def test_credentials_are_those_of_the_cluster(fake, programs, tmp_path) -> None:
    cluster = kube.Cluster(kube.CloudConfig("tv", "", "", ""), CONFIG)
    cluster.get_credentials()
    assert len(programs.calls()) == 1
    config = tmp_path / "kubeconfig"
    text = config.read_text()
    config.write_text(
        text.replace("context: films\n", "context: gke_tv_us-east1-b_films\n")
    )
    cluster.get_credentials()
    assert len(programs.calls()) == 1


def test_missing_programs(fake, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="no program 'gcloud': install"):
        kube.Cluster(kube.CloudConfig("tv", "", "", ""), CONFIG).start()
    with pytest.raises(ArgumentError, match="provider must be one of"):
        kube.Cluster(kube.CloudConfig("tv", provider="ibm"), CONFIG)


@pytest.mark.parametrize("object_server", ["s3"], indirect=True)
def test_a_client_of_the_cluster(fake, programs, bucket_url) -> None:
    said = (
        "Forwarding from 127.0.0.1:51 -> 8099\nForwarding from 127.0.0.1:52 -> 8098\n"
    )
    programs.answer(said, "port-forward", code=-1)
    cluster = kube.Cluster(HERE, CONFIG)
    cluster.start()
    sc = cluster.client(db_path=f"{bucket_url}/db", options=["--job_name=night"])
    options = sc.options.get_all_options(drop_default=True)
    assert options["job_endpoint"] == "127.0.0.1:51"
    assert options["artifact_endpoint"] == "127.0.0.1:52"
    assert options["environment_config"] == "localhost:50000"
    assert options["parallelism"] == 16
    assert options["job_name"] == "night"
    assert cluster.master_address() == "127.0.0.1:51"
    with pytest.raises(ArgumentError, match=r"a folder of this machine.*gs://BUCKET"):
        cluster.client(db_path="db")
    cluster.close()
    programs.answer("no cluster", "port-forward", code=1)
    before = len(programs.calls())
    with pytest.raises(WorkerError, match="no cluster"):
        cluster.client(retries=2, db_path=f"{bucket_url}/db")
    assert len(programs.calls()) == before + 3


@pytest.mark.parametrize("object_server", ["s3"], indirect=True)
def test_runs_are_checked_without_a_pool_here(fake, programs, bucket_url) -> None:
    import warnings

    from beam_scanner.runners.start import preflight

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = f"127.0.0.1:{port} -> 8099\n127.0.0.1:{port} -> 8098\n"
        programs.answer(said, "port-forward", code=-1)
        cluster = kube.Cluster(HERE, CONFIG)
        sc = cluster.client(db_path=f"{bucket_url}/db")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            preflight(sc.options, [f"{bucket_url}/db"])
        cluster.close()


def job(state: str, number: int = 1):
    tasks = {"finished": 3, "total": 8}
    return {"jid": f"j{number}", "name": "night", "state": state} | {
        "start-time": number,
        "tasks": tasks,
    }


def test_jobs_and_logs(fake, capsys) -> None:
    cluster = kube.Cluster(HERE, CONFIG)
    cluster.start()
    where = "films-rest:8081/jobs/overview"
    fake.services[where] = {"jobs": []}
    assert cluster.job_status() == []
    fake.services[where] = {"jobs": [job("FINISHED"), job("RUNNING", 2)]}
    assert [each["jid"] for each in cluster.job_status()] == ["j2", "j1"]
    shown = capsys.readouterr().out
    assert shown.splitlines()[:2] == ["no jobs", "j2 RUNNING    3/8 night"]
    fake.logs["films-1", "flink-main-container"] = "manager\n"
    fake.logs["films-jobs-1", "job-server"] = "jobs\n"
    fake.logs["films-taskmanager-1", "workers"] = "worker\n"
    cluster.master_logs()
    cluster.worker_logs(1)
    assert capsys.readouterr().out.split() == ["manager", "jobs", "worker"]


@pytest.mark.slow
def test_monitor(fake, monkeypatch) -> None:
    cluster = kube.Cluster(HERE, CONFIG)
    cluster.start()
    where = "films-rest:8081/jobs/overview"
    fake.services[where] = {"jobs": [job("FINISHED")]}
    with pytest.raises(WorkerError, match="No active jobs"):
        cluster.monitor()
    there = {"allocatable": {"cpu": "8", "memory": "16Gi"}}
    node = {"metadata": {"name": "n1"}, "status": there}
    used = {"metadata": {"name": "n1"}, "usage": {"cpu": "2000m", "memory": "4Gi"}}
    fake.put("Node", node, "")
    fake.put("NodeMetrics", used, "")
    for state, wanted in (("FINISHED", True), ("FAILED", False)):
        fake.services[where] = {"jobs": [job("RUNNING")]}
        looks = 0

        def sleep(_: float, state: str = state) -> None:
            nonlocal looks
            looks += 1
            if looks == 3:
                fake.services[where] = {"jobs": [job(state)]}

        with monkeypatch.context() as patch:
            patch.setattr(kube, "time", SimpleNamespace(sleep=sleep))
            done, metrics = cluster.monitor(None)
        assert (done, looks, len(metrics)) == (wanted, 3, 4)
    row = {key: value for key, value in metrics[0].items() if key != "TIME"}
    assert row == {
        "NAME": "n1",
        "CPU(cores)": 2000,
        "CPU%": 25,
        "MEMORY(bytes)": 4096,
        "MEMORY%": 25,
    }
    fake.services[where] = {"jobs": [job("RUNNING")]}
    fake.of("Pod", "films-1")["status"]["phase"] = "Failed"
    assert cluster.monitor()[0] is False


def test_traces_are_those_of_the_database(fake, tmp_path) -> None:
    from beam_scanner import NamedStream, PerfParams
    from beam_scanner.storage import PythonStream

    config = tmp_path / "config.toml"
    config.write_text(f'[storage]\ntype = "posix"\ndb_path = "{tmp_path}/db"\n')
    cluster = kube.Cluster(HERE, replace(CONFIG, scanner_config=str(config)))
    with pytest.raises(ArgumentError, match="has no runs"):
        cluster.trace(str(tmp_path / "a.trace"))
    with open_client(tmp_path / "db") as sc:
        rows = sc.io.Input([PythonStream([b"a"])])
        output = sc.io.Output(sc.ops.Pass(input=rows), [NamedStream(sc, "copy")])
        number = sc.run(output, PerfParams.manual(1, 1), show_progress=False)
    for given in (None, number):
        path = cluster.trace(str(tmp_path / "a.trace"), job=given)
        assert json.loads((tmp_path / "a.trace").read_text())
        assert path.endswith("a.trace")


def test_objects(fake) -> None:
    cluster = kube.Cluster(HERE, CONFIG)
    cluster.start()
    info = cluster.get_kube_info("pods")
    assert cluster.get_object(info, "films-1")["kind"] == "Pod"
    assert cluster.get_object(info, "none") is None
    owned = cluster.get_object(info, "films-1")
    owned["metadata"]["ownerReferences"] = [{"name": "films"}]
    fake.put("Pod", owned)
    assert cluster.get_by_owner("pod", "films") == "films-1"
    assert cluster.get_kube_info("deploy", "other") == {"items": []}
    with pytest.raises(ArgumentError, match="kind must be one of"):
        cluster.get_kube_info("daemons")


def test_deployments_and_their_pods(fake) -> None:
    cluster = kube.Cluster(HERE, CONFIG)
    with pytest.raises(WorkerError, match="'scanner-worker' has no pod"):
        cluster.get_pod("scanner-worker")
    cluster.start()
    for name, wanted in (("master", "films-1"), ("worker", "films-taskmanager-0")):
        assert cluster.get_pod(f"scanner-{name}")["metadata"]["name"] == wanted
    owners = {"ReplicaSet": ("films-jobs-7", "films-jobs")}
    for kind, (name, owner) in owners.items():
        references = [{"name": owner}]
        fake.put(kind, {"metadata": {"name": name, "ownerReferences": references}})
    server = fake.of("Pod", "films-jobs-1")
    server["metadata"]["ownerReferences"] = [{"name": "films-jobs-7"}]
    assert cluster.get_pod("films-jobs")["metadata"]["name"] == "films-jobs-1"
    with pytest.raises(WorkerError, match="'others' has no pod"):
        cluster.get_pod("others")
    large = replace(MACHINE, gpu=1)
    made = cluster.make_deployment("worker", large, 9)
    assert made["spec"]["taskManager"]["replicas"] == 9
    assert crd_mistakes(made) == []
    pool = cluster.make_container("worker", large)
    assert pool["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert cluster.make_container("master", large)["name"] == "job-server"
    cluster.create_object(made)
    assert spec(fake)["taskManager"]["replicas"] == 9


def test_the_command(fake, capsys, monkeypatch) -> None:
    cluster = kube.Cluster(HERE, CONFIG)
    cluster.cli(["start", "--num-workers", "4", "--no-reset"])
    assert spec(fake)["taskManager"]["replicas"] == 4
    cluster.cli(["resize", "6"])
    assert spec(fake)["taskManager"]["replicas"] == 6
    cluster.cli(["healthy"])
    cluster.cli(["price"])
    assert capsys.readouterr().out.split() == ["True", str(cluster.config().price())]
    monkeypatch.setattr("builtins.input", lambda prompt: "n")
    cluster.cli(["delete"])
    assert cluster.running()
    cluster.cli(["delete", "--no-prompt"])
    assert not cluster.running()


def test_containers(fake, monkeypatch) -> None:
    with pytest.raises(ArgumentError, match=r"kube.master\(\): .*JobManager"):
        kube.master()
    called: list[list[str]] = []
    monkeypatch.setattr("beam_scanner.runners.worker_pool.main", called.append)
    kube.worker()
    assert called == [["--port=50000"]]
