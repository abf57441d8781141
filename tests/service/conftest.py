"""What tests of the service share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.bucket import BucketServer, set_credentials


@pytest.fixture(scope="session")
def bucket_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    """An S3 server; tests use a prefix each."""
    server = BucketServer(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bucket(bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch) -> BucketServer:
    """The S3 server, with its credentials in the environment."""
    set_credentials(monkeypatch)
    return bucket_server
