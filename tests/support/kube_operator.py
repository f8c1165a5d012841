"""What the Flink operator, controllers and kubelets do, by the real API server."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.fake_kubernetes import Refused
from tests.support.kube_servers import KUBELET_PORT, MERGE, KubeServers

FINALIZER = "flinkdeployments.flink.apache.org/finalizer"
MAIN = "flink-main-container"
_FLINK = "/apis/flink.apache.org/v1beta1"
_NODE = "198.51.100.70"


class KubeOperator:
    """Brings the objects of a namespace to life, a step at a time.

    Args:
        servers: The API server.
        namespace: Which.
    """

    def __init__(self, servers: KubeServers, namespace: str) -> None:
        self._servers = servers
        self._core = f"/api/v1/namespaces/{namespace}"
        self._flink = f"{_FLINK}/namespaces/{namespace}/flinkdeployments"
        self._apps = f"/apis/apps/v1/namespaces/{namespace}"
        self._namespace = namespace
        self._addresses = iter(range(71, 255))

    def step(self) -> None:
        """All that there is to be done now."""
        for made in self._list(self._flink):
            if "deletionTimestamp" in made["metadata"]:
                self._end(made)
            else:
                self._keep(made)
        for made in self._list(f"{self._apps}/deployments"):
            self._roll_out(made)
        known = {made["metadata"]["name"] for made in self._list(self._flink)}
        known |= {
            d["metadata"]["name"] for d in self._list(f"{self._apps}/deployments")
        }
        for pod in self.pods():
            if pod["metadata"]["labels"]["app"] not in known:
                self.remove(pod)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Steps all the time, in a thread."""
        ends = threading.Event()

        def work() -> None:
            while not ends.wait(0.05):
                try:
                    self.step()
                except Refused as error:
                    # Somebody else was faster; the next step sees that.
                    if error.code not in (404, 409):
                        raise

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            ends.set()
            thread.join()

    def pods(self) -> list[dict[str, Any]]:
        return self._list(f"{self._core}/pods")

    def remove(self, pod: dict[str, Any]) -> None:
        """Ends a pod, as its kubelet does."""
        path = f"{self._core}/pods/{pod['metadata']['name']}?gracePeriodSeconds=0"
        self._servers.ask("DELETE", path)

    def say(self, pod: str, container: str, text: str) -> None:
        """Has a container print something."""
        where = f"{_NODE}:{KUBELET_PORT}/containerLogs/{self._namespace}"
        self._servers.pods[f"{where}/{pod}/{container}"] = text

    def answer(self, pod: str, port: int, path: str, text: str) -> None:
        """Has a pod answer something."""
        there = self._servers.ask("GET", f"{self._core}/pods/{pod}")
        self._servers.pods[f"{there['status']['podIP']}:{port}/{path}"] = text

    def set_pod(self, name: str, **status: Any) -> None:
        """Changes the status of a pod."""
        path = f"{self._core}/pods/{name}/status"
        self._servers.ask("PATCH", path, {"status": status}, MERGE)

    def set_flink(self, name: str, **status: Any) -> None:
        """Changes the status of a session cluster."""
        path = f"{self._flink}/{name}/status"
        self._servers.ask("PATCH", path, {"status": status}, MERGE)

    def _list(self, path: str) -> list[dict[str, Any]]:
        found = self._servers.ask("GET", path)["items"]
        return sorted(found, key=lambda made: str(made["metadata"]["name"]))

    def _end(self, made: dict[str, Any]) -> None:
        name = made["metadata"]["name"]
        self._set_pods({"app": name}, {})
        for path in (f"{self._core}/endpoints", f"{self._core}/services"):
            if any(o["metadata"]["name"] == f"{name}-rest" for o in self._list(path)):
                self._servers.ask("DELETE", f"{path}/{name}-rest")
        change = {"metadata": {"finalizers": []}}
        self._servers.ask("PATCH", f"{self._flink}/{name}", change, MERGE)

    def _keep(self, made: dict[str, Any]) -> None:
        name, spec = made["metadata"]["name"], made["spec"]
        if not made["metadata"].get("finalizers"):
            change = {"metadata": {"finalizers": [FINALIZER]}}
            self._servers.ask("PATCH", f"{self._flink}/{name}", change, MERGE)
        workers = spec["taskManager"]["replicas"]
        manager = {"app": name, "component": "jobmanager"}
        self._set_pods(manager, {f"{name}-0": _flink_pod(spec, "jobManager")})
        wanted = {
            f"{name}-taskmanager-{number}": _flink_pod(spec, "taskManager")
            for number in range(workers)
        }
        self._set_pods({"app": name, "component": "taskmanager"}, wanted)
        self._serve(name, manager)
        if (made.get("status") or {}).get("taskManager", {}).get("replicas") != workers:
            self.set_flink(
                name,
                lifecycleState="STABLE",
                jobManagerDeploymentStatus="READY",
                taskManager={
                    "replicas": workers,
                    "labelSelector": f"component=taskmanager,app={name}",
                },
            )

    def _serve(self, name: str, labels: dict[str, str]) -> None:
        """The service of Flink's REST, with the address of the JobManager."""
        services = self._list(f"{self._core}/services")
        if any(made["metadata"]["name"] == f"{name}-rest" for made in services):
            return
        metadata = {"name": f"{name}-rest"}
        ports = [{"name": "rest", "port": 8081}]
        service = {"metadata": metadata, "spec": {"selector": labels, "ports": ports}}
        self._servers.ask("POST", f"{self._core}/services", service)
        (pod,) = [p for p in self.pods() if p["metadata"]["name"] == f"{name}-0"]
        target = {"kind": "Pod", "name": f"{name}-0", "namespace": self._namespace}
        address = {"ip": pod["status"]["podIP"], "targetRef": target}
        subsets = [{"addresses": [address], "ports": ports}]
        endpoints = {"metadata": metadata, "subsets": subsets}
        self._servers.ask("POST", f"{self._core}/endpoints", endpoints)

    def _roll_out(self, made: dict[str, Any]) -> None:
        """What controllers of deployments and of replica sets do."""
        name, template = made["metadata"]["name"], made["spec"]["template"]
        owner = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": name,
            "uid": made["metadata"]["uid"],
        }
        sets = f"{self._apps}/replicasets"
        if not any(s["metadata"]["name"] == f"{name}-1" for s in self._list(sets)):
            spec = {key: made["spec"][key] for key in ("selector", "template")}
            metadata = {"name": f"{name}-1", "ownerReferences": [owner]}
            self._servers.ask("POST", sets, {"metadata": metadata, "spec": spec})
        (mine,) = [s for s in self._list(sets) if s["metadata"]["name"] == f"{name}-1"]
        owner = {**owner, "kind": "ReplicaSet", "name": f"{name}-1"}
        owner["uid"] = mine["metadata"]["uid"]
        labels = template["metadata"]["labels"]
        self._set_pods(labels, {f"{name}-1-a": template["spec"]}, [owner])
        if not (made.get("status") or {}).get("readyReplicas"):
            status = {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1}
            path = f"{self._apps}/deployments/{name}/status"
            self._servers.ask("PATCH", path, {"status": status}, MERGE)

    def _set_pods(
        self,
        labels: dict[str, str],
        wanted: dict[str, Any],
        owners: Iterable[dict[str, str]] = (),
    ) -> None:
        """Has just these pods be there, of those with the labels."""
        there = set()
        for pod in self.pods():
            if labels.items() <= pod["metadata"]["labels"].items():
                there.add(pod["metadata"]["name"])
                if pod["metadata"]["name"] not in wanted:
                    self.remove(pod)
        for name, spec in wanted.items():
            if name not in there:
                metadata: dict[str, Any] = {"name": name, "labels": labels}
                metadata["ownerReferences"] = list(owners)
                pod = {"metadata": metadata, "spec": {**spec, "nodeName": "node-1"}}
                path = f"{self._core}/pods?fieldValidation=Strict"
                self._servers.ask("POST", path, pod)
                self.set_pod(name, **self._running(spec))

    def _running(self, spec: dict[str, Any]) -> dict[str, Any]:
        address = f"198.51.100.{next(self._addresses)}"
        return {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {
                    "name": each["name"],
                    "image": each["image"],
                    "imageID": "",
                    "ready": True,
                    "restartCount": 0,
                    "state": {"running": {}},
                }
                for each in spec["containers"]
            ],
        }


def add_node(servers: KubeServers) -> None:
    """A machine on which all pods are."""
    node = {"metadata": {"name": "node-1", "labels": {"pool": "workers"}}}
    servers.ask("POST", "/api/v1/nodes", node)
    status = {
        "addresses": [{"type": "InternalIP", "address": _NODE}],
        "allocatable": {"cpu": "8", "memory": "16Gi"},
        "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
    }
    servers.ask("PATCH", "/api/v1/nodes/node-1/status", {"status": status}, MERGE)


def _flink_pod(spec: dict[str, Any], part: str) -> dict[str, Any]:
    """The pod of a part, from its template as the operator makes it."""
    template = spec[part].get("podTemplate") or {
        "spec": {"containers": [{"name": MAIN}]}
    }
    made: dict[str, Any] = copy.deepcopy(template["spec"])
    for container in made["containers"]:
        if container["name"] == MAIN:
            container["image"] = spec["image"]
    return made
