"""Accounts, machines and clusters, as ``scannerpy.kube`` describes them."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from beam_scanner.clusters.machine_types import SCANNERS, MachineTypeList, name_of
from beam_scanner.errors import ArgumentError

_SCOPES = frozenset(
    f"https://www.googleapis.com/auth/{name}"
    for name in (
        "compute",
        "devstorage.read_write",
        "logging.write",
        "monitoring",
        "pubsub",
        "servicecontrol",
        "service.management.readonly",
        "trace.append",
    )
)
_MACHINE_TYPES = [SCANNERS]


def use_machine_types(types: MachineTypeList | Sequence[Mapping[str, Any]]) -> None:
    """Replaces the list that says what machines have and cost.

    Args:
        types: The list, or its rows: dicts of ``name``, ``cpu``, ``memory`` (GB),
            ``price`` and ``spot_price`` (US dollars an hour).

    Raises:
        ArgumentError: It is no list of machine types.
    """
    made = types if isinstance(types, MachineTypeList) else MachineTypeList(types)
    _MACHINE_TYPES[0] = made


def _environment(name: str) -> Callable[[], str]:
    return lambda: os.environ.get(name, "")


@dataclass(frozen=True)
class CloudConfig:
    """An account of a cloud, and what workers may read and write with.

    Attributes:
        project: Google's project, Azure's resource group; not used on AWS.
        service_key: A file of Google credentials for the workers; '' where their
            machines have some.
        storage_key_id: Of S3, for the workers; '' likewise.
        storage_key_secret: Of S3, for the workers; '' likewise.
        provider: 'gcp', 'aws' (then a ``zone`` is a region) or 'azure'; None for a
            Kubernetes cluster that is there: no machines are made or removed.
    """

    project: str = ""
    service_key: str = field(
        default_factory=_environment("GOOGLE_APPLICATION_CREDENTIALS")
    )
    storage_key_id: str = field(default_factory=_environment("AWS_ACCESS_KEY_ID"))
    storage_key_secret: str = field(
        default_factory=_environment("AWS_SECRET_ACCESS_KEY"), repr=False
    )
    provider: str | None = "gcp"

    def secrets(self) -> dict[str, str]:
        """What workers are given, by name of the variable or file.

        Raises:
            ArgumentError: There is no such file.
        """
        found = {
            "AWS_ACCESS_KEY_ID": self.storage_key_id,
            "AWS_SECRET_ACCESS_KEY": self.storage_key_secret,
        }
        if self.service_key:
            try:
                with open(self.service_key, encoding="utf-8") as file:
                    found[self.key_file] = file.read()
            except OSError as error:
                raise ArgumentError(
                    f"service_key {self.service_key!r} of a CloudConfig cannot be "
                    f"read: {error.strerror}"
                ) from error
        return {name: value for name, value in found.items() if value}

    @property
    def key_file(self) -> str:
        """Name of the file of Google credentials; '' without one."""
        return os.path.basename(self.service_key)


class MachineType(ABC):
    """What a machine has."""

    @abstractmethod
    def get_cpu(self) -> int:
        """Its cores."""

    @abstractmethod
    def get_mem(self) -> int:
        """Its memory, in GB."""

    @abstractmethod
    def get_name(self) -> str:
        """What the cloud calls it."""


@dataclass(frozen=True)
class MachineTypeName(MachineType):
    """A machine type by its name.

    Examples:
        >>> machine = MachineTypeName('n1-standard-4')
        >>> machine.get_cpu(), machine.get_mem()
        (4, 15)
    """

    name: str

    def get_cpu(self) -> int:
        """Its cores.

        Raises:
            ArgumentError: It is not in the list of machine types.
        """
        return _MACHINE_TYPES[0][self.name].cpu

    def get_mem(self) -> int:
        """Its memory, in GB.

        Raises:
            ArgumentError: It is not in the list of machine types.
        """
        return int(_MACHINE_TYPES[0][self.name].memory)

    def get_name(self) -> str:
        """Its name."""
        return self.name


@dataclass(frozen=True)
class MachineTypeQuantity(MachineType):
    """A machine of Google's with so many cores and GB.

    Examples:
        >>> MachineTypeQuantity(cpu=4, mem=15).get_name()
        'n1-standard-4'
    """

    cpu: int
    mem: int

    def get_cpu(self) -> int:
        """Its cores."""
        return self.cpu

    def get_mem(self) -> int:
        """Its memory, in GB."""
        return self.mem

    def get_name(self) -> str:
        """What Google calls it."""
        return name_of(self.cpu, self.mem)


@dataclass(frozen=True)
class MachineConfig:
    """A machine and what runs on it.

    Attributes:
        image: Of the workers; that of a master is not used: Flink and Beam have theirs.
        type: What it has.
        disk: GB.
        gpu: How many GPUs.
        gpu_type: As the cloud calls them.
        preemptible: Whether the cloud may take it away, for less.
    """

    image: str
    type: MachineType
    disk: int
    gpu: int = 0
    gpu_type: str = "nvidia-tesla-p100"
    preemptible: bool = False

    def price(self) -> float:
        """US dollars an hour, by the list of :func:`use_machine_types`.

        Raises:
            ArgumentError: The list has no price for it.
        """
        types, spot = _MACHINE_TYPES[0], self.preemptible
        found = types.price(self.type.get_name(), spot)
        if self.gpu:
            found += types.price(self.gpu_type, spot) * self.gpu
        return found


@dataclass(frozen=True)
class ClusterConfig:
    """A cluster that is to be made.

    Attributes:
        id: Its name.
        num_workers: How many machines, beside the master.
        master: The machine of JobManager and job server.
        worker: The other machines; each runs as many tasks at a time as it has cores.
        zone: Where they are.
        kube_version: Of Kubernetes.
        num_load_workers: Not used.
        num_save_workers: Not used.
        autoscale: Whether machines are made and removed as pods need them.
        no_workers_timeout: Seconds that a job waits for workers.
        scopes: What machines of Google's may do.
        scanner_config: The TOML file with the client's database.
        pipelines: Not used.
        namespace: Of Kubernetes.
        flink: Version of Flink.
    """

    id: str
    num_workers: int
    master: MachineConfig
    worker: MachineConfig
    zone: str = "us-east1-b"
    kube_version: str = "latest"
    num_load_workers: int = 8
    num_save_workers: int = 8
    autoscale: bool = True
    no_workers_timeout: int = 600
    scopes: frozenset[str] = _SCOPES
    scanner_config: str | None = None
    pipelines: frozenset[Any] = frozenset()
    namespace: str = "default"
    flink: str = "1.19"

    def price(self, no_master: bool = False) -> float:
        """US dollars an hour.

        Args:
            no_master: Of the workers alone.

        Raises:
            ArgumentError: The list of machine types has no price for a machine.
        """
        master = 0.0 if no_master else self.master.price()
        return master + self.worker.price() * self.num_workers
