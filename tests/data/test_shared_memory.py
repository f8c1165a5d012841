"""Memory that is used again, but never while anybody looks at it."""

from __future__ import annotations

import gc
import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.data.shared_memory import MappedFile, SharedMemory, whole_pages
from beam_scanner.errors import ArgumentError

PAGE = whole_pages(1)


def resident(memory: SharedMemory) -> int:
    return os.fstat(memory.file).st_blocks * 512


@settings(max_examples=50)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["reserve", "lend", "drop", "give up"]), st.integers(1, 6)
        ),
        max_size=40,
    )
)
def test_parts_never_overlap_and_the_budget_holds(steps):
    budget = 12 * PAGE
    memory = SharedMemory(budget)
    worker = MappedFile(memory.file)
    reserved: dict[int, tuple[int, int]] = {}
    lent: list[tuple[np.ndarray, int]] = []
    for number, (step, pages) in enumerate(steps):
        if step == "reserve" and memory.reserved + pages * PAGE <= budget:
            offset = memory.reserve(pages * PAGE - 5)
            reserved[offset] = pages * PAGE, number
            worker.part(offset, pages * PAGE)[:] = number
        elif step == "lend" and reserved:
            offset = next(iter(reserved))
            size, value = reserved.pop(offset)
            lent.append((memory.lend(offset)[1:][::2], value))
            assert len(lent[-1][0]) == size // 2
        elif step == "drop" and lent:
            lent.pop(pages % len(lent))
        elif step == "give up" and reserved:
            memory.give_up(next(iter(reserved)))
            del reserved[next(iter(reserved))]
        assert all((view == value).all() for view, value in lent)
        held = sum(whole_pages(2 * len(view)) for view, _ in lent)
        waiting = sum(size for _, size in memory._returned)
        assert resident(memory) <= budget + held + waiting
    memory.close()
    assert all((view == value).all() for view, value in lent)


def test_a_part_comes_back_with_its_last_view():
    memory = SharedMemory(4 * PAGE)
    offset = memory.reserve(PAGE)
    array: Any = memory.lend(offset)
    views: list[Any] = [array[5:], array.reshape(2, -1)[1], memoryview(array)]
    capsule = array.__dlpack__()
    del array
    while views:
        views.pop()
        gc.collect()
        assert memory.reserve(PAGE) != offset
    del capsule
    assert memory.reserve(PAGE) == offset
    memory.close()


def test_memory_goes_back_to_the_system():
    memory = SharedMemory(8 * PAGE)
    offsets = [memory.reserve(4 * PAGE), memory.reserve(4 * PAGE)]
    for offset in offsets:
        memory.part(offset, 4 * PAGE)[:] = 1
    kept = memory.lend(offsets[0])
    file = os.dup(memory.file)
    memory.close()
    memory.close()
    assert os.fstat(file).st_blocks * 512 == 4 * PAGE
    assert (kept == 1).all()
    del kept
    assert os.fstat(file).st_blocks == 0
    os.close(file)


def test_what_a_fork_may_look_at_is_not_used_again():
    memory = SharedMemory(4 * PAGE)
    offset = memory.reserve(PAGE)
    array = memory.lend(offset)
    array[:] = 7
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.read(read, 1)
        seen = int(array.min())
        memory.close()
        os._exit(seen)
    del array
    others = [memory.reserve(PAGE) for _ in range(3)]
    assert offset not in others
    for other in others:
        memory.part(other, PAGE)[:] = 1
    os.write(write, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert all((memory.part(other, PAGE) == 1).all() for other in others)
    memory.close()
    os.close(read)
    os.close(write)


def test_more_than_the_budget_is_refused():
    memory = SharedMemory(PAGE)
    with pytest.raises(ArgumentError, match="more than"):
        memory.reserve(PAGE + 1)
    memory.close()
