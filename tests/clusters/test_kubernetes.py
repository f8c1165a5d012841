"""Kubernetes' API: which requests are made, and what is told of errors."""

from __future__ import annotations

import socket

import pytest

from beam_scanner.clusters.kubernetes import Kubernetes
from beam_scanner.clusters.manifests import SessionCluster
from beam_scanner.errors import ArgumentError, MissingDependencyError, WorkerError
from tests.support.fake_kubernetes import pod
from tests.support.fake_programs import FakePrograms

FILMS = SessionCluster("films", "worker")


def test_objects(fake, api) -> None:
    assert api.get("FlinkDeployment", "films") is None
    for _ in range(2):
        for made in FILMS.objects():
            api.apply(made)
    verbs = [(verb, path.rpartition("/")[0]) for verb, path, _ in fake.requests]
    root = "namespaces/default"
    assert (
        verbs
        == [
            ("PATCH", f"/apis/flink.apache.org/v1beta1/{root}/flinkdeployments"),
            ("PATCH", f"/apis/apps/v1/{root}/deployments"),
            ("PATCH", f"/api/v1/{root}/services"),
        ]
        * 2
    )
    found = api.get("FlinkDeployment", "films")
    assert found["spec"] == FILMS.deployment()["spec"]
    api.patch("FlinkDeployment", "films", {"spec": {"taskManager": {"replicas": 9}}})
    assert fake.of("FlinkDeployment", "films")["spec"]["taskManager"]["replicas"] == 9
    assert [made["metadata"]["name"] for made in api.listed("Service")] == [
        "films-jobs"
    ]
    assert api.delete("Service", "films-jobs")
    assert not api.delete("Service", "films-jobs")


def test_what_is_refused_is_told(fake, api) -> None:
    made = FILMS.deployment()
    made["spec"]["flinkVersion"] = "v9"
    with pytest.raises(
        WorkerError, match=r"cannot apply FlinkDeployment 'films': .*'v9'"
    ):
        api.apply(made)
    with pytest.raises(
        WorkerError, match=r'change FlinkDeployment .*"films" not found'
    ):
        api.patch("FlinkDeployment", "films", {})


def test_kinds_that_are_not_known(fake, api) -> None:
    fake.unknown |= {"FlinkDeployment", "NodeMetrics"}
    assert api.get("FlinkDeployment", "films") is None
    assert not api.delete("FlinkDeployment", "films")
    found = r"404 page not found; is the Flink operator installed\?"
    with pytest.raises(WorkerError, match=f"apply FlinkDeployment 'films': {found}"):
        api.apply(FILMS.deployment())
    with pytest.raises(WorkerError, match=f"change FlinkDeployment 'films': {found}"):
        api.patch("FlinkDeployment", "films", {})
    with pytest.raises(
        WorkerError, match=r"NodeMetrics: .*is metrics-server installed"
    ):
        api.listed("NodeMetrics")
    with pytest.raises(ArgumentError, match=r"one of FlinkDeployment, .*'ConfigMap'"):
        api.apply({"kind": "ConfigMap", "metadata": {"name": "films"}})


def test_labels_logs_and_services(fake, api) -> None:
    fake.put("Pod", pod("b", ["workers"], {"app": "films"}))
    fake.put("Pod", pod("a", ["workers"], {"app": "films"}))
    fake.put("Pod", pod("c", ["workers"], {"app": "others"}))
    names = [p["metadata"]["name"] for p in api.listed("Pod", {"app": "films"})]
    assert names == ["a", "b"]
    fake.logs["a", "workers"] = "one\ntwo\n"
    assert api.log("a", "workers") == "one\ntwo\n"
    with pytest.raises(WorkerError, match="container nose is not valid for pod a"):
        api.log("a", "nose")
    fake.services["films-rest:8081/jobs/overview"] = {"jobs": [1]}
    assert api.service("films-rest", 8081, "jobs/overview") == {"jobs": [1]}
    with pytest.raises(
        WorkerError, match="ask service 'films-rest' for x: no endpoints"
    ):
        api.service("films-rest", 8081, "x")
    for answer in ("<html>", '["a", "b"]'):
        fake.services["films-rest:8081/x"] = answer
        with pytest.raises(
            WorkerError, match=r"ask service 'films-rest' for x: .*no object of JSON"
        ):
            api.service("films-rest", 8081, "x")


def test_contexts(fake, tmp_path, monkeypatch) -> None:
    assert Kubernetes.current_context() == "films"
    assert Kubernetes(context="gke_tv_us-east1-b_films").listed("Pod") == []
    with pytest.raises(WorkerError, match="Context 'none' not found"):
        Kubernetes(context="none")
    with pytest.raises(WorkerError, match="get its credentials first"):
        Kubernetes(config=tmp_path / "none")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert Kubernetes.current_context() == ""


def test_a_server_that_is_gone(fake, api, tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    config = tmp_path / "kubeconfig"
    text = config.read_text()
    (line,) = [line for line in text.splitlines() if "server:" in line]
    config.write_text(text.replace(line, f"    server: http://127.0.0.1:{port}"))
    with pytest.raises(WorkerError, match="Kubernetes cannot list Pod"):
        Kubernetes(config=config).listed("Pod")


def test_ports_are_forwarded(fake, tmp_path, monkeypatch) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    programs = FakePrograms(folder, "kubectl")
    monkeypatch.setenv("PATH", programs.path())
    said = "".join(
        f"Forwarding from 127.0.0.1:{n} -> {m}\n" for n, m in ((5, 98), (6, 99))
    )
    programs.answer(said, "port-forward", code=-1)
    api = Kubernetes(namespace="tv", context="films")
    with api.forward("films-jobs", [99, 98]) as ports:
        assert ports == [6, 5]
    (call,) = programs.calls()
    assert call == [
        *("kubectl", "--namespace=tv", "--context=films", "port-forward"),
        *("--address=127.0.0.1", "service/films-jobs", ":99", ":98"),
    ]
    programs.answer("error: no such service\n", "port-forward", code=1)
    with pytest.raises(WorkerError, match="'films-jobs': error: no such service"):
        api.forward("films-jobs", [99]).__enter__()
    programs.answer("died of memory\n", "logs")
    assert api.log("a", "workers", previous=True) == "died of memory\n"
    assert programs.calls()[-1][3:] == [
        "logs",
        "a",
        "--container=workers",
        "--previous",
    ]
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="no program 'kubectl': install"):
        api.forward("films-jobs", [99]).__enter__()
