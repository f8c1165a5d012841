"""Kubernetes clusters of clouds, and their pools of machines, by each cloud's own program.

A cluster has two pools: one machine for JobManager and job server, and the workers'.
Credentials are those that the program has: ``gcloud auth login`` and its like.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from beam_scanner.clusters.manifests import Manifest
from beam_scanner.clusters.programs import run, run_json
from beam_scanner.errors import ArgumentError

WORKER_POOL = "workers"

Command = list[str]


@dataclass(frozen=True)
class Pool:
    """Machines of one kind.

    Attributes:
        machine: Their type, as the cloud calls it.
        nodes: How many.
        disk: GB.
        gpus: Of each.
        gpu_type: As the cloud calls it.
        spot: Whether the cloud may take them away.
        autoscale: Whether there are as many as pods need, up to ``nodes``.
    """

    machine: str
    nodes: int
    disk: int
    gpus: int = 0
    gpu_type: str = ""
    spot: bool = False
    autoscale: bool = False


@dataclass(frozen=True)
class Place:
    """Which cluster is meant.

    Attributes:
        name: Of the cluster.
        project: Google's project, Azure's resource group; '' on AWS.
        zone: Google's zone, the region of others.
        version: Of Kubernetes; '' for the cloud's choice.
        scopes: What Google's machines may do.
    """

    name: str
    project: str
    zone: str
    version: str = ""
    scopes: Sequence[str] = ()


class Cloud(ABC):
    """A cloud's clusters.

    Args:
        place: Which one.
    """

    master_pool = "default-pool"
    pool_label = ""
    """The label of a node that names its pool."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def pools(self) -> list[str]:
        """Names of the pools that are there; none without the cluster.

        Raises:
            MissingDependencyError: The cloud's program is not installed.
            WorkerError: It fails.
        """
        clusters = run_json(self._list_clusters())
        if not any(_name(each) == self._place.name for each in clusters or ()):
            return []
        return [_name(each) for each in run_json(self._list_pools()) or ()]

    def start(self, master: Pool, workers: Pool) -> None:
        """Makes what is not there of the cluster and its pools.

        Raises:
            WorkerError: The cloud refuses it.
        """
        there = self.pools()
        commands = [] if there else self._create(master)
        if there and self.master_pool not in there:
            commands += [self._add_pool(self.master_pool, master)]
        if WORKER_POOL not in there:
            commands += [self._add_pool(WORKER_POOL, workers)]
        for command in commands:
            run(command)

    def resize(self, workers: Pool) -> None:
        """Changes how many workers there are, or may be.

        Raises:
            WorkerError: The cloud refuses it.
        """
        run(self._resize(workers))

    def delete(self) -> None:
        """Removes the cluster with all its machines.

        Raises:
            WorkerError: The cloud refuses it.
        """
        run(self._delete())

    def get_credentials(self) -> None:
        """Makes it the cluster of the kubeconfig.

        Raises:
            WorkerError: There is no such cluster.
        """
        run(self._credentials())

    @abstractmethod
    def is_context(self, name: str) -> bool:
        """Whether a context of the kubeconfig is that of this cluster."""

    def nodes(self, pool: str) -> dict[str, str]:
        """Labels of the nodes of a pool."""
        return {self.pool_label: pool}

    def tolerations(self, pool: Pool) -> list[Manifest]:
        """Of the taints that the cloud gives to the nodes of a pool."""
        return []

    @abstractmethod
    def _list_clusters(self) -> Command: ...

    @abstractmethod
    def _list_pools(self) -> Command: ...

    @abstractmethod
    def _create(self, master: Pool) -> list[Command]: ...

    @abstractmethod
    def _add_pool(self, name: str, pool: Pool) -> Command: ...

    @abstractmethod
    def _resize(self, workers: Pool) -> Command: ...

    @abstractmethod
    def _delete(self) -> Command: ...

    @abstractmethod
    def _credentials(self) -> Command: ...


