"""Downloads, and the sample video."""

import os
import tarfile
from pathlib import Path

import pytest

from beam_scanner import video
from beam_scanner.scannerpy.util import (
    default,
    download_temp_file,
    sample_video,
    temp_directory,
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def test_a_file_is_downloaded_once(home: Path, tmp_path: Path) -> None:
    source = tmp_path / "a.bin"
    source.write_bytes(b"first")
    path = download_temp_file(source.as_uri())
    assert path == str(home / ".beam_scanner/resources/a.bin")
    source.write_bytes(b"second")
    assert Path(download_temp_file(source.as_uri())).read_bytes() == b"first"
    other = download_temp_file(source.as_uri(), "models/b.bin")
    assert Path(other).read_bytes() == b"second"
    with pytest.raises(OSError, match="No such file"):
        download_temp_file((tmp_path / "gone").as_uri(), "models/c.bin")
    assert sorted(os.listdir(home / ".beam_scanner/resources/models")) == ["b.bin"]


def test_packed_files_are_unpacked(home: Path, tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("weights")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as packed:
        packed.add(tmp_path / "model.txt", "net/model.txt")
    url = (tmp_path / "model.tar.gz").as_uri()
    for _ in range(2):
        folder = download_temp_file(url, untar=True)
        assert folder == temp_directory()
        assert Path(folder, "net/model.txt").read_text() == "weights"


@pytest.mark.slow
def test_the_sample_video_is_there_while_it_is_used(home: Path) -> None:
    with sample_video() as path, video.open(path) as frames:
        assert len(frames) == 240
        first, last = frames[0], frames[-1]
        assert first.shape == (240, 320, 3)
        assert abs(first.astype(int) - last).mean() > 10
    assert not os.path.exists(path)
    for _ in range(2):
        with sample_video(delete=False) as path:
            pass
        assert os.path.exists(path)


def test_defaults() -> None:
    assert default({"a": 0}, "a", 1) == 0
    assert default({}, "a", dict) == {}
