"""``scannerpy.kube``: clusters of a cloud's machines that run graphs.

A cluster is a Flink session cluster on Kubernetes, which the Flink Kubernetes Operator
keeps (``beam_scanner.clusters``)::

    from beam_scanner.scannerpy import kube

    machine = kube.MachineConfig(
        image='registry/worker', type=kube.MachineTypeName('n1-standard-8'), disk=100
    )
    config = kube.ClusterConfig(id='films', num_workers=4, master=machine, worker=machine)
    with kube.Cluster(kube.CloudConfig(project='tv'), config) as cluster:
        sc = cluster.client(db_path='gs://tv/db')
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

from beam_scanner.clusters.flink_cluster import FlinkCluster
from beam_scanner.clusters.kubernetes import Kubernetes
from beam_scanner.clusters.machine_types import MachineRow as MachineRow
from beam_scanner.clusters.machine_types import MachineTypeList as MachineTypeList
from beam_scanner.clusters.manifests import Manifest, Pods, SessionCluster
from beam_scanner.clusters.node_pools import WORKER_POOL, Cloud, Place, Pool, cloud
from beam_scanner.clusters.resource_quantities import megabytes, millicores
from beam_scanner.errors import ArgumentError, WorkerError
from beam_scanner.scannerpy.instead import refused
from beam_scanner.scannerpy.kube_config import CloudConfig as CloudConfig
from beam_scanner.scannerpy.kube_config import ClusterConfig as ClusterConfig
from beam_scanner.scannerpy.kube_config import MachineConfig as MachineConfig
from beam_scanner.scannerpy.kube_config import MachineType as MachineType
from beam_scanner.scannerpy.kube_config import MachineTypeName as MachineTypeName
from beam_scanner.scannerpy.kube_config import (
    MachineTypeQuantity as MachineTypeQuantity,
)
from beam_scanner.scannerpy.kube_config import use_machine_types as use_machine_types

MASTER_POOL = "default-pool"

# Of a node's memory: the rest is the system's, and Flink's beside the workers.
_USABLE, _FLINK_GB = 0.75, 2
_FLINK_CPU = 0.25
_LOOK_SECONDS = 1.0


class Cluster:
    """A cluster, which is there inside a ``with``.

    Machines come from the cloud's own program: ``gcloud``, ``eksctl`` and ``aws``, or
    ``az``. The Flink Kubernetes Operator must be installed in the cluster.

    Args:
        cloud_config: Whose machines.
        cluster_config: Which.
        no_start: Whether ``with`` leaves the start to you.
        no_delete: Whether ``with`` leaves it there at the end.
        containers: More containers, beside the workers: dicts of Kubernetes.
        context: Of the kubeconfig, for a cluster that is there; None for the current
            one.

    Raises:
        ArgumentError: A machine is too small, or the provider is not known.
    """

    def __init__(
        self,
        cloud_config: CloudConfig,
        cluster_config: ClusterConfig,
        no_start: bool = False,
        no_delete: bool = False,
        containers: Sequence[Manifest] | None = None,
        context: str | None = None,
    ) -> None:
        self._account = cloud_config
        self._config = cluster_config
        self._no_start = no_start
        self._no_delete = no_delete
        self._containers = list(containers or [])
        self._context = context
        self._cloud = _cloud_of(cloud_config, cluster_config)
        self._open = ExitStack()
        self._spec = self._session_cluster(cluster_config)

    def config(self) -> ClusterConfig:
        """What it is to be."""
        return self._config

    @cached_property
    def flink(self) -> FlinkCluster:
        """The session cluster, by the API of the Kubernetes cluster."""
        return FlinkCluster(self._spec, self._api)

    @cached_property
    def _api(self) -> Kubernetes:
        if self._cloud is not None and self._context is None:
            self.get_credentials()
        return Kubernetes(self._config.namespace, self._context)

    def get_credentials(self) -> None:
        """Makes it the current cluster of the kubeconfig, unless it is."""
        if self._cloud is not None and not self._cloud.is_context(
            Kubernetes.current_context()
        ):
            self._cloud.get_credentials()

    def running(self, pool: str = MASTER_POOL) -> bool:
        """Whether the cloud has machines of a pool.

        Args:
            pool: ``MASTER_POOL`` or 'workers'.
        """
        if self._cloud is None:
            return self.flink.exists()
        wanted = self._cloud.master_pool if pool == MASTER_POOL else pool
        return wanted in self._cloud.pools()

    def start(self, reset: bool = True, wait: bool = True) -> None:
        """Makes machines that are missing, and the session cluster.

        Args:
            reset: Whether a session cluster that is there is made anew; its jobs end.
            wait: Until it takes jobs.

        Raises:
            MissingDependencyError: A program or package is missing; says which.
            WorkerError: The cloud or Kubernetes refuses it, or it does not come up.
        """
        secrets = self._account.secrets()
        if self._cloud is not None:
            self._cloud.start(*self._pools(self._config))
        self.flink.start(reset, wait, secrets)

    def resize(self, size: int) -> None:
        """Changes the number of workers, of later runs, too.

        Raises:
            ArgumentError: It is not a number of workers.
            WorkerError: The cloud or Kubernetes refuses it.
        """
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ArgumentError(f"size must be a number of workers, got {size!r}")
        self._config = replace(self._config, num_workers=size)
        if self._cloud is not None:
            self._cloud.resize(self._pools(self._config)[1])
        self.flink.resize(size)

    def delete(self, prompt: bool = False) -> None:
        """Removes it, with its machines where it made them.

        Args:
            prompt: Whether to ask first.
        """
        if prompt and input(f"Delete cluster {self._config.id}? [y/N] ") != "y":
            return
        self.close()
        if self._cloud is None:
            self.flink.delete()
        else:
            self._cloud.delete()

    def master_address(self) -> str:
        """Address of the job server, as long as this cluster is not closed."""
        return self._open.enter_context(self.flink.job_server())[0]

    def client(self, retries: int = 3, **kwargs: Any) -> Any:
        """A client whose graphs run on the cluster.

        Args:
            retries: How often to try to connect again.
            **kwargs: Of ``Client``; its ``options`` are added to those of the cluster.

        Raises:
            ArgumentError: The database is a folder, which workers do not have.
            WorkerError: The cluster cannot be reached.
        """
        from beam_scanner.scannerpy.client import Client
        from beam_scanner.scannerpy.config import Config

        given = {"config_path": self._config.scanner_config, **kwargs}
        more = list(given.pop("options", None) or [])
        config = given.get("config") or Config(given["config_path"])
        where = str(given.get("db_path") or config.db_path)
        if "://" not in where:
            raise ArgumentError(
                f"the database {where!r} is a folder of this machine, which workers of "
                "the cluster do not have: expected gs://BUCKET/FOLDER or "
                "s3://BUCKET/FOLDER"
            )
        addresses = self._connected(retries)
        return Client(**given, options=[*self.flink.options(*addresses), *more])

    def _connected(self, retries: int) -> tuple[str, str]:
        while True:
            try:
                return self._open.enter_context(self.flink.job_server())
            except WorkerError:
                if retries <= 0:
                    raise
                retries -= 1
                time.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """Ends connections to it; clients of it cannot run graphs any more."""
        self._open.close()

    def job_status(self) -> list[dict[str, Any]]:
        """Prints what jobs run and have run on it.

        Returns:
            The jobs, the latest first, as Flink's REST gives them.
        """
        jobs = self.flink.jobs()
        for job in jobs:
            tasks = job.get("tasks") or {}
            done, total = tasks.get("finished", 0), tasks.get("total", 0)
            print(f"{job['jid']} {job['state']:<10} {done}/{total} {job['name']}")
        if not jobs:
            print("no jobs")
        return jobs

    def healthy(self) -> bool:
        """Whether neither it nor one of its pods has failed."""
        return not self.flink.problems()

    def monitor(self, sc: Any = None) -> tuple[bool, list[dict[str, Any]]]:
        """Waits for the job that runs.

        Args:
            sc: Not used; Scanner's programs pass their client.

        Returns:
            Whether it has finished, and not the cluster has become unhealthy; and what
            ``resource_metrics`` has given meanwhile, each with its ``TIME``.

        Raises:
            WorkerError: No job runs.
        """
        from datetime import datetime

        running = [job["jid"] for job in self.flink.jobs() if _is_running(job)]
        if not running:
            raise WorkerError("No active jobs")
        metrics: list[dict[str, Any]] = []
        while True:
            now = datetime.now()
            metrics += [{"TIME": now, **row} for row in self.resource_metrics()]
            (job,) = [j for j in self.flink.jobs() if j["jid"] == running[0]] or [{}]
            if not _is_running(job):
                return job.get("state") == "FINISHED", metrics
            if not self.healthy():
                return False, metrics
            time.sleep(_LOOK_SECONDS)

    def resource_metrics(self) -> list[dict[str, Any]]:
        """What the workers' machines use, as ``kubectl top nodes`` has it.

        Returns:
            For each its ``NAME``, ``CPU(cores)`` (thousandths), ``CPU%``,
            ``MEMORY(bytes)`` (MiB) and ``MEMORY%``.

        Raises:
            WorkerError: The Kubernetes cluster has no metrics.
        """
        labels = {} if self._cloud is None else self._cloud.nodes(WORKER_POOL)
        nodes = {n["metadata"]["name"]: n for n in self._api.listed("Node", labels)}
        rows = []
        for used in self._api.listed("NodeMetrics"):
            name, usage = used["metadata"]["name"], used["usage"]
            if name not in nodes:
                continue
            there = nodes[name]["status"]["allocatable"]
            cpu, memory = millicores(usage["cpu"]), megabytes(usage["memory"])
            rows.append(
                {
                    "NAME": name,
                    "CPU(cores)": cpu,
                    "CPU%": round(100 * cpu / millicores(there["cpu"])),
                    "MEMORY(bytes)": memory,
                    "MEMORY%": round(100 * memory / megabytes(there["memory"])),
                }
            )
        return rows

    def master_logs(self, previous: bool = False) -> None:
        """Prints what JobManager and job server have printed.

        Args:
            previous: Of containers that ended before they were started again.
        """
        print(self.flink.master_log(previous))

    def worker_logs(self, n: int, previous: bool = False) -> None:
        """Prints what a worker has printed.

        Args:
            n: Which one.
            previous: Of a container that ended before it was started again.
        """
        print(self.flink.worker_log(n, previous))

    def trace(
        self, path: str, subsample: int | None = None, job: int | None = None
    ) -> str:
        """Writes the trace of a run.

        Args:
            path: The file, ending in '.trace' or '.tar.gz'.
            subsample: Not used.
            job: What ``run`` returned; None for the latest run.

        Returns:
            The path.

        Raises:
            ArgumentError: There was no such run.
        """
        from beam_scanner.run.profiler import profile_ids
        from beam_scanner.scannerpy.client import Client

        sc = Client(config_path=self._config.scanner_config)
        if job is None:
            known = profile_ids(sc.named_storage.store())
            if not known:
                raise ArgumentError(f"database {sc.config.db_path!r} has no runs")
            job = known[0]
        return str(sc.get_profile(job).write_trace(path))

    def get_kube_info(self, kind: str, namespace: str | None = None) -> dict[str, Any]:
        """Objects of a kind, as ``kubectl get -o json`` gives them.

        Args:
            kind: As 'pod' or 'deployments'.
            namespace: None for that of the cluster.
        """
        api = self._api
        if namespace not in (None, self._config.namespace):
            api = Kubernetes(str(namespace), self._context)
        return {"items": api.listed(_kind_of(kind))}

    def get_object(self, info: Mapping[str, Any], name: str) -> Any:
        """The object of this name among those of ``get_kube_info``; None for none."""
        found = (o for o in info["items"] if o["metadata"]["name"] == name)
        return next(found, None)

    def get_by_owner(self, ty: str, owner: str, namespace: str | None = None) -> str:
        """Names of objects that belong to another one, a line for each."""
        return "\n".join(
            made["metadata"]["name"]
            for made in self.get_kube_info(ty, namespace)["items"]
            if (made["metadata"].get("ownerReferences") or [{}])[0].get("name") == owner
        )

    def get_pod(self, deployment: str, namespace: str | None = None) -> Manifest:
        """A pod of a deployment.

        Args:
            deployment: Its name; 'scanner-master' and 'scanner-worker' are this cluster's.
            namespace: None for that of the cluster.

        Raises:
            WorkerError: It has none.
        """
        if deployment in ("scanner-master", "scanner-worker"):
            ours = self.flink
            is_master = deployment == "scanner-master"
            pods = ours.masters() if is_master else ours.workers()
        else:
            sets = self.get_by_owner("rs", deployment, namespace).split("\n")
            info = self.get_kube_info("pod", namespace)
            names = [
                name
                for owner in filter(None, sets)
                for name in self.get_by_owner("pod", owner, namespace).split("\n")
            ]
            pods = [self.get_object(info, name) for name in filter(None, names)]
        if not pods:
            raise WorkerError(f"deployment {deployment!r} has no pod")
        return pods[0]

    def make_deployment(
        self, name: str, machine_config: MachineConfig, replicas: int
    ) -> Manifest:
        """The object that stands for masters or workers.

        Args:
            name: 'master' (of the job server) or 'worker' (of Flink).
            machine_config: On what they run.
            replicas: How many workers.
        """
        if name == "master":
            config = replace(self._config, master=machine_config)
            return self._session_cluster(config).job_server()
        config = replace(self._config, worker=machine_config, num_workers=replicas)
        return self._session_cluster(config).deployment()

    def make_container(self, name: str, machine_config: MachineConfig) -> Manifest:
        """The container of a job server ('master') or a worker pool ('worker')."""
        spec = self.make_deployment(name, machine_config, 1)["spec"]
        is_master = name == "master"
        pod = spec["template"] if is_master else spec["taskManager"]["podTemplate"]
        found: Manifest = pod["spec"]["containers"][0 if is_master else 1]
        return found

    def create_object(self, template: Manifest) -> None:
        """Makes an object."""
        self._api.apply(template)

    def __enter__(self) -> Self:
        if not self._no_start:
            self.start()
        return self

    def __exit__(self, *args: object, **kwargs: object) -> None:
        self.close()
        if not self._no_delete:
            self.delete()

    def cli(self, argv: Sequence[str] | None = None) -> None:
        """The cluster as a command: ``start``, ``resize``, ``delete`` and so on.

        Args:
            argv: Its arguments; those of the program if None.
        """
        given = vars(_parser().parse_args(argv))
        method = given.pop("command").replace("-", "_")
        if method == "start":
            size = given.pop("num_workers")
            if size is not None:
                self._config = replace(self._config, num_workers=size)
                self._spec = self._session_cluster(self._config)
                self.__dict__.pop("flink", None)
            given = {"reset": not given["no_reset"], "wait": not given["no_wait"]}
        elif method == "delete":
            given = {"prompt": not given["no_prompt"]}
        elif method in ("price", "healthy"):
            ask = self._config.price if method == "price" else self.healthy
            print(ask())
            return
        getattr(self, method)(**given)

    def _pools(self, config: ClusterConfig) -> tuple[Pool, Pool]:
        def pool(machine: MachineConfig, nodes: int, autoscale: bool) -> Pool:
            return Pool(
                machine.type.get_name(),
                nodes,
                machine.disk,
                machine.gpu,
                machine.gpu_type,
                machine.preemptible,
                autoscale,
            )

        # Work that a master has in its memory would be lost with it.
        master = replace(config.master, preemptible=False)
        workers = pool(config.worker, config.num_workers, config.autoscale)
        return pool(master, 1, False), workers

    def _session_cluster(self, config: ClusterConfig) -> SessionCluster:
        account = self._account
        worker = config.worker
        cpu = worker.type.get_cpu()
        # Half the node's cores and a tenth, with Flink's: so a node has one worker.
        asked = cpu / 2 + 0.1 - _FLINK_CPU
        workers: Mapping[str, str] = {}
        masters: Mapping[str, str] = {}
        tolerations: Sequence[Manifest] = ()
        if self._cloud is not None:
            workers = self._cloud.nodes(WORKER_POOL)
            masters = self._cloud.nodes(self._cloud.master_pool)
            tolerations = self._cloud.tolerations(self._pools(config)[1])
        return SessionCluster(
            name=config.id,
            image=worker.image,
            workers=config.num_workers,
            slots=max(1, cpu),
            worker=Pods(
                f"{round(asked * 1000)}m",
                f"{_memory_left('worker', worker, _FLINK_GB)}Gi",
                worker.gpu,
                workers,
                tolerations,
            ),
            namespace=config.namespace,
            flink=config.flink,
            flink_cpu=_FLINK_CPU,
            slot_seconds=config.no_workers_timeout,
            master=Pods(
                "250m",
                f"{min(2, _memory_left('master', config.master, _FLINK_GB))}Gi",
                nodes=masters,
            ),
            secret=f"{config.id}-keys"
            if account.service_key or account.storage_key_id
            else "",
            key_file=account.key_file,
            containers=self._containers,
        )


def _cloud_of(account: CloudConfig, config: ClusterConfig) -> Cloud | None:
    if account.provider is None:
        return None
    version = "" if config.kube_version == "latest" else config.kube_version
    place = Place(
        config.id, account.project, config.zone, version, sorted(config.scopes)
    )
    return cloud(account.provider, place)


def _memory_left(role: str, machine: MachineConfig, flink: int) -> int:
    """GB that are left of a machine's memory beside the system and Flink."""
    left = int(machine.type.get_mem() * _USABLE) - flink
    if left < 1:
        raise ArgumentError(
            f"a {role} of {machine.type.get_mem()} GB ({machine.type.get_name()}) is too "
            "small: beside the system, Flink takes 2 GB; expected at least 4 GB"
        )
    return left