class Google(Cloud):
    """Google Kubernetes Engine, by ``gcloud``."""

    pool_label = "cloud.google.com/gke-nodepool"

    def _gcloud(self, *words: str) -> Command:
        where = [f"--project={self._place.project}", f"--zone={self._place.zone}"]
        return ["gcloud", "container", *words, *where, "--quiet"]

    def _list_clusters(self) -> Command:
        return self._gcloud("clusters", "list", "--format=json")

    def _list_pools(self) -> Command:
        cluster = f"--cluster={self._place.name}"
        return self._gcloud("node-pools", "list", cluster, "--format=json")

    def _machines(self, pool: Pool) -> Command:
        flags = [f"--machine-type={pool.machine}", f"--disk-size={pool.disk}"]
        flags.append(f"--num-nodes={pool.nodes}")
        if self._place.scopes:
            flags.append(f"--scopes={','.join(sorted(self._place.scopes))}")
        if pool.autoscale:
            limits = ["--min-nodes=0", f"--max-nodes={pool.nodes}"]
            flags += ["--enable-autoscaling", *limits]
        if pool.gpus:
            kind = f"type={pool.gpu_type},count={pool.gpus}"
            flags.append(f"--accelerator={kind},gpu-driver-version=default")
        return flags + (["--spot"] if pool.spot else [])

    def _create(self, master: Pool) -> list[Command]:
        version = self._place.version
        flags = [f"--cluster-version={version}"] if version else []
        machines = self._machines(master)
        name = self._place.name
        return [self._gcloud("clusters", "create", name, *machines, *flags)]

    def _add_pool(self, name: str, pool: Pool) -> Command:
        cluster = f"--cluster={self._place.name}"
        machines = self._machines(pool)
        return self._gcloud("node-pools", "create", name, cluster, *machines)

    def _resize(self, workers: Pool) -> Command:
        name = self._place.name
        if workers.autoscale:
            limits = ["--min-nodes=0", f"--max-nodes={workers.nodes}"]
            flags = [f"--cluster={name}", "--enable-autoscaling", *limits]
            return self._gcloud("node-pools", "update", WORKER_POOL, *flags)
        flags = [f"--node-pool={WORKER_POOL}", f"--num-nodes={workers.nodes}"]
        return self._gcloud("clusters", "resize", name, *flags)

    def _delete(self) -> Command:
        return self._gcloud("clusters", "delete", self._place.name)

    def _credentials(self) -> Command:
        return self._gcloud("clusters", "get-credentials", self._place.name)

    def is_context(self, name: str) -> bool:
        """See ``Cloud.is_context``."""
        place = self._place
        return name == f"gke_{place.project}_{place.zone}_{place.name}"


class Amazon(Cloud):
    """Elastic Kubernetes Service, by ``eksctl`` and ``aws``."""

    pool_label = "alpha.eksctl.io/nodegroup-name"

    def _eksctl(self, *words: str) -> Command:
        return ["eksctl", *words, f"--region={self._place.zone}"]

    def _list_clusters(self) -> Command:
        return self._eksctl("get", "cluster", "--output=json")

    def _list_pools(self) -> Command:
        cluster = f"--cluster={self._place.name}"
        return self._eksctl("get", "nodegroup", cluster, "--output=json")

    def _create(self, master: Pool) -> list[Command]:
        version = self._place.version
        flags = [f"--version={version}"] if version else []
        name = f"--name={self._place.name}"
        made = self._eksctl("create", "cluster", name, "--without-nodegroup", *flags)
        return [made, self._add_pool(self.master_pool, master)]

    def _add_pool(self, name: str, pool: Pool) -> Command:
        least = 0 if pool.autoscale else pool.nodes
        flags = [f"--cluster={self._place.name}", f"--name={name}"]
        flags += [f"--node-type={pool.machine}", f"--node-volume-size={pool.disk}"]
        flags += [f"--nodes={pool.nodes}", f"--nodes-min={least}"]
        flags.append(f"--nodes-max={pool.nodes}")
        return self._eksctl(
            "create", "nodegroup", *flags, *(["--spot"] if pool.spot else [])
        )

    def _resize(self, workers: Pool) -> Command:
        least = 0 if workers.autoscale else workers.nodes
        flags = [f"--cluster={self._place.name}", f"--name={WORKER_POOL}"]
        flags += [f"--nodes={workers.nodes}", f"--nodes-min={least}"]
        flags.append(f"--nodes-max={workers.nodes}")
        return self._eksctl("scale", "nodegroup", *flags)

    def _delete(self) -> Command:
        return self._eksctl("delete", "cluster", f"--name={self._place.name}", "--wait")

    def _credentials(self) -> Command:
        where = [f"--name={self._place.name}", f"--region={self._place.zone}"]
        return ["aws", "eks", "update-kubeconfig", *where]

    def is_context(self, name: str) -> bool:
        """See ``Cloud.is_context``."""
        region = f":{self._place.zone}:"
        return region in name and name.endswith(f":cluster/{self._place.name}")


