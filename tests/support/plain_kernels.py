"""Kernels that do next to nothing."""

from __future__ import annotations


def describe(ports):
    return [(port.name, port.type_name) for port in ports]


def plain(config, x: bytes) -> bytes:
    return x


def listed(config, x: list[bytes]) -> list[bytes]:
    return x
