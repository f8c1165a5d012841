"""The folder of this machine's processes is nobody else's."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from beam_scanner.errors import StorageError
from beam_scanner.stores.private_folder import private_folder


@pytest.fixture
def shared(tmp_path, monkeypatch) -> Path:
    """A temporary directory of everybody's."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tmp_path.chmod(0o1777)
    return tmp_path


def own(shared: Path) -> Path:
    return shared / f"beam_scanner-{os.geteuid()}"


def used(shared: Path) -> Path:
    with private_folder() as folder:
        folder.file("a.lock").close()
        return Path(os.readlink(f"/proc/self/fd/{folder._number}"))


def test_it_is_made_for_its_user_alone(shared):
    old = os.umask(0)
    try:
        assert used(shared) == own(shared)
    finally:
        os.umask(old)
    assert own(shared).stat().st_mode & 0o777 == 0o700
    assert (own(shared) / "a.lock").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_others_may_write_is_passed_over(shared):
    own(shared).mkdir()
    own(shared).chmod(0o777)
    assert used(shared).name == f"{own(shared).name}-1"
    assert used(shared).name == f"{own(shared).name}-1"
    assert list(own(shared).iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_strangers_folder_is_passed_over(shared):
    own(shared).mkdir(mode=0o700)
    os.chown(own(shared), 12345, 12345)
    assert used(shared).name == f"{own(shared).name}-1"


def test_a_link_is_passed_over(shared):
    theirs = shared / "theirs"
    theirs.mkdir(mode=0o700)
    own(shared).symlink_to(theirs)
    assert used(shared).name == f"{own(shared).name}-1"
    assert list(theirs.iterdir()) == []


def test_a_file_in_its_place_is_passed_over(shared):
    own(shared).write_bytes(b"x")
    assert used(shared).name == f"{own(shared).name}-1"
    assert own(shared).read_bytes() == b"x"


def test_planted_links_are_not_followed_and_nothing_is_cut(shared):
    victim = shared / "victim"
    victim.write_bytes(b"precious")
    used(shared)
    (own(shared) / "b.lock").symlink_to(victim)
    (own(shared) / "new.lock").symlink_to(shared / "made")
    with private_folder() as folder:
        for name in ("b.lock", "new.lock"):
            with pytest.raises(OSError, match="symbolic links"):
                folder.file(name)
        os.link(victim, own(shared) / "c.lock")
        folder.file("c.lock").close()
    assert victim.read_bytes() == b"precious"
    assert not (shared / "made").exists()


def test_where_no_name_is_left_the_error_says_what_to_do(shared):
    for name in (own(shared).name, *(f"{own(shared).name}-{i}" for i in range(1, 10))):
        (shared / name).write_bytes(b"")
    with pytest.raises(StorageError, match="set TMPDIR"):
        used(shared)


def test_a_name_that_is_removed_twice(shared):
    with private_folder() as folder:
        folder.file("a").close()
        assert folder.has("a")
        folder.remove("a")
        folder.remove("a")
        assert folder.names() == []
