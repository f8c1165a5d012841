"""Models on this machine and in buckets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import StreamNotFoundError
from beam_scanner.models.model_files import local_files
from beam_scanner.stores.paths import write_file


def test_files_of_this_machine_stay_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a b.onnx"
    path.touch()
    for place in (str(path), f"file://{tmp_path}/a%20b.onnx"):
        with local_files(place) as found:
            assert found == str(path)
    assert path.exists()


def test_objects_are_copied_and_removed(object_server: Any) -> None:
    bucket = object_server.make_bucket()
    write_file(f"{bucket}/models/saved/saved_model.pb", b"graph")
    write_file(f"{bucket}/models/saved/variables/variables.index", b"index")
    with local_files(f"{bucket}/models/saved") as folder:
        found = {
            os.path.relpath(os.path.join(at, name), folder): Path(at, name).read_bytes()
            for at, _, names in os.walk(folder)
            for name in names
        }
    assert found == {"saved_model.pb": b"graph", "variables/variables.index": b"index"}
    assert not os.path.exists(folder)
    with local_files(f"{bucket}/models/saved/saved_model.pb") as path:
        assert os.path.basename(path) == "saved_model.pb"
        assert Path(path).read_bytes() == b"graph"
    assert not os.path.exists(path)
    nothing = local_files(f"{bucket}/nothing")
    with pytest.raises(StreamNotFoundError, match="no model at"), nothing:
        pass
