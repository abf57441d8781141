"""Every published MemoryStore reads and resolves."""

from __future__ import annotations

from pathlib import Path

import pytest

from simplemem_api.load import load_store
from simplemem_api.resolve import resolve
from simplemem_api.tiers import TIERS

MANIFESTS = sorted((Path(__file__).parents[2] / "manifests").glob("*.yaml"))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_published_store_resolves(path: Path) -> None:
    store = resolve(load_store(path.read_text()))
    assert store.namespace == "default"


def test_every_tier_has_a_sample() -> None:
    assert {load_store(path.read_text()).spec.tier for path in MANIFESTS} == set(TIERS)
