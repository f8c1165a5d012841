"""Kernels of a library written in C: what they are given, and what they do wrong."""

from __future__ import annotations

import ctypes
import gc
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import KernelError
from beam_scanner.kernels.native.native_kernel import native_class
from beam_scanner.types.element_types import NULL
from tests.support.native_kernels import kernel_of, spec_of

WORDS = {
    "fail": "^it fails$",
    "nothing": "output 'out' was not made",
    "no such row": "made an output of row 1 in a call of 1 rows",
    "row minus": "made an output of row -1",
    "no such output": "made output 2 of an op with 2",
    "twice": "output 'out' was made twice",
    "bytes for a frame": "output 'frame' holds frames",
    "few bytes": "output 'out' cannot have -1 bytes",
    "frame for bytes": "output 'out' holds Bytes",
    "dtype null": "output 'frame' was asked for with a NULL dtype or shape",
    "shape null": "output 'frame' was asked for with a NULL dtype or shape",
    "other dtype": r"output 'frame' is float32 of shape \(2, 3\).* uint8 of shape \(2, \?\)",
    "odd dtype": "output 'frame' cannot have DLDataType code 1, 8 bits, 4 lanes",
    "other shape": r"output 'frame' is uint8 of shape \(3, 3\)",
    "negative": r"output 'frame' cannot have shape \(2, -1\)",
    "dimensions": "output 'frame' cannot have 0 dimensions",
    "deep": "output 'frame' cannot have 1000000 dimensions",
    "neither": "output 'frame' was not made",
}


def test_frames(native_ops: Path) -> None:
    kernel = kernel_of(native_ops, "NativeAdd", by=3)
    frame = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    np.testing.assert_array_equal(kernel.execute(frame=frame), frame + 3)
    np.testing.assert_array_equal(
        kernel.execute(frame=frame[::-1, ::2]), frame[::-1, ::2] + 3
    )


def test_state_and_streams(native_ops: Path) -> None:
    kernel = kernel_of(native_ops, "NativeJoin")
    kernel.reset()
    kernel.new_stream(prefix="p")
    assert kernel.execute(value=b"a") == b'{"prefix": "p"}a'
    assert kernel.execute(value=b"b") == b'{"prefix": "p"}ab'
    kernel.reset()
    assert kernel.execute(value=b"c") == b'{"prefix": "p"}c'


def test_batches_and_windows(native_ops: Path) -> None:
    batch = kernel_of(native_ops, "NativeBatch")
    assert batch.execute(value=[b"a", b"b", b""]) == [b"3: a", b"3: b", b"3: "]
    window = kernel_of(native_ops, "NativeWindow")
    assert window.execute(value=[b"a", b"b", NULL]) == b"1: a b null"
    assert window.execute(value=[NULL, b"b", b"c"]) is NULL
    both = kernel_of(native_ops, "NativeBoth")
    assert both.execute(value=[[b"a", b"b"], [b"b", b"c"]]) == [b"2: a b", b"2: b c"]
    every = kernel_of(native_ops, "NativeAll")
    assert every.execute(b"a", b"b", b"c") == b"1: a b c"
    whole = kernel_of(native_ops, "NativeWhole")
    assert whole.execute(value=[b"a", b"b"]) == [b"2: a", b"2: b"]
    assert whole.execute(value=[]) == []


def test_several_outputs(native_ops: Path) -> None:
    frame = np.ones((2, 3), np.float64)
    copied, size = kernel_of(native_ops, "NativeTwo").execute(frame=frame)
    assert copied.dtype == np.float64
    assert size == b"48"


@pytest.mark.parametrize("way", WORDS)
def test_what_a_kernel_does_wrong(way: str, native_ops: Path) -> None:
    kernel = kernel_of(native_ops, "NativeWrong", way=way)
    with pytest.raises(KernelError, match=WORDS[way]):
        kernel.execute(value=b"x")
    # The next row is another one.
    out, frame = kernel.execute(value=b"y")
    assert out == b"good"
    assert frame.shape == (2, 3)


def test_more_bytes_than_there_is_memory(native_ops: Path) -> None:
    with pytest.raises((MemoryError, ValueError)):
        kernel_of(native_ops, "NativeWrong", way="many bytes").execute(value=b"x")


def test_calling_back_when_the_call_is_over(native_ops: Path) -> None:
    spec = spec_of(native_ops, "NativeWrong")
    kernel = kernel_of(native_ops, "NativeWrong", way="late")
    _, frame = kernel.execute(value=b"x")
    frame[:] = 5
    library = ctypes.CDLL(spec.kernel.library.path())
    assert library.call_back_late() == 1
    assert (frame == 5).all()


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("refuse", "^it refuses ä x$"),
        ("no text", "create of the native library returned 7 without saying why"),
        ("long text", "^x{1024}$"),
        ("no kernel", "create of the native library returned no kernel"),
    ],
)
def test_a_kernel_that_is_not_made(way: str, words: str, native_ops: Path) -> None:
    with pytest.raises(KernelError, match=words):
        kernel_of(native_ops, "NativeWrong", way=way)


def test_a_kernel_is_freed_once(native_ops: Path) -> None:
    freed: list[int] = []
    kernel = kernel_of(native_ops, "NativeAdd")
    real = kernel._open._ops

    class Counted:
        def __getattr__(self, name: str) -> Any:
            return freed.append if name == "destroy" else getattr(real, name)

    address = kernel._open._address
    kernel._open._ops = Counted()
    kernel.close()
    kernel.close()
    del kernel
    gc.collect()
    assert [each.value for each in freed] == [address.value]  # type: ignore[attr-defined]
    real.destroy(address)


def test_a_kernel_that_was_closed(native_ops: Path) -> None:
    kernel = kernel_of(native_ops, "NativeAdd")
    kernel.close()
    with pytest.raises(KernelError, match="was closed"):
        kernel.execute(frame=np.zeros((1, 1), np.uint8))


def test_other_threads_run_meanwhile(native_ops: Path) -> None:
    """A library that sleeps holds nobody up: another thread can wake it."""
    began, ready = os.pipe()
    woken, wake = os.pipe()
    kernel = kernel_of(native_ops, "NativeWrong", way=f"doze {ready} {woken}")
    try:
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(kernel.execute, value=b"x")
            os.read(began, 1)
            os.write(wake, b"x")
            call.result()
    finally:
        for file in (began, ready, woken, wake):
            os.close(file)


def test_the_class_of_an_op(native_ops: Path) -> None:
    kernel = spec_of(native_ops, "NativeAdd").kernel
    assert kernel.__doc__ == "\n\nArgs:\n    by: What is added."
    encoders = kernel.encode, kernel.encode_stream
    again = native_class(kernel.library, kernel.op, encoders, "other place")
    assert (again.__module__, again.__qualname__) == ("other place", "NativeAdd")
