"""A real API server of Kubernetes, with etcd, as processes on this machine.

There are no machines, kubelets or controllers: ``kube_operator`` plays these. What the API
server asks of pods, such as Flink's REST, it asks through a proxy, which answers itself.
"""

from __future__ import annotations

import json
import os
import socketserver
import ssl
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import kube_apiserver
from scripts.runner_services import Services, free_ports, listening
from tests.support.fake_kubernetes import Refused
from tests.support.flink_crd import definition

ADMIN, NOBODY, STRANGER = "admin-4711", "nobody-4712", "stranger-4713"
"""Tokens: of who may do all, of who may do nothing, and one that is not known."""

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
FLINK = "/apis/flink.apache.org/v1beta1/flinkdeployments"
_FLINK_OF = "/apis/flink.apache.org/v1beta1/namespaces/{}/flinkdeployments/{}"
KUBELET_PORT = 10250


class KubeServers(Services):
    """etcd and the API server, with the Flink operator's kind of objects.

    Attributes:
        config: A kubeconfig, whose contexts are 'admin', 'nobody' and 'stranger'.
        pods: By address, port and path, what pods answer: text.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        etcd, peers, port = free_ports(3)
        self.ports = {"etcd": etcd, "its peers": peers, "the API server": port}
        self._etcd, self._peers, self._port = etcd, peers, port
        self.url = f"https://127.0.0.1:{port}"
        self.config = folder / "kubeconfig"
        self.pods: dict[str, str] = {}
        self._certificates = folder / "certificates"

    def _start(self) -> None:
        self._write_files()
        etcd, peers = (
            f"http://127.0.0.1:{self._etcd}",
            f"http://127.0.0.1:{self._peers}",
        )
        self._spawn(
            "etcd",
            [
                str(kube_apiserver.FOLDER / "etcd"),
                f"--data-dir={self.folder / 'etcd'}",
                "--unsafe-no-fsync",
                f"--listen-client-urls={etcd}",
                f"--advertise-client-urls={etcd}",
                f"--listen-peer-urls={peers}",
                f"--initial-advertise-peer-urls={peers}",
                f"--initial-cluster=default={peers}",
            ],
        )
        self._wait("etcd", lambda: listening(self._etcd))
        self._spawn(
            "kube-apiserver",
            [
                str(kube_apiserver.FOLDER / "kube-apiserver"),
                f"--etcd-servers={etcd}",
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                f"--secure-port={self._port}",
                f"--cert-dir={self._certificates}",
                f"--token-auth-file={self.folder / 'tokens'}",
                "--authorization-mode=RBAC",
                # Its tokens come from a controller.
                "--disable-admission-plugins=ServiceAccount",
                "--service-account-issuer=https://kubernetes.test",
                f"--service-account-key-file={self.folder / 'key'}",
                f"--service-account-signing-key-file={self.folder / 'key'}",
                "--service-cluster-ip-range=203.0.113.0/26",
                "--endpoint-reconciler-type=none",
                f"--egress-selector-config-file={self.folder / 'egress'}",
            ],
        )
        self._wait("the API server", self._is_ready)
        self.install_operator()

    def _write_files(self) -> None:
        tokens = f"{ADMIN},admin,1,system:masters\n{NOBODY},nobody,2\n"
        (self.folder / "tokens").write_text(tokens)
        (self.folder / "key").write_bytes(_private_key())
        transport = {"uds": {"udsName": str(self.proxy)}}
        way = {"proxyProtocol": "HTTPConnect", "transport": transport}
        egress = {
            "apiVersion": "apiserver.k8s.io/v1beta1",
            "kind": "EgressSelectorConfiguration",
            "egressSelections": [{"name": "cluster", "connection": way}],
        }
        (self.folder / "egress").write_text(yaml.safe_dump(egress))
        users = {"admin": ADMIN, "nobody": NOBODY, "stranger": STRANGER}
        authority = str(self._certificates / "apiserver.crt")
        server = {"server": self.url, "certificate-authority": authority}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": server}],
            "users": [{"name": n, "user": {"token": t}} for n, t in users.items()],
            "contexts": [
                {"name": name, "context": {"cluster": "here", "user": name}}
                for name in users
            ],
            "current-context": "admin",
        }
        self.config.write_text(yaml.safe_dump(config))

    @property
    def proxy(self) -> Path:
        """The socket of the proxy to pods."""
        return self.folder / "pods"

    def certificate(self) -> ssl.SSLContext:
        """The API server's certificate, for kubelets, too."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        folder = self._certificates
        context.load_cert_chain(folder / "apiserver.crt", folder / "apiserver.key")
        return context

    def _is_ready(self) -> bool:
        try:
            return self.ask("GET", "/readyz") == "ok"
        except (OSError, Refused):
            return False

    def install_operator(self) -> None:
        """Makes the operator's kind of objects known."""
        self.ask("POST", CRD, definition())
        self._wait("the kind FlinkDeployment", self._knows_flink)

    def remove_operator(self) -> None:
        """Removes it, and all objects of its kind, be there an operator or not."""
        for made in self.ask("GET", FLINK)["items"]:
            where = made["metadata"]
            path = _FLINK_OF.format(where["namespace"], where["name"])
            self.ask("PATCH", path, {"metadata": {"finalizers": []}}, MERGE)
        self.ask("DELETE", f"{CRD}/{definition()['metadata']['name']}")
        self._wait("the end of FlinkDeployment", lambda: not self._knows_flink())

    def _knows_flink(self) -> bool:
        try:
            self.ask("GET", FLINK)
        except Refused:
            return False
        return True

    def namespace(self, name: str) -> str:
        """Makes a namespace."""
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.ask("POST", "/api/v1/namespaces", made)
        return name

    def ask(
        self, verb: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> Any:
        """What the API server answers: an object, or text.

        Raises:
            Refused: Another answer than success.
        """
        request = urllib.request.Request(
            self.url + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {ADMIN}", "Content-Type": kind},
            method=verb,
        )
        authority = str(self._certificates / "apiserver.crt")
        context = ssl.create_default_context(cafile=authority)
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
            raise Refused(error.code, text.decode()) from None
        return json.loads(text) if text.startswith(b"{") else text.decode()


@contextmanager
def kube_servers(folder: Path):
    """Both servers, started; skips tests, or fails them, where they are not built."""
    reason = kube_apiserver.missing()
    if reason and os.environ.get("REQUIRE_KUBE") == "1":
        pytest.fail(f"REQUIRE_KUBE=1, but {reason}")
    if reason:
        pytest.skip(reason)
    servers = KubeServers(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _Proxy(servers) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        try:
            with servers:
                yield servers
        finally:
            proxy.shutdown()
            thread.join()


class _Proxy(socketserver.ThreadingUnixStreamServer):
    """Takes connections to any pod or kubelet, and answers in its place."""

    daemon_threads = True

    def __init__(self, servers: KubeServers) -> None:
        self.servers = servers
        super().__init__(str(servers.proxy), _Connection)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Proxy

    def log_message(self, *_: object) -> None:
        pass

    def do_CONNECT(self) -> None:
        self.target = self.path
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        self.close_connection = False
        if self.target.endswith(f":{KUBELET_PORT}"):
            certificate = self.server.servers.certificate()
            self.tls = certificate.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.tls.makefile("rb"), self.tls.makefile("wb")

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        found = self.server.servers.pods.get(self.target + path)
        data = (found or "there is no such page").encode()
        self.send_response(404 if found is None else 200)
        is_json = data.startswith((b"{", b"["))
        kind = "application/json" if is_json else "text/plain"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()


def _private_key() -> bytes:
    from cryptography.hazmat.primitives import serialization as files
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        files.Encoding.PEM, files.PrivateFormat.TraditionalOpenSSL, files.NoEncryption()
    )
