"""One load for all threads, and none that outlives its users."""

from __future__ import annotations

import gc
import threading
import time
import uuid
from typing import Any

import pytest

from beam_scanner.kernels.inference.loaded_models import SharedModel, shared_model


def anything() -> Any:
    return object()


def test_threads_wait_for_one_load() -> None:
    tag, loads, found = uuid.uuid4().hex, [], []

    def load() -> Any:
        time.sleep(0.1)
        loads.append(1)
        return object()

    threads = [
        threading.Thread(target=lambda: found.append(shared_model(tag, load)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [1]
    assert len(found) == 8
    assert all(each is found[0] for each in found)
    assert found[0].loading[0].milliseconds >= 90


def test_a_model_goes_with_its_last_user() -> None:
    tag, loads = uuid.uuid4().hex, []

    def load() -> Any:
        loads.append(1)
        return {}  # which nothing can refer to weakly

    held: SharedModel | None = shared_model(tag, load)
    assert shared_model(tag, load) is held
    held = None
    gc.collect()
    shared_model(tag, load)
    assert len(loads) == 2


def test_another_tag_is_another_model() -> None:
    one, two = (shared_model(uuid.uuid4().hex, anything) for _ in range(2))
    assert one.model is not two.model


def test_a_load_that_fails_is_tried_again() -> None:
    tag = uuid.uuid4().hex

    def fail() -> Any:
        raise OSError("no such file")

    for _ in range(2):
        with pytest.raises(OSError, match="no such file"):
            shared_model(tag, fail)
    assert shared_model(tag, anything)
