"""Places for copies on a real S3 server."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable

import pytest

from simplemem_service.backup.place import CopyPlace
from tests.support.bucket import BucketServer


@pytest.fixture
def make_place(bucket: BucketServer) -> Callable[[], CopyPlace]:
    """Places of their own."""
    return lambda: CopyPlace(bucket.place(uuid.uuid4().hex), os.environ)


@pytest.fixture
def place(make_place: Callable[[], CopyPlace]) -> CopyPlace:
    return make_place()
