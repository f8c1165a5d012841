"""What a Flink session cluster is made of, as objects of Kubernetes.

They are those of ``templates/flink``: a ``FlinkDeployment`` for the Flink Kubernetes
Operator, with a worker pool beside each TaskManager in its pod, and Beam's job server
with its service.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

Manifest = dict[str, Any]

POOL_PORT, JOB_PORT, ARTIFACT_PORT, REST_PORT = 50000, 8099, 8098, 8081
"""Of the worker pools, the job server and its artifacts, and Flink's REST."""

MAIN, WORKERS, JOB_SERVER = "flink-main-container", "workers", "job-server"
"""Names of the containers of Flink itself, of workers, and of the job server."""

_RESTARTS = {
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "10",
    "restart-strategy.fixed-delay.delay": "10s",
}
_KEYS = "/secret"


@dataclass(frozen=True)
class Pods:
    """What pods of one kind ask for.

    Attributes:
        cpu: Cores, as Kubernetes writes them.
        memory: Bytes, as Kubernetes writes them.
        gpus: GPUs of NVIDIA.
        nodes: Labels of the nodes on which they may be.
        tolerations: Of taints of these nodes.
    """

    cpu: str
    memory: str
    gpus: int = 0
    nodes: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Manifest] = ()


@dataclass(frozen=True)
class SessionCluster:
    """A Flink session cluster that is to be there.

    Attributes:
        name: Its name, and the beginning of those of its parts.
        image: Of the workers: Python, Beam, this package and what kernels use.
        workers: How many TaskManagers, each with a worker pool.
        slots: Tasks at a time, of each.
        worker: What the pool beside each TaskManager asks for, for all its slots.
        namespace: Where it is.
        flink: Version of Flink.
        beam: Version of Beam's job server; '' for the one that is installed here.
        service_account: Under which the operator runs Flink.
        flink_cpu: Cores of the JobManager and of each TaskManager, beside its workers.
        slot_seconds: How long a job waits for workers.
        master: Which nodes JobManager and job server may be on.
        variables: Environment of the workers.
        secret: Name of a secret whose values are more of their environment.
        key_file: Name of a value of the secret that is a file of Google credentials.
        containers: More containers, beside the workers.

    Examples:
        >>> cluster = SessionCluster('films', 'registry/worker', workers=8)
        >>> [made['kind'] for made in cluster.objects()], cluster.parallelism
        (['FlinkDeployment', 'Deployment', 'Service'], 16)
    """

    name: str
    image: str
    workers: int = 4
    slots: int = 2
    worker: Pods = Pods("2", "8Gi")
    namespace: str = "default"
    flink: str = "1.19"
    beam: str = ""
    service_account: str = "flink"
    flink_cpu: float = 1
    slot_seconds: int = 1200
    master: Pods = Pods("1", "2Gi")
    variables: Mapping[str, str] = field(default_factory=dict)
    secret: str = ""
    key_file: str = ""
    containers: Sequence[Manifest] = ()

    @property
    def parallelism(self) -> int:
        """Tasks at a time, of all workers."""
        return self.workers * self.slots

    @property
    def jobs(self) -> str:
        """Name of the job server and of its service."""
        return f"{self.name}-jobs"

    @property
    def rest(self) -> str:
        """Name of the service of Flink's REST, as the operator names it."""
        return f"{self.name}-rest"

    def objects(self) -> list[Manifest]:
        """All objects that it is made of."""
        return [self.deployment(), self.job_server(), self.service()]

    def deployment(self) -> Manifest:
        """The ``FlinkDeployment``."""
        spec: Manifest = {
            "image": f"flink:{self.flink}-java17",
            "flinkVersion": f"v{self.flink.replace('.', '_')}",
            "serviceAccount": self.service_account,
            "mode": "standalone",
            "flinkConfiguration": {
                "taskmanager.numberOfTaskSlots": str(self.slots),
                **_RESTARTS,
                "slot.request.timeout": str(self.slot_seconds * 1000),
            },
            "jobManager": {"resource": self._flink_resource},
            "taskManager": {
                "replicas": self.workers,
                "resource": self._flink_resource,
                "podTemplate": {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"name": f"{self.name}-worker"},
                    "spec": self._worker_pod(),
                },
            },
        }
        placed = _placed(self.master)
        if placed:
            spec["jobManager"]["podTemplate"] = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"{self.name}-master"},
                "spec": {"containers": [{"name": MAIN}], **placed},
            }
        return self._made("flink.apache.org/v1beta1", "FlinkDeployment", spec)

    @property
    def _flink_resource(self) -> Manifest:
        return {"cpu": self.flink_cpu, "memory": "2048m"}

    def _worker_pod(self) -> Manifest:
        volumes: list[Manifest] = [{"name": "scratch", "emptyDir": {}}]
        if self.key_file:
            items = [{"key": self.key_file, "path": self.key_file}]
            secret = {"secretName": self.secret, "items": items}
            volumes.append({"name": "keys", "secret": secret})
        return {
            # Only this name is the TaskManager's own container.
            "containers": [
                {"name": MAIN},
                self._pool(),
                *self.containers,
            ],
            "volumes": volumes,
            **_placed(self.worker),
        }

    def _pool(self) -> Manifest:
        worker = self.worker
        limits: Manifest = {"memory": worker.memory}
        if worker.gpus:
            limits["nvidia.com/gpu"] = worker.gpus
        mounts = [{"name": "scratch", "mountPath": "/tmp"}]
        variables = dict(self.variables)
        if self.key_file:
            mounts.append({"name": "keys", "mountPath": _KEYS})
            variables["GOOGLE_APPLICATION_CREDENTIALS"] = f"{_KEYS}/{self.key_file}"
        pool: Manifest = {
            "name": WORKERS,
            "image": self.image,
            "args": ["--worker_pool"],
            "ports": [{"name": "worker-pool", "containerPort": POOL_PORT}],
            "resources": {
                "requests": {"cpu": worker.cpu, "memory": worker.memory},
                "limits": limits,
            },
            "readinessProbe": _answers(POOL_PORT),
            "volumeMounts": mounts,
        }
        if variables:
            pool["env"] = [{"name": k, "value": v} for k, v in variables.items()]
        if self.secret:
            pool["envFrom"] = [{"secretRef": {"name": self.secret}}]
        return pool

    def job_server(self) -> Manifest:
        """The ``Deployment`` of Beam's job server."""
        beam = self.beam or version("apache-beam")
        container = {
            "name": JOB_SERVER,
            "image": f"apache/beam_flink{self.flink}_job_server:{beam}",
            "args": [
                f"--flink-master={self.rest}:{REST_PORT}",
                f"--job-port={JOB_PORT}",
                f"--artifact-port={ARTIFACT_PORT}",
                "--expansion-port=8097",
            ],
            "ports": [
                {"name": "jobs", "containerPort": JOB_PORT},
                {"name": "artifacts", "containerPort": ARTIFACT_PORT},
            ],
            "resources": {
                "requests": {"cpu": self.master.cpu, "memory": self.master.memory},
                "limits": {"memory": self.master.memory},
            },
            "readinessProbe": _answers(JOB_PORT),
        }
        spec = {
            "replicas": 1,
            "selector": {"matchLabels": self._labels},
            "template": {
                "metadata": {"labels": self._labels},
                "spec": {"containers": [container], **_placed(self.master)},
            },
        }
        return self._made("apps/v1", "Deployment", spec, self.jobs)

    def service(self) -> Manifest:
        """The ``Service`` of Beam's job server."""
        ports = {"jobs": JOB_PORT, "artifacts": ARTIFACT_PORT}
        spec = {
            "selector": self._labels,
            "ports": [
                {"name": name, "port": port, "targetPort": port}
                for name, port in ports.items()
            ],
        }
        return self._made("v1", "Service", spec, self.jobs)

    @property
    def _labels(self) -> Manifest:
        return {"app": self.jobs}

    def _made(self, api: str, kind: str, spec: Manifest, name: str = "") -> Manifest:
        metadata = {"name": name or self.name, "namespace": self.namespace}
        return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


def secret(name: str, namespace: str, values: Mapping[str, str]) -> Manifest:
    """A ``Secret`` of texts."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        # With stringData, values that are not given any more would stay.
        "data": {k: b64encode(v.encode()).decode() for k, v in values.items()},
    }


def _answers(port: int) -> Manifest:
    return {"tcpSocket": {"port": port}, "periodSeconds": 5}


def _placed(pods: Pods) -> Manifest:
    placed: Manifest = {}
    if pods.nodes:
        placed["nodeSelector"] = dict(pods.nodes)
    if pods.tolerations:
        placed["tolerations"] = list(pods.tolerations)
    return placed
