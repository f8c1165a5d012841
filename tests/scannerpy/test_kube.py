"""Clusters of Scanner are clusters that run Beam."""

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.scannerpy import kube


@pytest.mark.parametrize("name", ["CloudConfig", "MachineConfig", "master", "worker"])
def test_names_say_what_runs_beam(name: str) -> None:
    with pytest.raises(ArgumentError, match=rf"kube\.{name}: .*--runner"):
        getattr(kube, name)("n1-standard-4")
