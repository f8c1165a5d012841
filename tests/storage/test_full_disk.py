"""A disk that is full: one clear error, nothing visible, and room again afterwards."""

import os
import resource
import subprocess
import textwrap
from pathlib import Path

import numpy as np
import pytest

from beam_scanner.errors import StorageError
from beam_scanner.storage import (
    LocalStore,
    NamedStorage,
    NamedStream,
    NamedVideoStream,
    gc,
)
from beam_scanner.types import FrameType
from beam_scanner.video.encoding import Encoding
from tests.support.folders import ROOT
from tests.support.programs import run_code

NOISE = np.random.default_rng(1).integers(0, 256, (240, 320, 3), dtype=np.uint8)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip(f"mounting a tmpfs is not permitted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def check_nothing_left(folder):
    names = [str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file()]
    assert names == ["beam_scanner.json"]
    assert gc(NamedStorage(folder)).keys == ()


@pytest.mark.parametrize("size", [100, 100_000, 5_000_000])
def test_blobs(small_disk, size):
    stream = NamedStream(NamedStorage(small_disk), "s")
    values = (os.urandom(size) for _ in range(4_000_000 // size + 1))
    with pytest.raises(
        StorageError, match=rf"cannot write '{small_disk}.*no space left"
    ):
        stream.save(values)
    assert not stream.committed()
    check_nothing_left(small_disk)
    stream.save([b"room again"])
    assert list(stream.load()) == [b"room again"]


@pytest.mark.parametrize("encoding", [Encoding(quality=1), Encoding("raw")], ids=str)
@pytest.mark.parametrize("frames", [40, 150])
def test_video(small_disk, encoding, frames):
    """Whether it is found while encoding, while the file is written, or at its end."""
    stream = NamedVideoStream(NamedStorage(small_disk), "v")
    changing = (NOISE + np.uint8(7 * i % 256) for i in range(frames))
    with pytest.raises(StorageError, match="no space left"):
        stream.save(changing, FrameType, encoding=encoding)
    assert not stream.committed()
    check_nothing_left(small_disk)


def test_other_frames(small_disk):
    stream = NamedVideoStream(NamedStorage(small_disk), "v")
    with pytest.raises(StorageError, match="no space left"):
        stream.save((np.random.random((100, 100)) for _ in range(60)), FrameType)
    check_nothing_left(small_disk)


def test_the_old_stream_survives(small_disk):
    stream = NamedStream(NamedStorage(small_disk), "s")
    stream.save([b"old"])
    with pytest.raises(StorageError, match="no space left"):
        stream.save(os.urandom(100_000) for _ in range(60))
    assert list(stream.load()) == [b"old"]


def test_objects(small_disk, tmp_path):
    store = LocalStore(small_disk)
    store.put("a", b"old")
    big = tmp_path / "big"
    big.write_bytes(os.urandom(4 << 20))
    for write in (
        lambda: store.put("a", os.urandom(4 << 20)),
        lambda: store.put_if_absent("b", os.urandom(4 << 20)),
        lambda: store.put("a", big),
    ):
        with pytest.raises(
            StorageError, match=r"cannot write '.*/[ab]': no space left"
        ):
            write()
    assert store.read("a") == b"old"
    assert list(store.list()) == ["a"]
    assert os.listdir(small_disk / ".tmp") == []


def test_a_limit_on_file_sizes(tmp_path):
    """The same where no tmpfs can be had: a process that may write 64 KiB a file."""
    script = textwrap.dedent(
        f"""
        import os, resource, signal, sys
        sys.path.insert(0, {str(ROOT)!r})
        from beam_scanner.errors import StorageError
        from beam_scanner.storage import NamedStorage, NamedStream
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
        stream = NamedStream(NamedStorage({str(tmp_path)!r}), 's')
        stream.save([b'small'])
        try:
            stream.save([os.urandom(1_000_000)])
        except StorageError as error:
            assert 'larger than is allowed' in str(error), error
        else:
            sys.exit('written beyond the limit')
        assert list(stream.load()) == [b'small']
        """
    )
    run_code(script)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 65536
