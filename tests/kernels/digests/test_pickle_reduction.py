"""What pickling asks of an object."""

from __future__ import annotations

from beam_scanner.kernels import (
    Kernel,
    dumps_graph,
    loads_graph,
    read_spec,
)
from tests.support.fingerprinted import users


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
