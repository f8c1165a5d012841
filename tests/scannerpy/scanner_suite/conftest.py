"""One client for each module, as Scanner's fixture."""

from __future__ import annotations

import pytest

from tests.support.client_helpers import open_client


@pytest.fixture(scope="module")
def cl(tmp_path_factory, test_video, small_video):
    """One client for the module, as Scanner's fixture: four ingested tables."""
    with open_client(tmp_path_factory.mktemp("suite") / "db") as client:
        client.ingest_videos([("test1", test_video), ("test2", small_video)])
        client.ingest_videos(
            [("test1_inplace", test_video), ("test2_inplace", small_video)],
            inplace=True,
        )
        yield client
