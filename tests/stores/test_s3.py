"""S3, and services that only seem to speak its protocol."""

import os

import pytest

from beam_scanner.errors import ArgumentError, StorageError
from beam_scanner.stores import s3


@pytest.mark.parametrize("object_server", ["s3"], indirect=True)
def test_a_service_that_ignores_the_condition_is_refused(store, forwarder, monkeypatch):
    monkeypatch.setattr(s3, "_refusing", set())
    forwarder.replace = (b"If-None-Match: *", b"X-Some-Header: *")
    with pytest.raises(StorageError, match="ignores 'If-None-Match'"):
        store.put_if_absent("a", b"x")


def test_a_service_is_that_of_the_environment(monkeypatch):
    for name in ("AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3"):
        # So that it is put back afterwards, whatever is done to it.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    s3.use_service("a file", region=None, endpoint="")
    assert "AWS_DEFAULT_REGION" not in os.environ
    for endpoint in ("minio:9000", "https://minio:9000"):
        s3.use_service("a file", region="eu-west-1", endpoint=endpoint)
    assert os.environ["AWS_ENDPOINT_URL_S3"] == "https://minio:9000"
    with pytest.raises(ArgumentError, match=r"a file has region 'us-east-1', but .*eu"):
        s3.use_service("a file", region="us-east-1")
