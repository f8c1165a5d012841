"""S3, and services that only seem to speak its protocol."""

import pytest

from beam_scanner.errors import StorageError
from beam_scanner.stores import s3


@pytest.mark.parametrize("object_server", ["s3"], indirect=True)
def test_a_service_that_ignores_the_condition_is_refused(store, forwarder, monkeypatch):
    monkeypatch.setattr(s3, "_refusing", set())
    forwarder.replace = (b"If-None-Match: *", b"X-Some-Header: *")
    with pytest.raises(StorageError, match="ignores 'If-None-Match'"):
        store.put_if_absent("a", b"x")
