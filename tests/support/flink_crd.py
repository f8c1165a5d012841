"""The FlinkDeployment of the Flink Kubernetes Operator, checked as an API server does.

``flinkdeployments.json.gz`` is the CustomResourceDefinition of its release 1.10, by The
Apache Software Foundation, under the Apache License 2.0.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

_FILE = Path(__file__).with_name("flinkdeployments.json.gz")


def definition() -> dict[str, Any]:
    """The CustomResourceDefinition."""
    found: dict[str, Any] = json.loads(gzip.decompress(_FILE.read_bytes()))
    return found


@cache
def _validator() -> Draft202012Validator:
    (version,) = definition()["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    schema["properties"]["apiVersion"] = {"const": "flink.apache.org/v1beta1"}
    schema["properties"]["kind"] = {"const": "FlinkDeployment"}
    schema["properties"]["metadata"] = {"type": "object"}
    _close(schema)
    return Draft202012Validator(schema)


def _close(schema: Any) -> None:
    """Refuses fields that are not named, as fieldValidation=Strict does."""
    if isinstance(schema, dict):
        if (
            isinstance(schema.get("properties"), dict)
            and schema.get("type") == "object"
        ):
            schema.setdefault("additionalProperties", False)
        for value in schema.values():
            _close(value)
    elif isinstance(schema, list):
        for value in schema:
            _close(value)


def crd_mistakes(made: dict[str, Any]) -> list[str]:
    """What an API server would refuse in a FlinkDeployment."""
    return [f"{e.json_path}: {e.message}" for e in _validator().iter_errors(made)]