def _is_running(job: Mapping[str, Any]) -> bool:
    ended = ("FINISHED", "FAILED", "CANCELED", "SUSPENDED")
    return bool(job) and job.get("state") not in ended


_KINDS = {
    "pod": "Pod",
    "deploy": "Deployment",
    "deployment": "Deployment",
    "rs": "ReplicaSet",
    "replicaset": "ReplicaSet",
    "service": "Service",
    "svc": "Service",
    "secret": "Secret",
    "node": "Node",
    "flinkdep": "FlinkDeployment",
    "flinkdeployment": "FlinkDeployment",
}


def _kind_of(word: str) -> str:
    found = _KINDS.get(word.lower()) or _KINDS.get(word.lower().removesuffix("s"))
    if found is None:
        raise ArgumentError(
            f"kind must be one of {', '.join(sorted(_KINDS))}, got {word!r}"
        )
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="make the cluster")
    start.add_argument("--no-reset", "-nr", action="store_true", help="keep its jobs")
    start.add_argument("--no-wait", "-nw", action="store_true")
    start.add_argument("--num-workers", "-n", type=int)
    delete = commands.add_parser("delete", help="remove the cluster")
    delete.add_argument("--no-prompt", "-np", action="store_true")
    resize = commands.add_parser("resize", help="change the number of workers")
    resize.add_argument("size", type=int)
    commands.add_parser("get-credentials", help="for kubectl")
    commands.add_parser("job-status", help="jobs that run and have run")
    commands.add_parser("healthy", help="whether nothing has failed")
    commands.add_parser("price", help="US dollars an hour")
    for name in ("master-logs", "worker-logs"):
        logs = commands.add_parser(name)
        if name == "worker-logs":
            logs.add_argument("n", type=int, help="number of the worker")
        logs.add_argument("--previous", "-p", action="store_true")
    trace = commands.add_parser("trace", help="write the trace of a run")
    trace.add_argument("path")
    trace.add_argument("--subsample", type=int)
    trace.add_argument("--job", type=int, help="the latest if not given")
    return parser


master = refused(
    "kube.master()",
    "the master of a cluster is Flink's JobManager, in Flink's own image; see "
    "templates/flink",
)


def worker() -> None:
    """What a worker's container runs: a worker pool, for the TaskManager in its pod."""
    from beam_scanner.clusters.manifests import POOL_PORT
    from beam_scanner.runners.worker_pool import main

    main([f"--port={POOL_PORT}"])
