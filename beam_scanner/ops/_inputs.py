"""Inputs of ops that take values of several types."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from beam_scanner.kernels.op_spec import OpForCall
from beam_scanner.types.compatible import reader_as
from beam_scanner.types.type_info import ScannerTypeInfo, get_type_info


def takes(call: OpForCall, index: int, kind: ScannerTypeInfo | None) -> OpForCall:
    """The call of an op whose input of that index is of that type; None for frames."""
    ports = list(call.spec.inputs)
    ports[index] = replace(ports[index], type=kind)
    return replace(call, spec=replace(call.spec, inputs=tuple(ports)))


def takes_one_of(call: OpForCall, index: int, *kinds: Any) -> OpForCall:
    """The call with the first of some types that the column can be read as.

    Where it is none of them, the call is as it was, and refused for what the op declares.
    """
    given = call.types[index]
    for kind in map(get_type_info, kinds):
        if given is not None and reader_as(given, kind) is not None:
            return takes(call, index, kind)
    return call
