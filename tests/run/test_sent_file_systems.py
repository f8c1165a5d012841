"""File systems that travel to processes that could not import them."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.beam_internals.file_systems import plain_options
from beam_scanner.run.sent_file_systems import (
    WithOptions,
    pack_file_systems,
    unpack_file_systems,
)
from tests.support.disk_file_system import DiskFileSystem, registered

READ = """
import sys
from beam_scanner.run.sent_file_systems import unpack_file_systems
from beam_scanner.stores import open_file

with open(sys.argv[1], 'rb') as file:
    unpack_file_systems(file.read())
assert 'tests' not in sys.modules
print(open_file('sent://a').read().decode())
"""


@pytest.mark.slow
def test_another_process_reads_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    packed = tmp_path / "packed"
    with registered("sent", str(tmp_path)):
        packed.write_bytes(pack_file_systems())
    done = subprocess.run(
        [sys.executable, "-c", READ, str(packed)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent.parent,
    )
    assert (done.stdout, done.stderr) == ("12345\n", "")


def test_here_it_is_the_very_class(tmp_path: Path) -> None:
    with registered("sent", str(tmp_path)) as kind:
        method = kind.open
        unpack_file_systems(pack_file_systems())
        assert kind.open is method is DiskFileSystem.open


def test_one_that_cannot_be_sent(tmp_path: Path) -> None:
    with (
        registered("sent", str(tmp_path), lock=sys._getframe()),
        pytest.warns(UserWarning, match=r"\(sent://\) cannot be sent to workers"),
    ):
        pack_file_systems()


def test_options_go_along() -> None:
    FileSystems.set_options(PipelineOptions(["--hdfs_host=name-node"]))
    sent = pickle.dumps(WithOptions("run"))
    FileSystems.set_options(PipelineOptions([]))
    assert pickle.loads(sent).take() == "run"
    assert plain_options()["hdfs_host"] == "name-node"
    FileSystems.set_options(PipelineOptions([]))


AGAIN = """
import sys
from apache_beam.io.filesystems import FileSystems
from beam_scanner.run.sent_file_systems import pack_file_systems, unpack_file_systems

for path in sys.argv[1:] * 3:
    with open(path, 'rb') as file:
        unpack_file_systems(file.read())
    FileSystems.get_filesystem(path)
again = pack_file_systems()
unpack_file_systems(again)
FileSystems.get_filesystem(path)
"""


@pytest.mark.slow
def test_beams_own_files_are_found_meanwhile(tmp_path: Path) -> None:
    """Beam asks all classes that there are for their schemes."""
    packed = tmp_path / "packed"
    with registered("sent", str(tmp_path)):
        packed.write_bytes(pack_file_systems())
        for _ in range(3):
            unpack_file_systems(packed.read_bytes())
            FileSystems.get_filesystem(str(packed))
    done = subprocess.run(
        [sys.executable, "-c", AGAIN, str(packed)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent.parent,
    )
    assert (done.returncode, done.stderr) == (0, "")
