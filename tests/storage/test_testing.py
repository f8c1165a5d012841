"""The conformance tests themselves: a store in memory passes them."""

import uuid

from beam_scanner.storage.testing import StorageConformance
from tests.support.storage_fakes import MemoryStore


class TestMemoryStore(StorageConformance):
    def make_store(self):
        return MemoryStore(uuid.uuid4().hex)
