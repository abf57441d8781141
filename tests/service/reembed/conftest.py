"""What the tests of re-embedding share: a second model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.models import make_small_model


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with a small one in it."""
    return make_small_model(tmp_path_factory.mktemp("models"))
