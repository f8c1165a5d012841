"""A model that processes share: loaded once, started again, gone at the end."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import KernelError
from beam_scanner.kernels.inference.model_source import ModelSource
from beam_scanner.kernels.inference.served_model import ServedModel
from tests.support.models import Configured

pytestmark = pytest.mark.processes


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
            yield model()


def served(marks: Path, copies: int = 1) -> ServedModel:
    source = ModelSource(Where(marks, model_copies=copies))
    return ServedModel(source, source.tag())


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


def test_copies_take_turns(tmp_path: Path) -> None:
    model = served(tmp_path, copies=2)
    assert len({model.predict([1], None)[0] for _ in range(4)}) == 2


def test_another_process_is_started(tmp_path: Path) -> None:
    model = served(tmp_path)
    (first,) = model.predict([1], None)
    os.kill(first, signal.SIGKILL)
    (second,) = model.predict([1], None)
    assert first != second
    with pytest.raises(KernelError, match="has ended at each try"):
        model.predict(["die"], None)
    assert model.predict([1], None)


def test_what_loading_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"):
        served(tmp_path / "gone")
