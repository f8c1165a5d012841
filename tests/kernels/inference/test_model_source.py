"""What travels of a model, and what tells two models apart."""

from __future__ import annotations

import functools
import pickle
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import KernelError
from beam_scanner.kernels.inference import weights
from beam_scanner.kernels.inference.model_source import ModelSource
from beam_scanner.kernels.pickling import dumps_graph, loads_graph
from tests.support.models import NumberHandler


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "add"
    found.write_text("100")
    return found


def source(path: Any, **options: Any) -> ModelSource:
    return ModelSource(NumberHandler("/nowhere", path, **options))


def test_a_tag_is_the_same_everywhere(path: Path) -> None:
    one = source(path)
    assert one.tag() == source(path).tag()
    assert one.tag() == loads_graph(dumps_graph(one)).tag()
    assert ModelSource.of(one) is one


def test_settings_and_files_are_in_the_tag(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("100")
    found = [source(path).tag(), source(other).tag()]
    found.append(source(path, max_batch_size=3).tag())
    path.write_text("101")
    found.append(source(path).tag())
    assert len(set(found)) == 4


def test_another_path_is_another_model(path: Path, tmp_path: Path) -> None:
    one = source(path)
    before = one.tag()
    one.given.update_model_path(str(tmp_path / "other"))
    assert one.tag() != before


def test_weights_do_not_travel(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"0" * 1_000_000)
    data = dumps_graph(source(path))
    assert len(data) < 100_000


def test_files_that_change_on_the_way(path: Path) -> None:
    sent = dumps_graph(source(path))
    path.write_text("101")
    with pytest.raises(KernelError, match="NumberHandler names, has changed since"):
        loads_graph(sent).load()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        loads_graph(sent).load()


def test_large_files_that_change_on_the_way(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    with path.open("wb") as file:
        file.write(b"1")
        file.truncate(65 << 20)
    given = ModelSource(functools.partial(len, str(path)))
    sent = dumps_graph(given)
    loads_graph(sent).load()
    with path.open("r+b") as file:
        file.seek(1_000_001)
        file.write(b"x")
    with pytest.raises(KernelError, match="has changed since"):
        loads_graph(sent).load()


def test_the_machine_is_in_no_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results that one machine has stored are there for all others."""
    before = ModelSource(len).tag()
    monkeypatch.setitem(vars(weights.HERE), "by", "another machine")
    assert ModelSource(len).tag() == before


def test_it_pickles_plainly() -> None:
    assert pickle.loads(pickle.dumps(ModelSource(len))).given is len
