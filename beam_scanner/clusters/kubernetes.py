"""Kubernetes' API: objects as dicts, errors in one line.

By ``lightkube``, which finds the cluster as ``kubectl`` does, and inside a cluster by its
service account. What it cannot do, ports and logs of containers that have ended, is left
to ``kubectl``.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from beam_scanner.clusters.manifests import Manifest
from beam_scanner.clusters.programs import program, run
from beam_scanner.errors import ArgumentError, MissingDependencyError, WorkerError
from beam_scanner.text.pip_install import pip_install

MANAGER = "beam-scanner"
"""Whose fields they are, for server-side apply."""

_PLURALS = {
    "FlinkDeployment": ("flink.apache.org", "v1beta1", "flinkdeployments"),
    "Deployment": ("apps", "v1", "deployments"),
    "ReplicaSet": ("apps", "v1", "replicasets"),
    "Service": ("", "v1", "services"),
    "Secret": ("", "v1", "secrets"),
    "Pod": ("", "v1", "pods"),
    "Node": ("", "v1", "nodes"),
    "NodeMetrics": ("metrics.k8s.io", "v1beta1", "nodes"),
}
_GLOBAL = ("Node", "NodeMetrics")
_ADDED_BY = {"FlinkDeployment": "the Flink operator", "NodeMetrics": "metrics-server"}
"""What brings kinds that a new cluster does not know."""

_FORWARD_SECONDS = 30.0


class Kubernetes:
    """A cluster's API.

    Args:
        namespace: Where objects are, if they do not say.
        context: Of the kubeconfig; None for the current one.
        config: A kubeconfig; None for that of the environment.

    Raises:
        MissingDependencyError: lightkube is not installed.
        WorkerError: There is no kubeconfig, or no such context.
    """

    def __init__(
        self,
        namespace: str = "default",
        context: str | None = None,
        config: str | os.PathLike[str] | None = None,
    ) -> None:
        lightkube = _lightkube()
        self.namespace = namespace
        self._flags = [f"--namespace={namespace}"]
        if context is not None:
            self._flags.append(f"--context={context}")
        if config is not None:
            self._flags.append(f"--kubeconfig={os.fspath(config)}")
        try:
            if config is None:
                found = lightkube.KubeConfig.from_env()
            else:
                found = lightkube.KubeConfig.from_file(os.fspath(config))
            self._client = lightkube.Client(
                found.get(context), namespace=namespace, field_manager=MANAGER
            )
        except lightkube.ConfigError as error:
            raise WorkerError(
                f"no cluster is configured: {error}; get its credentials first, or set "
                "KUBECONFIG"
            ) from error

    @staticmethod
    def current_context() -> str:
        """The current context of the kubeconfig; '' without any."""
        lightkube = _lightkube()
        try:
            return str(lightkube.KubeConfig.from_env().current_context or "")
        except lightkube.ConfigError:
            return ""

    def apply(self, made: Manifest) -> None:
        """Makes an object as it is to be, whether it is there or not.

        Raises:
            ArgumentError: Its kind is none of those that clusters are made of.
            WorkerError: The API refuses it.
        """
        kind = made["kind"]
        obj = _kind(kind)(made)
        with self._told(f"apply {kind} {made['metadata']['name']!r}", kind):
            self._client.apply(obj, force=True)

    def patch(self, kind: str, name: str, change: Manifest) -> None:
        """Changes fields of an object.

        Raises:
            WorkerError: The API refuses it.
        """
        from lightkube.types import PatchType

        with self._told(f"change {kind} {name!r}", kind):
            # The default is a merge that custom resources do not have.
            self._client.patch(_kind(kind), name, change, patch_type=PatchType.MERGE)

    def get(self, kind: str, name: str) -> Manifest | None:
        """An object; None if it is not there."""
        with self._told(f"read {kind} {name!r}", kind, missing=None) as found:
            found.append(_plain(self._client.get(_kind(kind), name)))
        return found[0] if found else None

    def listed(
        self, kind: str, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """Objects of a kind, by name."""
        with self._told(f"list {kind}", kind) as found:
            listed = self._client.list(_kind(kind), labels=dict(labels or {}))
            found += map(_plain, listed)
        return sorted(found, key=lambda made: str(made["metadata"]["name"]))

    def delete(self, kind: str, name: str) -> bool:
        """Removes an object, and what it owns.

        Returns:
            Whether it was there.
        """
        with self._told(f"delete {kind} {name!r}", kind, missing=None) as found:
            self._client.delete(_kind(kind), name)
            found.append({})
        return bool(found)

    def log(self, pod: str, container: str, previous: bool = False) -> str:
        """What a container has printed.

        Args:
            pod: Its pod.
            container: Its name.
            previous: Of the one that ended before it was started again.

        Raises:
            WorkerError: There is no such container.
        """
        if previous:
            what = ["logs", pod, f"--container={container}", "--previous"]
            return run(["kubectl", *self._flags, *what])
        with self._told(f"read the log of {pod!r}", "Pod") as found:
            found += self._client.log(pod, container=container)
        return "".join(found)

    def service(self, name: str, port: int, path: str) -> Any:
        """What a service answers to a GET, through the API; JSON.

        Args:
            name: Of the service.
            port: Of the service.
            path: As ``jobs/overview``.

        Raises:
            WorkerError: It does not answer.
        """
        what = f"ask service {name!r} for {path}"
        with self._told(what, "Service") as found:
            where = f"{name}:{port}/proxy/{path}"
            try:
                found.append(dict(self._client.get(_kind("Service"), where)))
            except (ValueError, TypeError) as error:
                raise WorkerError(
                    f"Kubernetes cannot {what}: the answer is no object of JSON, {error}"
                ) from error
        return found[0]

    @contextmanager
    def forward(self, service: str, ports: Sequence[int]) -> Iterator[list[int]]:
        """Has ports of this machine lead to those of a service, while it is open.

        Args:
            service: Its name.
            ports: Of the service.

        Yields:
            Ports of this machine, on 127.0.0.1.

        Raises:
            MissingDependencyError: kubectl is not installed.
            WorkerError: It cannot connect.
        """
        kubectl = program("kubectl")
        command = [kubectl, *self._flags, "port-forward", "--address=127.0.0.1"]
        process = subprocess.Popen(
            [*command, f"service/{service}", *(f":{port}" for port in ports)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            # Ctrl-C in the program is not for it.
            start_new_session=True,
        )
        try:
            found = _forwarded(process, service, len(ports))
            yield [found[port] for port in ports]
        finally:
            process.terminate()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    @contextmanager
    def _told(self, what: str, kind: str, missing: Any = ...) -> Iterator[list[Any]]:
        """Errors in one line; of what is missing none, where that is allowed."""
        exceptions = _lightkube().core.exceptions
        try:
            yield []
        except exceptions.httpx.HTTPStatusError as error:
            is_missing = error.response.status_code == 404
            if is_missing and missing is None:
                return
            if isinstance(error, exceptions.ApiError):
                told = error.status.message
            else:
                told = error.response.text.strip() or str(error)
            # Of an object that is missing, the API tells the name.
            if is_missing and kind in _ADDED_BY and '"' not in told:
                told += f"; is {_ADDED_BY[kind]} installed?"
            raise WorkerError(f"Kubernetes cannot {what}: {told}") from error
        except exceptions.httpx.HTTPError as error:
            raise WorkerError(f"Kubernetes cannot {what}: {error}") from error


def _lightkube() -> Any:
    try:
        import lightkube
        import lightkube.core.exceptions
    except ImportError as error:
        raise MissingDependencyError(
            f"clusters of Kubernetes need lightkube: {pip_install('kube')}"
        ) from error
    return lightkube


@cache
def _kind(kind: str) -> Any:
    """A class of objects that are dicts; those of lightkube have models of their own."""
    from lightkube import generic_resource as generic

    if kind not in _PLURALS:
        raise ArgumentError(
            f"kind of an object must be one of {', '.join(_PLURALS)}, got {kind!r}"
        )

    base: Any = generic.GenericNamespacedResource
    if kind in _GLOBAL:
        base = generic.GenericGlobalResource
    group, version, plural = _PLURALS[kind]
    info = generic.create_api_info(group, version, kind, plural)
    return type(kind, (base,), {"_api_info": info})


def _plain(obj: Any) -> Manifest:
    found: Manifest = json.loads(json.dumps(obj.to_dict(), default=str))
    return found


def _forwarded(
    process: subprocess.Popen[bytes], service: str, count: int
) -> dict[int, int]:
    """By port of the service the port of this machine, as kubectl prints them."""
    assert process.stdout is not None
    until = time.monotonic() + _FORWARD_SECONDS
    found: dict[int, int] = {}
    text = ""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(found) < count:
            left = until - time.monotonic()
            if left <= 0 or not selector.select(left):
                break
            read = os.read(process.stdout.fileno(), 4096)
            if not read:
                break
            text += read.decode(errors="replace")
            for here, there in re.findall(r"127\.0\.0\.1:(\d+) -> (\d+)", text):
                found[int(there)] = int(here)
    if len(found) < count:
        raise WorkerError(
            f"kubectl cannot forward ports of service {service!r}: "
            f"{text.strip() or 'it does not answer'}"
        )
    return found
