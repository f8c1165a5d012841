"""An API server in this process, with what its operator and kubelets would do.

It knows the paths, verbs and kinds of patch that we use, and refuses all others.
"""

from __future__ import annotations

import base64
import copy
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.support.flink_crd import crd_mistakes
from tests.support.kubernetes_fields import object_mistakes

TOKEN = "token-4417"
_NO_PAGE = "404 page not found"
"""The plain-text response to requests for unknown kinds."""

KINDS = {
    "/apis/flink.apache.org/v1beta1/{}flinkdeployments": "FlinkDeployment",
    "/apis/apps/v1/{}deployments": "Deployment",
    "/apis/apps/v1/{}replicasets": "ReplicaSet",
    "/api/v1/{}services": "Service",
    "/api/v1/{}secrets": "Secret",
    "/api/v1/{}pods": "Pod",
    "/api/v1/nodes": "Node",
    "/apis/metrics.k8s.io/v1beta1/nodes": "NodeMetrics",
}


class Refused(Exception):
    """An answer other than 200.

    Args:
        code: Of HTTP.
        message: What is wrong.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class FakeKubernetes:
    """The objects of a cluster, by kind, namespace and name.

    Attributes:
        objects: What is there.
        requests: Verb, path and body of every request that changed something.
        logs: By pod and container.
        services: By service, port and path: what it answers.
        operates: Whether session clusters come up, as with an operator.
        unknown: Kinds that nobody has installed.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.logs: dict[tuple[str, str], str] = {}
        self.services: dict[str, Any] = {}
        self.operates = True
        self.unknown: set[str] = set()

    def of(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any]:
        return self.objects[kind, namespace, name]

    def put(self, kind: str, made: dict[str, Any], namespace: str = "default") -> None:
        name = made["metadata"]["name"]
        self.objects[kind, namespace, name] = made

    def answer(self, verb: str, url: str, body: Any, kind_of_patch: str) -> Any:
        parts = urlsplit(url)
        query = {key: value[0] for key, value in parse_qs(parts.query).items()}
        proxied = re.fullmatch(
            r"/api/v1/namespaces/([^/]+)/services/([^/]+:\d+)/proxy/(.+)", parts.path
        )
        if proxied and verb == "GET":
            key = f"{proxied[2]}/{proxied[3]}"
            if key not in self.services:
                raise Refused(503, "no endpoints available for service")
            return self.services[key]
        kind, namespace, name, rest = self._place(parts.path)
        if kind == "Pod" and rest == "log" and verb == "GET":
            return self._log(name, query.get("container", ""))
        if rest:
            raise Refused(404, f"there is no {parts.path}")
        if verb == "GET":
            return self._read(kind, namespace, name, query)
        self.requests.append((verb, parts.path, body))
        if verb == "DELETE" and name:
            self._get(kind, namespace, name)
            del self.objects[kind, namespace, name]
            for pod in [k for k in self.objects if k[0] == "Pod"]:
                labels = self.objects[pod]["metadata"]["labels"]
                if kind != "Service" and labels.get("app") == name:
                    del self.objects[pod]
            return {"kind": "Status", "status": "Success"}
        if verb == "PATCH" and name:
            return self._patch(kind, namespace, name, body, kind_of_patch, query)
        raise Refused(405, f"{verb} of {parts.path} is not allowed")

    def _place(self, path: str) -> tuple[str, str, str, str]:
        for pattern, kind in KINDS.items():
            where = pattern.format("(?:namespaces/(?P<ns>[^/]+)/)?")
            found = re.fullmatch(
                rf"{where}(?:/(?P<name>[^/]+))?(?:/(?P<rest>.+))?", path
            )
            if found and kind in self.unknown:
                raise Refused(404, _NO_PAGE)
            if found:
                groups = found.groupdict()
                namespace = groups.get("ns") or ""
                return kind, namespace, groups["name"] or "", groups["rest"] or ""
        raise Refused(404, f"the server could not find the requested resource {path}")

    def _get(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        try:
            return self.objects[kind, namespace, name]
        except KeyError:
            raise Refused(404, f'{kind.lower()} "{name}" not found') from None

    def _read(self, kind: str, namespace: str, name: str, query: dict[str, str]) -> Any:
        if name:
            return self._get(kind, namespace, name)
        wanted = dict(
            part.split("=", 1)
            for part in query.get("labelSelector", "").split(",")
            if part
        )
        found = [
            made
            for (k, ns, _), made in self.objects.items()
            if (k, ns) == (kind, namespace)
            and wanted.items() <= made["metadata"].get("labels", {}).items()
        ]
        return {"kind": f"{kind}List", "metadata": {}, "items": found}

    def _log(self, pod: str, container: str) -> str:
        if (pod, container) not in self.logs:
            raise Refused(400, f"container {container} is not valid for pod {pod}")
        return self.logs[pod, container]

    def _patch(
        self,
        kind: str,
        namespace: str,
        name: str,
        body: Any,
        kind_of_patch: str,
        query: dict[str, str],
    ) -> Any:
        if kind_of_patch == "application/apply-patch+yaml":
            if query.get("fieldManager") != "beam-scanner" or query["force"] != "true":
                raise Refused(400, "who applies it?")
            there = self.objects.get((kind, namespace, name), {})
            made = {"status": there.get("status", {}), **copy.deepcopy(body)}
            self._check(kind, body)
            assert made["metadata"].get("namespace", namespace) == namespace
        elif kind_of_patch == "application/merge-patch+json":
            made = copy.deepcopy(self._get(kind, namespace, name))
            _merge(made, body)
            clean = {k: v for k, v in made.items() if k != "status"}
            self._check(kind, clean)
        else:
            raise Refused(
                415, f"the body of the request was in an unknown format: {body}"
            )
        self.objects[kind, namespace, name] = made
        if self.operates:
            self._operate(kind, namespace, made)
        return made

    def _check(self, kind: str, made: dict[str, Any]) -> None:
        if kind == "FlinkDeployment":
            wrong = crd_mistakes(made)
        elif kind == "Secret":
            wrong = _no_base64(made["data"])
        else:
            plain = copy.deepcopy(made)
            plain["metadata"].pop("namespace", None)
            pod = plain["spec"].get("template", {}).get("spec", {})
            pod.pop("nodeSelector", None)
            pod.pop("tolerations", None)
            wrong = object_mistakes(plain)
        if wrong:
            raise Refused(422, f"{kind} is invalid: {'; '.join(wrong)}")

    def _operate(self, kind: str, namespace: str, made: dict[str, Any]) -> None:
        """What controllers and kubelets do."""
        name = made["metadata"]["name"]
        if kind == "Deployment":
            made["status"] = {"readyReplicas": made["spec"]["replicas"]}
            labels = made["spec"]["template"]["metadata"]["labels"]
            self.put("Pod", pod(f"{name}-1", ["job-server"], labels), namespace)
        if kind != "FlinkDeployment":
            return
        made["status"] = {
            "lifecycleState": "STABLE",
            "jobManagerDeploymentStatus": "READY",
        }
        containers = ["flink-main-container", "workers"]
        for key in [
            k for k in self.objects if k[0] == "Pod" and "-taskmanager-" in k[2]
        ]:
            del self.objects[key]
        for number in range(made["spec"]["taskManager"]["replicas"]):
            labels = {"app": name, "component": "taskmanager"}
            self.put(
                "Pod",
                pod(f"{name}-taskmanager-{number}", containers, labels),
                namespace,
            )
        labels = {"app": name, "component": "jobmanager"}
        self.put("Pod", pod(f"{name}-1", containers[:1], labels), namespace)


def pod(name: str, containers: list[str], labels: dict[str, str]) -> dict[str, Any]:
    """A pod that runs."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": each} for each in containers]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {"name": each, "state": {"running": {}}} for each in containers
            ],
        },
    }


def _no_base64(values: dict[str, str]) -> list[str]:
    try:
        for value in values.values():
            base64.b64decode(value, validate=True)
    except ValueError as error:
        return [str(error)]
    return []


def _merge(made: dict[str, Any], change: dict[str, Any]) -> None:
    for key, value in change.items():
        if isinstance(value, dict):
            _merge(made.setdefault(key, {}), value)
        elif value is None:
            made.pop(key, None)
        else:
            made[key] = value


@contextmanager
def fake_kubernetes(folder: Path) -> Iterator[tuple[FakeKubernetes, Path]]:
    """A server, and a kubeconfig for it in a folder."""
    fake = FakeKubernetes()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(size)
            try:
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    raise Refused(401, "Unauthorized")
                body = yaml.safe_load(text) if text else None
                kind = self.headers.get("Content-Type", "")
                with lock:
                    found = fake.answer(self.command, self.path, body, kind)
                code = 200
            except Refused as error:
                code = error.code
                found = {"kind": "Status", "code": code, "message": str(error)}
                found |= {"status": "Failure", "reason": "Refused"}
                if str(error) == _NO_PAGE:
                    found = _NO_PAGE
            kind = "text/plain" if isinstance(found, str) else "application/json"
            data = (found if isinstance(found, str) else json.dumps(found)).encode()
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PATCH = do_DELETE = do_POST = do_PUT = _answer

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    path = folder / "kubeconfig"
    path.write_text(_kubeconfig(server.server_address[1]))
    try:
        yield fake, path
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _kubeconfig(port: int) -> str:
    cluster = {"server": f"http://127.0.0.1:{port}"}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": TOKEN}}],
            "contexts": [
                {"name": name, "context": {"cluster": "c", "user": "u"}}
                for name in ("films", "gke_tv_us-east1-b_films")
            ],
            "current-context": "films",
        }
    )