class Azure(Cloud):
    """Azure Kubernetes Service, by ``az``."""

    # Names have up to twelve letters and digits there.
    master_pool = "masters"
    pool_label = "kubernetes.azure.com/agentpool"

    def _az(self, *words: str) -> Command:
        return ["az", "aks", *words, f"--resource-group={self._place.project}"]

    def _list_clusters(self) -> Command:
        return self._az("list", "--output=json")

    def _list_pools(self) -> Command:
        cluster = f"--cluster-name={self._place.name}"
        return self._az("nodepool", "list", cluster, "--output=json")

    def _machines(self, pool: Pool) -> Command:
        flags = [f"--node-vm-size={pool.machine}", f"--node-osdisk-size={pool.disk}"]
        flags.append(f"--node-count={pool.nodes}")
        if pool.autoscale:
            limits = ["--min-count=0", f"--max-count={pool.nodes}"]
            flags += ["--enable-cluster-autoscaler", *limits]
        if pool.spot:
            flags += ["--priority=Spot", "--spot-max-price=-1"]
        return flags

    def _create(self, master: Pool) -> list[Command]:
        version = self._place.version
        flags = [f"--kubernetes-version={version}"] if version else []
        flags += [f"--location={self._place.zone}", "--generate-ssh-keys"]
        names = [f"--name={self._place.name}", f"--nodepool-name={self.master_pool}"]
        return [self._az("create", *names, *self._machines(master), *flags)]

    def _add_pool(self, name: str, pool: Pool) -> Command:
        names = [f"--cluster-name={self._place.name}", f"--name={name}"]
        return self._az("nodepool", "add", *names, *self._machines(pool))

    def _resize(self, workers: Pool) -> Command:
        names = [f"--cluster-name={self._place.name}", f"--name={WORKER_POOL}"]
        if not workers.autoscale:
            count = f"--node-count={workers.nodes}"
            return self._az("nodepool", "scale", *names, count)
        limits = ["--min-count=0", f"--max-count={workers.nodes}"]
        flags = ["--update-cluster-autoscaler", *limits]
        return self._az("nodepool", "update", *names, *flags)

    def _delete(self) -> Command:
        return self._az("delete", f"--name={self._place.name}", "--yes")

    def _credentials(self) -> Command:
        flags = [f"--name={self._place.name}", "--overwrite-existing"]
        return self._az("get-credentials", *flags)

    def is_context(self, name: str) -> bool:
        """See ``Cloud.is_context``: two groups may have clusters of one name."""
        return False

    def tolerations(self, pool: Pool) -> list[Manifest]:
        """See ``Cloud.tolerations``."""
        if not pool.spot:
            return []
        key = "kubernetes.azure.com/scalesetpriority"
        spot = {"key": key, "operator": "Equal", "value": "spot"}
        return [{**spot, "effect": "NoSchedule"}]


CLOUDS: dict[str, type[Cloud]] = {"gcp": Google, "aws": Amazon, "azure": Azure}
"""By name."""


def cloud(name: str, place: Place) -> Cloud:
    """The cloud of this name.

    Raises:
        ArgumentError: It is not known.
    """
    if name not in CLOUDS:
        raise ArgumentError(
            f"provider must be one of {', '.join(map(repr, CLOUDS))}, or None for a "
            f"cluster that is there, got {name!r}"
        )
    return CLOUDS[name](place)


def _name(listed: Any) -> str:
    """What a cluster or pool is called in a program's list."""
    if not isinstance(listed, dict):
        return str(listed)
    # eksctl has names in capitals, and in the metadata of clusters.
    metadata = listed.get("metadata") or {}
    return str(listed.get("name") or listed.get("Name") or metadata.get("name") or "")
