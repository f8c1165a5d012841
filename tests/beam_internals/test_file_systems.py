"""Which file systems Beam knows in a process."""

from __future__ import annotations

from typing import Any

import pytest
from apache_beam.io.filesystem import FileSystem
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.beam_internals.file_systems import (
    file_system_of,
    half_made_classes,
    has_file_system,
    keep,
    listed,
    plain_options,
    registered_classes,
    take_options,
)
from tests.support.disk_file_system import registered


def test_users_own_are_told_from_beams(tmp_path: object) -> None:
    assert has_file_system("hdfs://films/a.mp4")
    with registered("own", str(tmp_path)) as kind:
        assert kind in registered_classes()
        assert type(file_system_of("own://a")) is kind
        assert listed(file_system_of("own://a"), "own://no") == []
    assert not any(
        kind.__module__.startswith("apache") for kind in registered_classes()
    )
    assert not has_file_system("own://a")
    with pytest.raises(ValueError, match="Unable to get filesystem"):
        file_system_of("own://a")


def test_the_last_that_was_sent_is_meant(tmp_path: object) -> None:
    """A worker that serves several runs has loaded one for each."""
    with registered("two", str(tmp_path)) as first, registered("two", "/") as second:
        with pytest.raises(ValueError, match="more than one"):
            file_system_of("two://a")
        for kind in (first, second, first):
            keep([kind])
            assert type(file_system_of("two://a")) is kind


def test_options_go_along() -> None:
    take_options(PipelineOptions(["--hdfs_host=name-node", "--hdfs_port=1"]))
    given = plain_options()
    assert given["hdfs_host"] == "name-node"
    FileSystems.set_options(PipelineOptions([]))
    assert "hdfs_host" not in plain_options()
    take_options(given)
    assert plain_options()["hdfs_host"] == "name-node"
    FileSystems.set_options(PipelineOptions([]))


def test_classes_that_are_half_made_disturb_nobody() -> None:
    """Such as a class that is being unpickled, which gets its methods one by one."""
    with half_made_classes():
        half: Any = type("Half", (FileSystem,), {})
        FileSystems.get_filesystem("/films/a.mp4")
    with pytest.raises(NotImplementedError):
        half.scheme()
    half.scheme = classmethod(lambda kind: "")
