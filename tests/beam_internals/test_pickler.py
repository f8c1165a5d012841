"""Beam's copy of cloudpickle is as graphs need it."""

from __future__ import annotations

import functools
import io
import pickle
import sys
import threading
import types

import apache_beam as beam
import pytest

from beam_scanner.beam_internals import pickler


def dumped(value: object) -> bytes:
    file = io.BytesIO()
    pickler.BeamPickler(file).dump(value)
    return file.getvalue()


@functools.cache
def cached() -> None:
    """A name in this module that is not a function."""


@pytest.fixture
def users_module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("users_module")
    exec("class A:\n    def f(self): return 1\n\ndef g(): return 2", vars(module))
    monkeypatch.setitem(sys.modules, "users_module", module)
    return module


def test_the_lock_is_the_one_that_beam_holds() -> None:
    """Else two threads pickle at once, and modules are imported half."""
    done = threading.Event()

    def pickles_as_beam_does() -> None:
        beam.ParDo(beam.DoFn())
        done.set()

    thread = threading.Thread(target=pickles_as_beam_does)
    with pickler.pickling_lock:
        thread.start()
        assert not done.wait(0.3)
    thread.join(10)
    assert done.is_set()


def test_beam_registers_reducers_for_its_picklers() -> None:
    """Else kernels that hold a lock cannot be pickled."""
    lock = pickle.loads(dumped(threading.Lock()))
    assert isinstance(lock, type(threading.Lock()))
    pickle.loads(dumped(threading.RLock()))


def test_functions_without_a_module_go_by_value() -> None:
    assert pickle.loads(dumped(lambda x: x + 1))(1) == 2
    assert pickle.loads(pickler.dumps_by_value(lambda x: x + 1))(1) == 2


def test_a_module_is_by_value_only_while_it_is_wanted(
    users_module: types.ModuleType,
) -> None:
    """Else workers look for a module that only the driver has."""
    assert pickler.is_pickled_by_name(users_module.g)
    assert pickler.is_importable(users_module.g)
    by_name = dumped(users_module.g)
    with pickler.modules_by_value([users_module]):
        assert pickler.is_by_value(users_module)
        assert not pickler.is_pickled_by_name(users_module.g)
        assert not pickler.is_importable(users_module.g)
        by_value = dumped(users_module.g)
    assert not pickler.is_by_value(users_module)
    del sys.modules["users_module"]
    assert pickle.loads(by_value)() == 2
    with pytest.raises(ModuleNotFoundError):
        pickle.loads(by_name)


def test_modules_that_the_user_has_registered_stay_so(
    users_module: types.ModuleType,
) -> None:
    with pickler.modules_by_value([users_module]):
        with pickler.modules_by_value([users_module]):
            pass
        assert pickler.is_by_value(users_module)


def test_what_is_no_function_is_looked_up_too() -> None:
    assert not pickler.is_importable(functools.lru_cache(lambda: 1))
    assert pickler.is_importable(cached)


def test_reducers_of_both_tables() -> None:
    """Else digests say of an object what its pickle does not."""
    assert pickler.reducer_of(types.ModuleType) is not None
    assert pickler.reducer_of(complex) is not None  # copyreg
    assert pickler.reducer_of(dict) is None


def test_loading_here_leaves_a_pickled_class_as_it_is() -> None:
    """Else its methods become copies that do not see their module's globals."""

    class Local:
        def method(self) -> int:
            return 1

    method = Local.method
    file = io.BytesIO()
    pickler.BeamPickler(file).dump(Local)
    pickler.keep_pickled_classes()
    assert pickle.loads(file.getvalue()) is Local
    assert Local.method is method
