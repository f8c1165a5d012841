"""What every store promises, of the stores in buckets, against servers."""

import uuid

import pytest

from beam_scanner.storage import open_store
from beam_scanner.storage.testing import StorageConformance


class TestBucketStore(StorageConformance):
    @pytest.fixture(autouse=True)
    def _bucket(self, bucket_url):
        self.bucket = bucket_url

    def make_store(self):
        return open_store(f"{self.bucket}/db {uuid.uuid4().hex}")


@pytest.fixture
def store(bucket_url):
    return open_store(f"{bucket_url}/db")
