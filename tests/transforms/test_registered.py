"""The transforms of samplers and ops, by name."""

from __future__ import annotations

from typing import Any

from beam_scanner.kernels import register_python_op, registry
from beam_scanner.rows.samplers import SAMPLERS
from beam_scanner.transforms.registered import names, transform_named


def test_every_name_has_a_transform() -> None:
    found = names()
    assert found == sorted(set(found))
    assert set(SAMPLERS) < set(found)
    assert "Histogram" in found
    for name in found:
        made = transform_named(name)
        assert made is not None
        assert made.__name__ == name


def test_ops_of_users_are_found_too_as_long_as_they_are_registered() -> None:
    name = "RegisteredByAUser"
    assert transform_named(name) is None

    @register_python_op(name=name)
    def mine(config: Any, x: bytes) -> bytes:
        return x

    try:
        found = transform_named(name)
        assert found is not None
        assert found().label == name
        # What ships is another matter.
        assert name not in names()
    finally:
        registry().remove(name)
    assert transform_named(name) is None
