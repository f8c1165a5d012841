"""What libraries raise when memory runs out."""

from __future__ import annotations

import pytest

from beam_scanner.kernels.inference.device_memory import is_out_of_memory


class ResourceExhaustedError(Exception):
    """As TensorFlow's."""


class OutOfMemoryError(RuntimeError):
    """As PyTorch's."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ResourceExhaustedError("OOM"),
        OutOfMemoryError("Tried to allocate 2 GiB"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("BFCArena::AllocateRawInternal Failed to allocate memory for 7"),
        RuntimeError("CUDNN_STATUS_ALLOC_FAILED"),
        ValueError("XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory"),
        RuntimeError("std::bad_alloc"),
    ],
)
def test_out_of_memory(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [ValueError("a row is missing"), RuntimeError("CUDA error: device-side assert")],
)
def test_other_errors(error: Exception) -> None:
    assert not is_out_of_memory(error)
