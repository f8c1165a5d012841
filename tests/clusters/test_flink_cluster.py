"""A session cluster on Kubernetes, from its start to its end."""

from __future__ import annotations

import pytest

from beam_scanner.clusters import flink_cluster
from beam_scanner.clusters.flink_cluster import FlinkCluster
from beam_scanner.clusters.manifests import SessionCluster
from beam_scanner.errors import ArgumentError, WorkerError
from tests.support.fake_programs import FakePrograms

FILMS = SessionCluster("films", "worker", workers=2, slots=4, secret="keys")


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(flink_cluster, "_POLL_SECONDS", 0.01)


@pytest.fixture
def cluster(api):
    return FlinkCluster(FILMS, api)


def changes(fake) -> list[tuple[str, str]]:
    return [(verb, path.rpartition("/")[2]) for verb, path, _ in fake.requests]


def test_start_and_delete(fake, cluster) -> None:
    assert not cluster.exists()
    assert cluster.problems() == ["there is no cluster 'films'"]
    cluster.start(secrets={"AWS_ACCESS_KEY_ID": "a"})
    assert cluster.exists()
    assert cluster.problems() == []
    made = [("PATCH", name) for name in ("keys", "films", "films-jobs", "films-jobs")]
    assert changes(fake) == made
    assert fake.of("Secret", "keys")["data"] == {"AWS_ACCESS_KEY_ID": "YQ=="}
    assert len(cluster.workers()) == 2
    cluster.delete()
    assert not cluster.exists()
    assert not fake.objects
    cluster.delete()


def test_a_second_start_keeps_the_workers(fake, cluster, api) -> None:
    cluster.start()
    cluster.resize(7)
    assert cluster.spec.parallelism == 28
    assert len(cluster.workers()) == 7
    again = FlinkCluster(FILMS, api)
    again.start()
    assert again.spec.workers == 7
    fake.requests.clear()
    again.start(reset=True)
    assert [verb for verb, _ in changes(fake)] == ["DELETE"] * 4 + ["PATCH"] * 3
    assert len(again.workers()) == 7


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, "3", None])
def test_numbers_of_workers(cluster, workers) -> None:
    with pytest.raises(ArgumentError, match="whole number of workers"):
        cluster.resize(workers)


def test_resizing_what_is_not_there(cluster) -> None:
    with pytest.raises(WorkerError, match='"films" not found'):
        cluster.resize(3)


def test_a_start_that_fails(fake, cluster) -> None:
    fake.operates = False
    with pytest.raises(
        WorkerError, match=r"not ready after 0.05 s: JobManager not made"
    ):
        cluster.start(seconds=0.05)
    made = fake.of("FlinkDeployment", "films")
    made["status"] = {"jobManagerDeploymentStatus": "READY"}
    with pytest.raises(WorkerError, match="the job server is not ready"):
        cluster.wait(0)
    fake.of("Deployment", "films-jobs")["status"] = {"readyReplicas": 1}
    with pytest.raises(WorkerError, match="no worker is ready"):
        cluster.wait(0)
    made["status"] = {"lifecycleState": "FAILED", "error": "no such image"}
    with pytest.raises(WorkerError, match="'films' has failed: no such image"):
        cluster.wait(60)


def test_a_delete_without_an_operator(fake, cluster, monkeypatch) -> None:
    cluster.start()
    answer = fake.answer

    def kept(verb, url, *rest):
        return {} if verb == "DELETE" else answer(verb, url, *rest)

    monkeypatch.setattr(fake, "answer", kept)
    with pytest.raises(WorkerError, match=r"still there .*does the Flink operator run"):
        cluster.delete(seconds=0.05)


def test_problems_are_told(fake, cluster) -> None:
    cluster.start()
    one, two = (fake.of("Pod", f"films-taskmanager-{n}") for n in range(2))
    one["status"]["phase"] = "Failed"
    one["status"]["message"] = "node is gone"
    killed = {"terminated": {"reason": "OOMKilled"}}
    two["status"]["containerStatuses"][1]["lastState"] = killed
    server = fake.of("Pod", "films-jobs-1")["status"]
    waits = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    server["containerStatuses"][0]["state"] = waits
    server["conditions"] = [
        {"type": "PodScheduled", "status": "False"}
        | {"reason": "Unschedulable", "message": "no nodes"}
    ]
    assert cluster.problems() == [
        (
            "container 'job-server' of pod 'films-jobs-1' does not start, ImagePullBackOff: "
            "no such image"
        ),
        "pod 'films-jobs-1' finds no node: no nodes",
        "pod 'films-taskmanager-0' has failed: node is gone",
        (
            "container 'workers' of pod 'films-taskmanager-1' was killed: it took more "
            "memory than its limit"
        ),
    ]
    fake.of("FlinkDeployment", "films")["status"]["error"] = "no quota"
    assert cluster.problems()[0] == "cluster 'films': no quota"


def test_jobs_and_logs(fake, cluster) -> None:
    cluster.start()
    jobs = [{"jid": "a", "start-time": 1}, {"jid": "b", "start-time": 2}]
    fake.services["films-rest:8081/jobs/overview"] = {"jobs": jobs}
    assert [job["jid"] for job in cluster.jobs()] == ["b", "a"]
    fake.logs["films-1", "flink-main-container"] = "JobManager\n"
    fake.logs["films-jobs-1", "job-server"] = "jobs\n"
    fake.logs["films-taskmanager-1", "workers"] = "worker\n"
    assert cluster.master_log() == "JobManager\n\njobs\n"
    assert cluster.worker_log(1) == "worker\n"
    with pytest.raises(ArgumentError, match="has workers 0 to 1, got 2"):
        cluster.worker_log(2)
    cluster.delete()
    with pytest.raises(ArgumentError, match="has no workers"):
        cluster.worker_log(0)


def test_addresses(fake, cluster, tmp_path, monkeypatch) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    programs = FakePrograms(folder, "kubectl")
    monkeypatch.setenv("PATH", programs.path())
    said = "Forwarding from 127.0.0.1:5 -> 8099\nForwarding from 127.0.0.1:6 -> 8098\n"
    programs.answer(said, "port-forward", code=-1)
    with cluster.job_server() as addresses:
        assert addresses == ("127.0.0.1:5", "127.0.0.1:6")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with cluster.job_server() as addresses:
        assert addresses == (
            "films-jobs.default.svc:8099",
            "films-jobs.default.svc:8098",
        )
    assert len(programs.calls()) == 1


def test_options_are_those_of_the_template(cluster) -> None:
    from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions

    found = PipelineOptions(cluster.options("jobs:1", "jobs:2")).view_as(
        PortableOptions
    )
    assert (found.job_endpoint, found.artifact_endpoint) == ("jobs:1", "jobs:2")
    assert found.environment_config == "localhost:50000"
    assert "--parallelism=8" in cluster.options("jobs:1", "jobs:2")
    from apache_beam.transforms.environments import Environment, ExternalEnvironment

    made = Environment.from_options(found)
    assert isinstance(made, ExternalEnvironment)
    assert made.url == "localhost:50000"
