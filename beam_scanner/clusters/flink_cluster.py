"""A Flink session cluster on Kubernetes: it is started, resized, watched and removed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from beam_scanner.clusters.kubernetes import Kubernetes
from beam_scanner.clusters.manifests import (
    ARTIFACT_PORT,
    JOB_PORT,
    JOB_SERVER,
    MAIN,
    POOL_PORT,
    REST_PORT,
    WORKERS,
    Manifest,
    SessionCluster,
    secret,
)
from beam_scanner.errors import ArgumentError, WorkerError

START_SECONDS = 1200.0
"""How long a start may take: nodes that are made need minutes."""

_POLL_SECONDS = 1.0
_STUCK = (
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
)


class FlinkCluster:
    """A session cluster.

    Args:
        spec: What is to be there.
        api: Of the Kubernetes cluster.

    Attributes:
        spec: What is to be there.
    """

    def __init__(self, spec: SessionCluster, api: Kubernetes) -> None:
        self.spec = spec
        self._api = api

    def exists(self) -> bool:
        """Whether it is there, ready or not."""
        return self._deployment() is not None

    def start(
        self,
        reset: bool = False,
        wait: bool = True,
        secrets: Mapping[str, str] | None = None,
        seconds: float = START_SECONDS,
    ) -> None:
        """Makes it, or changes what is there to what it is to be.

        Args:
            reset: Remove what is there first; else running jobs go on where they can.
                The number of workers stays as it was.
            wait: Until it takes jobs.
            secrets: Values of ``spec.secret``.
            seconds: How long to wait.

        Raises:
            WorkerError: Kubernetes refuses it, or it does not come up.
        """
        there = self._deployment()
        if there is not None:
            workers = int(there["spec"]["taskManager"].get("replicas", 1))
            self.spec = replace(self.spec, workers=workers)
        if reset and there is not None:
            self.delete()
        if secrets and self.spec.secret:
            self._api.apply(secret(self.spec.secret, self.spec.namespace, secrets))
        for made in self.spec.objects():
            self._api.apply(made)
        if wait:
            self.wait(seconds)

    def wait(self, seconds: float = START_SECONDS) -> None:
        """Waits until it takes jobs.

        Raises:
            WorkerError: It has failed, or is not ready in time; says what is missing.
        """
        until = time.monotonic() + seconds
        while True:
            missing = self._missing()
            if not missing:
                return
            if time.monotonic() > until:
                problems = "; ".join(self.problems()) or "nothing says why"
                raise WorkerError(
                    f"cluster {self.spec.name!r} is not ready after {seconds:g} s: "
                    f"{missing}; {problems}"
                )
            time.sleep(_POLL_SECONDS)

    def _missing(self) -> str:
        """What keeps it from taking jobs; '' for nothing."""
        found = self._deployment()
        status = (found or {}).get("status") or {}
        if found is None or status.get("lifecycleState") == "FAILED":
            told = status.get("error") or "it is gone"
            raise WorkerError(f"cluster {self.spec.name!r} has failed: {told}")
        if status.get("jobManagerDeploymentStatus") != "READY":
            return f"JobManager {status.get('jobManagerDeploymentStatus', 'not made')}"
        server = self._api.get("Deployment", self.spec.jobs) or {}
        if not (server.get("status") or {}).get("readyReplicas"):
            return "the job server is not ready"
        if not any(map(_is_ready, self.workers())):
            return "no worker is ready"
        return ""

    def resize(self, workers: int) -> None:
        """Changes the number of workers; later runs use all that are there.

        Raises:
            ArgumentError: It is not a number of workers.
            WorkerError: The cluster is not there.
        """
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise ArgumentError(
                f"a cluster has a whole number of workers from 1 on, got {workers!r}"
            )
        change = {"spec": {"taskManager": {"replicas": workers}}}
        self._api.patch("FlinkDeployment", self.spec.name, change)
        self.spec = replace(self.spec, workers=workers)

    def delete(self, seconds: float = START_SECONDS) -> None:
        """Removes it, and waits until it is gone; nothing if it is not there.

        Raises:
            WorkerError: It is still there after so many seconds.
        """
        for kind, name in self._parts():
            self._api.delete(kind, name)
        until = time.monotonic() + seconds
        while any(self._api.get(kind, name) for kind, name in self._parts()):
            if time.monotonic() > until:
                raise WorkerError(
                    f"cluster {self.spec.name!r} is still there {seconds:g} s after it "
                    "was deleted: does the Flink operator run?"
                )
            time.sleep(_POLL_SECONDS)

    def _parts(self) -> Iterator[tuple[str, str]]:
        for made in self.spec.objects():
            yield made["kind"], made["metadata"]["name"]
        if self.spec.secret:
            yield "Secret", self.spec.secret

    def _deployment(self) -> Manifest | None:
        return self._api.get("FlinkDeployment", self.spec.name)

    def workers(self) -> list[Manifest]:
        """Pods of the TaskManagers, each with its worker pool, by name."""
        return self._pods({"app": self.spec.name, "component": "taskmanager"})

    def masters(self) -> list[Manifest]:
        """Pods of the JobManager and of the job server."""
        manager = {"app": self.spec.name, "component": "jobmanager"}
        return self._pods(manager) + self._pods({"app": self.spec.jobs})

    def _pods(self, labels: Mapping[str, str]) -> list[Manifest]:
        return self._api.listed("Pod", labels)

    def problems(self) -> list[str]:
        """What is wrong with it: errors of the operator, pods that fail.

        Returns:
            A line for each; none if it is healthy.
        """
        found = self._deployment()
        if found is None:
            return [f"there is no cluster {self.spec.name!r}"]
        status = found.get("status") or {}
        problems = []
        if status.get("lifecycleState") == "FAILED" or status.get("error"):
            told = status.get("error") or "it has failed"
            problems.append(f"cluster {self.spec.name!r}: {told}")
        for pod in [*self.masters(), *self.workers()]:
            problems += _problems(pod)
        return problems

    def jobs(self) -> list[dict[str, Any]]:
        """Jobs of Flink, the latest first, as its REST gives them.

        Returns:
            For each ``jid``, ``name``, ``state``, ``start-time``, ``tasks`` and so on.

        Raises:
            WorkerError: Flink does not answer.
        """
        found = self._api.service(self.spec.rest, REST_PORT, "jobs/overview")
        jobs: list[dict[str, Any]] = found.get("jobs", [])
        return sorted(jobs, key=lambda job: -int(job.get("start-time", 0)))

    def master_log(self, previous: bool = False) -> str:
        """What JobManager and job server have printed.

        Raises:
            WorkerError: There is none.
        """
        logs = []
        for pod in self.masters():
            name = pod["metadata"]["name"]
            for container in pod["spec"]["containers"]:
                if container["name"] in (MAIN, JOB_SERVER):
                    logs.append(self._api.log(name, container["name"], previous))
        if not logs:
            raise WorkerError(f"cluster {self.spec.name!r} has no JobManager")
        return "\n".join(logs)

    def worker_log(self, number: int, previous: bool = False) -> str:
        """What the worker pool of a TaskManager has printed.

        Args:
            number: Which one, in the order of their names.
            previous: Of the container that ended before it was started again.

        Raises:
            ArgumentError: There is no such worker.
        """
        pods = self.workers()
        if not 0 <= number < len(pods):
            raise ArgumentError(
                f"cluster {self.spec.name!r} has workers 0 to {len(pods) - 1}, got "
                f"{number}"
                if pods
                else f"cluster {self.spec.name!r} has no workers yet"
            )
        return self._api.log(pods[number]["metadata"]["name"], WORKERS, previous)

    @contextmanager
    def job_server(self) -> Iterator[tuple[str, str]]:
        """Addresses of job server and artifacts, for as long as it is open.

        Inside the cluster those of its service; elsewhere ports of this machine, by
        ``kubectl port-forward``.

        Raises:
            MissingDependencyError: kubectl is not installed.
            WorkerError: The cluster cannot be reached.
        """
        with ExitStack() as stack:
            host, ports = "127.0.0.1", [JOB_PORT, ARTIFACT_PORT]
            if "KUBERNETES_SERVICE_HOST" in os.environ:
                host = f"{self.spec.jobs}.{self.spec.namespace}.svc"
            else:
                ports = stack.enter_context(self._api.forward(self.spec.jobs, ports))
            yield f"{host}:{ports[0]}", f"{host}:{ports[1]}"

    def options(self, jobs: str, artifacts: str) -> list[str]:
        """Beam's options of runs on it.

        Args:
            jobs: Address of the job server.
            artifacts: Address of its artifacts.
        """
        return [
            "--runner=PortableRunner",
            f"--job_endpoint={jobs}",
            f"--artifact_endpoint={artifacts}",
            # EXTERNAL, whose pool is looked for on this machine where the job server
            # seems to be here.
            "--environment_type=beam:env:external:v1",
            # Each TaskManager finds the one in its own pod.
            f"--environment_config=localhost:{POOL_PORT}",
            f"--parallelism={self.spec.parallelism}",
            # What a job server in a container is sent, no TaskManager can read.
            "--experiments=disable_logging_submission_environment",
        ]


def _is_ready(pod: Manifest) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _problems(pod: Manifest) -> Iterator[str]:
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    if status.get("phase") == "Failed":
        yield f"pod {name!r} has failed: {status.get('message') or status.get('reason')}"
    for container in status.get("containerStatuses") or []:
        where = f"container {container['name']!r} of pod {name!r}"
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _STUCK:
            told = f": {waiting['message']}" if waiting.get("message") else ""
            yield f"{where} does not start, {waiting['reason']}{told}"
        ended = (container.get("lastState") or {}).get("terminated") or {}
        if ended.get("reason") == "OOMKilled":
            yield f"{where} was killed: it took more memory than its limit"
    for condition in status.get("conditions") or []:
        if condition.get("reason") == "Unschedulable":
            yield f"pod {name!r} finds no node: {condition.get('message')}"
