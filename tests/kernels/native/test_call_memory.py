"""One call after the other in the same memory."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from beam_scanner.errors import KernelError
from beam_scanner.kernels.native.call_memory import MOST_ELEMENTS
from beam_scanner.types.element_types import NULL
from tests.support.native_kernels import kernel_of


def test_frames_of_changing_forms(native_ops: Path) -> None:
    kernel = kernel_of(native_ops, "NativeAdd", by=3)
    shapes = [(2, 4, 3), (2, 4, 3), (4, 2, 3), (2, 4, 3), (1, 1, 1), (0, 4, 3)]
    for number, shape in enumerate(shapes):
        frame = np.full(shape, number, np.uint8)
        for given in (frame, frame[::-1], frame):
            np.testing.assert_array_equal(kernel.execute(frame=given), given + 3)


def test_results_are_apart(native_ops: Path) -> None:
    kernel = kernel_of(native_ops, "NativeAdd", by=1)
    frames = [np.full((2, 3, 3), n, np.uint8) for n in range(20)]
    made = [kernel.execute(frame=frame) for frame in frames]
    assert [int(each.max()) for each in made] == list(range(1, 21))
    assert len({each.ctypes.data for each in made}) == len(made)


def test_nothing_is_held_between_calls(native_ops: Path) -> None:
    kernel = kernel_of(native_ops, "NativeAdd", by=1)
    frame = np.zeros((2, 3, 3), np.uint8)
    before = sys.getrefcount(frame)
    made = kernel.execute(frame=frame)
    assert sys.getrefcount(frame) == before
    assert sys.getrefcount(made) == 2


def test_calls_of_changing_sizes(native_ops: Path) -> None:
    kernel = kernel_of(native_ops, "NativeBatch")
    for size in (3, 1, 3, MOST_ELEMENTS + 1, 2):
        values = [str(n).encode() for n in range(size)]
        expected = [f"{size}: {n}".encode() for n in range(size)]
        assert kernel.execute(value=values) == expected


def test_nulls_between_bytes(native_ops: Path) -> None:
    kernel = kernel_of(native_ops, "NativeWindow")
    assert kernel.execute(value=[b"a", b"b", NULL]) == b"1: a b null"
    assert kernel.execute(value=[NULL, b"b", b"c"]) is NULL
    assert kernel.execute(value=[b"a", b"b", b"c"]) == b"1: a b c"


def test_a_call_after_one_that_failed(native_ops: Path) -> None:
    kernel = kernel_of(native_ops, "NativeWrong", way="twice")
    kernel.execute(value=b"y")
    for _ in range(2):
        with pytest.raises(KernelError, match="was made twice"):
            kernel.execute(value=b"x")
        out, frame = kernel.execute(value=b"y")
        assert (out, frame.shape) == (b"good", (2, 3))


def test_threads_that_share_a_kernel(native_ops: Path) -> None:
    """It is not promised that they may, but none is given what is another's."""
    kernel, wrong = kernel_of(native_ops, "NativeAdd", by=1), []

    def work(number: int) -> None:
        frame = np.full((40, 50, 3), number, np.uint8)
        for _ in range(200):
            if not (kernel.execute(frame=frame) == number + 1).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
