"""What the tests of clusters share."""

from __future__ import annotations

import pytest

from beam_scanner.clusters.kubernetes import Kubernetes
from tests.support.fake_kubernetes import fake_kubernetes


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """An API server; the environment's kubeconfig leads there."""
    with fake_kubernetes(tmp_path) as (server, config):
        monkeypatch.setenv("KUBECONFIG", str(config))
        yield server


@pytest.fixture
def api(fake):
    return Kubernetes()
