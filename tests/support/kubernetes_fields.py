"""The fields of Kubernetes' objects that our files use, and a check against them.

What is named here was compared with the CustomResourceDefinition FlinkDeployment v1beta1
of flink-kubernetes-operator and with Kubernetes' apps/v1, batch/v1 and v1; what is not
named is refused, as the API server would refuse it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

TEXT = str
COUNT = int
NUMBER = (int, float)
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|[kMGT]i?)?")
"""Of CPU and memory, by Kubernetes."""
FLINK_MEMORY = re.compile(r"[0-9]+ ?(b|k|m|g|t|kb|mb|gb|tb)", re.IGNORECASE)
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
FLINK_VERSIONS = re.compile(r"v1_(1[5-9]|20)|v2_[0-2]")

RESOURCES = {"cpu": QUANTITY, "memory": QUANTITY}
LIMITS = {**RESOURCES, "nvidia.com/gpu": re.compile("[0-9]+")}
CONTAINER = {
    "name": NAME,
    "image": TEXT,
    "command": [TEXT],
    "args": [TEXT],
    "ports": [{"name": NAME, "containerPort": COUNT}],
    "resources": {"requests": RESOURCES, "limits": LIMITS},
    "readinessProbe": {"tcpSocket": {"port": COUNT}, "periodSeconds": COUNT},
    "volumeMounts": [{"name": NAME, "mountPath": TEXT}],
}
POD = {
    "containers": [CONTAINER],
    "volumes": [{"name": NAME, "emptyDir": {}}],
    "tolerations": [
        {
            "key": TEXT,
            "operator": re.compile("Exists|Equal"),
            "effect": re.compile("NoSchedule|PreferNoSchedule|NoExecute"),
        }
    ],
    "restartPolicy": re.compile("Always|OnFailure|Never"),
}
LABELS = {"app": TEXT}
METADATA = {"name": NAME, "labels": LABELS}
TEMPLATE = {"metadata": METADATA, "spec": POD}
FLINK_RESOURCE = {"cpu": NUMBER, "memory": FLINK_MEMORY}
FLINK_PART = {
    "replicas": COUNT,
    "resource": FLINK_RESOURCE,
    "podTemplate": {
        "apiVersion": re.compile("v1"),
        "kind": re.compile("Pod"),
        **TEMPLATE,
    },
}

SPECS: dict[tuple[str, str], dict[str, Any]] = {
    ("flink.apache.org/v1beta1", "FlinkDeployment"): {
        "image": TEXT,
        "flinkVersion": FLINK_VERSIONS,
        "serviceAccount": TEXT,
        "mode": re.compile("native|standalone"),
        "flinkConfiguration": dict[str, str],
        "jobManager": FLINK_PART,
        "taskManager": FLINK_PART,
    },
    ("apps/v1", "Deployment"): {
        "replicas": COUNT,
        "selector": {"matchLabels": LABELS},
        "template": TEMPLATE,
    },
    ("batch/v1", "Job"): {"backoffLimit": COUNT, "template": TEMPLATE},
    ("v1", "Service"): {
        "selector": LABELS,
        "ports": [{"name": NAME, "port": COUNT, "targetPort": COUNT}],
    },
}


def mistakes(made: Any, fields: Any, place: str = "") -> Iterator[str]:
    """What is wrong with an object: unknown fields, and values of another kind."""
    if isinstance(fields, dict):
        if not isinstance(made, dict):
            yield f"{place}: {made!r} should be an object"
            return
        for name, value in made.items():
            if name not in fields:
                yield f"{place}.{name}: there is no such field"
            else:
                yield from mistakes(value, fields[name], f"{place}.{name}")
    elif isinstance(fields, list):
        if not isinstance(made, list):
            yield f"{place}: {made!r} should be a list"
            return
        for number, value in enumerate(made):
            yield from mistakes(value, fields[0], f"{place}[{number}]")
    elif isinstance(fields, re.Pattern):
        if not isinstance(made, str) or not fields.fullmatch(made):
            yield f"{place}: {made!r} should match {fields.pattern}"
    elif fields == dict[str, str]:
        for name, value in made.items():
            if not isinstance(value, str):
                yield f"{place}.{name}: {value!r} should be text"
    elif not isinstance(made, fields) or isinstance(made, bool):
        yield f"{place}: {made!r} should be {fields}"


def object_mistakes(made: dict[str, Any]) -> list[str]:
    """What is wrong with one object of a file."""
    kind = (made.get("apiVersion"), made.get("kind"))
    if kind not in SPECS:
        return [f"there is no {kind}"]
    fields = {
        "apiVersion": TEXT,
        "kind": TEXT,
        "metadata": METADATA,
        "spec": SPECS[kind],
    }
    return list(mistakes(made, fields))
