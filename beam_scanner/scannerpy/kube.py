"""``scannerpy.kube``: clusters are those that run Beam."""

from __future__ import annotations

from typing import Any

from beam_scanner.scannerpy.instead import refused

_NAMES = (
    "CloudConfig",
    "Cluster",
    "ClusterConfig",
    "MachineConfig",
    "MachineTypeName",
    "MachineTypeQuantity",
    "master",
    "worker",
)
_CLUSTERS = (
    "graphs run on clusters that run Beam: templates/flink has one for Kubernetes, and "
    "Client(options=['--runner=...', ...]) uses it; see docs/runners.md"
)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return refused(f"kube.{name}", _CLUSTERS)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
