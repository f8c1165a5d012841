"""A model that processes share: loaded once, started again, gone at the end."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import KernelError
from beam_scanner.kernels.inference import served_model
from beam_scanner.kernels.inference.model_source import ModelSource
from beam_scanner.kernels.inference.served_model import ServedModel
from tests.support.models import Configured

pytestmark = pytest.mark.processes


class Opens:
    """Cannot be loaded."""

    def __reduce__(self) -> Any:
        return open, ("/no/such/file",)


class Where(Configured):
    """Says which process it is in; and does worse, when it is told."""

    def __init__(self, marks: Any, **options: Any) -> None:
        super().__init__(**options)
        self.marks = os.fspath(marks)

    def load_model(self) -> Any:
        if not os.path.isdir(self.marks):
            raise FileNotFoundError(self.marks)
        Path(self.marks, str(os.getpid())).touch()
        return lambda: os.getpid()

    def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
        for each in batch:
            if isinstance(each, str) and each == "raise":
                raise ZeroDivisionError("in the model")
            if isinstance(each, str) and each == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if isinstance(each, str) and each == "open":
                yield Opens()
                continue
            yield model()


def served(marks: Path, copies: int = 1) -> ServedModel:
    source = ModelSource(Where(marks, model_copies=copies))
    return ServedModel(source, source.tag())


@pytest.mark.slow
def test_all_users_have_the_same_process(tmp_path: Path) -> None:
    one = served(tmp_path)
    two = served(tmp_path)
    assert [len(each.loading) for each in (one, two)] == [1, 0]
    found: set[int] = set()

    def use(model: ServedModel) -> None:
        found.update(model.predict([np.zeros((9, 9, 3), np.uint8)] * 3, None))

    threads = [threading.Thread(target=use, args=[each]) for each in (one, two) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {str(pid) for pid in found} == set(os.listdir(tmp_path))
    assert os.getpid() not in found
    with pytest.raises(ZeroDivisionError, match="in the model"):
        one.predict(["raise"], None)


@pytest.mark.slow
def test_copies_take_turns(tmp_path: Path) -> None:
    model = served(tmp_path, copies=2)
    assert len({model.predict([1], None)[0] for _ in range(4)}) == 2


@pytest.mark.slow
def test_another_process_is_started(tmp_path: Path) -> None:
    model = served(tmp_path)
    (first,) = model.predict([1], None)
    os.kill(first, signal.SIGKILL)
    (second,) = model.predict([1], None)
    assert first != second
    with pytest.raises(KernelError, match="has ended at each try"):
        model.predict(["die"], None)
    assert model.predict([1], None)


@pytest.mark.slow
def test_what_loading_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"):
        served(tmp_path / "gone")


def test_what_does_not_travel_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the process that is there goes on."""
    model = served(tmp_path)
    for example, told in [
        (threading.Lock(), "a batch cannot be sent to .* of Where: .*lock"),
        (Opens(), "process that has the model of Where cannot take the batch: "),
        ("open", "what Where gave in its process cannot be used in this one: "),
    ]:
        with pytest.raises(KernelError, match=told) as caught:
            model.predict([example], None)
        assert "memory" not in str(caught.value)

    def refuse(path: str) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    # That is no sign of a process that has gone, either.
    with monkeypatch.context() as patch:
        patch.setattr(served_model, "_connected", refuse)
        with pytest.raises(OSError, match="Too many open files"):
            served(tmp_path)
    assert [str(pid) for pid in model.predict([1], None)] == os.listdir(tmp_path)


STARTS = """
import os, sys
from tests.kernels.inference.test_served_model import Slow
from beam_scanner.kernels.inference import served_model
from beam_scanner.kernels.inference.model_source import ModelSource
from beam_scanner.kernels.inference.served_model import ServedModel
source = ModelSource(Slow(sys.argv[1], model_copies=1))
print(ServedModel(source, source.tag()).predict([1], None))
"""


class Slow(Where):
    """Loads when it is told to."""

    def load_model(self) -> Any:
        loaded = super().load_model()
        while not os.path.exists(f"{self.marks}.go"):
            time.sleep(0.02)
        return loaded


def wait_for(is_so: Any) -> None:
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.slow
def test_who_starts_a_process_may_die_while_it_loads(tmp_path: Path) -> None:
    """It is used by the others, and nobody starts a second one."""
    marks = tmp_path / "marks"
    marks.mkdir()
    command = [sys.executable, "-c", STARTS, str(marks)]
    with subprocess.Popen(command) as first:
        wait_for(lambda: os.listdir(marks))
        first.kill()
    source = ModelSource(Slow(marks, model_copies=1))
    found: list[Any] = []

    def use() -> None:
        found.append(ServedModel(source, source.tag()).predict([1], None))

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    assert len(os.listdir(marks)) == 1
    (tmp_path / "marks.go").touch()
    for thread in threads:
        thread.join(60)
    (pid,) = os.listdir(marks)
    assert found == [[int(pid)]] * 2
