"""Which files a model names, and when they are others."""

from __future__ import annotations

import functools
import os
import warnings
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.kernels.inference.weights import (
    HERE,
    FilesSeen,
    changed_since,
    versions_of,
)
from beam_scanner.stores.paths import write_file


class Settings:
    def __init__(self, **values: Any) -> None:
        vars(self).update(values)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "model.of.mine"
    path.write_bytes(b"one")
    return path


@pytest.mark.parametrize(
    "wrap",
    [
        lambda path: Settings(_model_uri=str(path)),
        lambda path: Settings(inner=Settings(options={"weights": [path]})),
        lambda path: functools.partial(len, str(path)),
        lambda path: functools.partial(Settings, path=str(path)),
        lambda path: Settings(uri=f"file://{path}"),
    ],
)
def test_files_are_found_and_compared(weights: Path, wrap: Any) -> None:
    before = versions_of(wrap(weights))
    assert len(before) == 1
    assert not changed_since(before)
    os.utime(weights, (1, 1))
    assert versions_of(wrap(weights)) == before
    weights.write_bytes(b"two")
    assert versions_of(wrap(weights)) != before
    assert changed_since(before).endswith("model.of.mine")
    weights.unlink()
    assert not changed_since(before)
    assert versions_of(wrap(weights)) == ()


def test_folders_count_with_all_that_is_in_them(tmp_path: Path) -> None:
    model = tmp_path / "saved"
    (model / "variables").mkdir(parents=True)
    (model / "saved_model.pb").write_bytes(b"graph")
    (model / "variables" / "variables.data-00000-of-00001").write_bytes(b"one")
    given = Settings(path=str(model))
    found = [versions_of(given)]
    (model / "variables" / "variables.data-00000-of-00001").write_bytes(b"two")
    found.append(versions_of(given))
    (model / "variables").rename(model / "v")
    found.append(versions_of(given))
    (model / "vocab.txt").touch()
    found.append(versions_of(given))
    assert len(set(found)) == 4
    (model / "predictions.log").touch()
    assert versions_of(given) == found[-1]


def test_what_a_model_writes_is_not_of_it(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "loaded").touch()
    (tmp_path / "model.log").touch()
    given = Settings(folder=tmp_path / "notes", log=str(tmp_path / "model.log"))
    assert versions_of(given) == ()


def test_what_is_no_file_of_a_model(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    cache = tmp_path / "cache"
    cache.mkdir()
    nothing = Settings(
        _env_vars={"HF_HOME": str(cache)},
        provider="CPUExecutionProvider",
        root="/",
        here="...",
        above=str(tmp_path.parent),
        url="https://example.org/model.onnx",
        odd="\0",
        kind=Settings,
    )
    assert versions_of(nothing) == ()


def test_large_files_count_by_pieces_and_time(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(65 << 20)
    before = versions_of([str(path)])
    with path.open("r+b") as file:
        file.seek(1_000_001)
        file.write(b"x")
    after = versions_of([str(path)])
    assert after != before
    assert changed_since(before, HERE) == str(path)
    assert not changed_since(after, HERE)
    # Another machine has a copy of another time.
    assert not changed_since(before, FilesSeen("another machine"))
    with path.open("r+b") as file:
        file.write(b"y")
    assert changed_since(before, FilesSeen("another machine")) == str(path)


def test_large_files_of_folders_count_by_time(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    path = tmp_path / "model" / "weights.safetensors"
    with path.open("wb") as file:
        file.truncate(65 << 20)
    before = versions_of([str(tmp_path / "model")])
    os.utime(path, (1, 1))
    assert changed_since(before, HERE) == str(tmp_path / "model")
    assert not changed_since(before)


def test_objects(object_server: Any) -> None:
    bucket = object_server.make_bucket()
    url = f"{bucket}/models/a.onnx"
    write_file(url, b"one")
    given = Settings(_model_uri=url)
    before = versions_of(given)
    assert len(before) == 1
    assert versions_of(given) == before
    write_file(url, b"two")
    assert changed_since(before) == url
    folder = Settings(_model_uri=f"{bucket}/models")
    of_folder = versions_of(folder)
    assert len(of_folder) == 1
    write_file(f"{bucket}/models/b.onnx", b"three")
    assert versions_of(folder) != of_folder
    assert versions_of(Settings(_model_uri=f"{bucket}/nothing")) == ()


def test_a_bucket_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    from beam_scanner.errors import StorageError
    from beam_scanner.kernels.inference import weights as module

    def refuse(path: str) -> Any:
        raise StorageError("no permission")

    monkeypatch.setattr(module, "locate", refuse)
    monkeypatch.setattr(module, "_warned", set())
    with pytest.warns(UserWarning, match="no permission.*not be made again"):
        assert versions_of(["gs://bucket/model.onnx"]) == ()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        versions_of(["gs://bucket/model.onnx"])
