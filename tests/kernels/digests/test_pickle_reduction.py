"""What pickling asks of an object."""

from __future__ import annotations

import pickle

import pytest

from beam_scanner.kernels import (
    Kernel,
    dumps_graph,
    loads_graph,
    read_spec,
)
from tests.support.fingerprinted import users
from tests.support.programs import run_code


class ModuleBase(Kernel):
    def tail(self) -> bytes:
        return b"base"


def test_locks_count_by_their_type_and_generators_of_numbers_by_their_state():
    import random
    import threading

    lock, source = threading.Lock(), random.Random(5)

    def op(config, x: bytes) -> bytes:
        with lock:
            return x if source.random() else b""

    first = read_spec(op).digest
    with lock:
        assert read_spec(op).digest == first
    source.random()
    assert read_spec(op).digest != first


def test_in_the_same_process_classes_keep_their_identity():
    class Local(Kernel):
        def execute(self, x: bytes) -> bytes:
            return x

    execute, tail = Local.execute, ModuleBase.tail
    assert loads_graph(dumps_graph(read_spec(Local))).kernel is Local
    assert loads_graph(dumps_graph(ModuleBase)) is ModuleBase
    assert Local.execute is execute
    assert ModuleBase.tail is tail


def test_structs_that_would_lose_their_fields_are_refused() -> None:
    msgspec = pytest.importorskip("msgspec")
    struct = msgspec.defstruct("Settings", [("size", int, 3)], module="__main__")
    for value in (struct, struct(5), {"one": struct}):
        with pytest.raises(pickle.PicklingError, match="'Settings' would arrive"):
            dumps_graph(value)


@pytest.mark.slow
def test_new_types_of_programs_are_sent() -> None:
    done = run_code(
        """
        import sys
        from typing import NewType
        from beam_scanner.kernels import dumps_graph
        Meters = NewType('Meters', int)
        def op(): return Meters(4), Meters.__name__
        print(dumps_graph(op).hex())
        """
    )
    assert loads_graph(bytes.fromhex(done))() == (4, "Meters")


def test_what_is_cached_by_use_says_nothing() -> None:
    space = users(
        """
        import functools
        @functools.cache
        def load(x): return [x]
        class Detector:
            @functools.cached_property
            def model(self): return [1]
            @staticmethod
            @functools.lru_cache
            def twice(x): return [x, x]
        DETECTOR = Detector()
        import weakref
        from collections.abc import Sequence
        SIZES = weakref.WeakKeyDictionary()
        @functools.singledispatch
        def walk(x): return 1
        @walk.register
        def _(x: Sequence): return sum(map(walk, x))
        def op(config, x: bytes) -> bytes:
            SIZES[Detector] = walk([1, [2, 3]])
            return load(1), DETECTOR.model, Detector.twice(2), SIZES[Detector]
        """
    )
    spec = read_spec(space["op"])
    before = spec.digest
    space["op"](None, b"")
    assert spec.digest == before
    copy = loads_graph(dumps_graph(spec))
    assert copy.digest == before
    assert copy.kernel(None, b"") == ([1], [1], [2, 2], 3)
    assert copy.kernel.__globals__["load"].cache_info().misses == 1
