"""Vectors of texts encoded lately."""

from __future__ import annotations

from simplemem_service.embedding.vector_cache import VectorCache
from tests.support.entries import unit_vector


def test_what_was_used_longest_ago_is_forgotten_first() -> None:
    cache = VectorCache(2)
    cache.write({"a": unit_vector(1), "b": unit_vector(2)})
    assert set(cache.read(["a"])) == {"a"}
    cache.write({"c": unit_vector(3)})
    assert set(cache.read(["a", "b", "c"])) == {"a", "c"}


def test_a_cache_without_room_keeps_nothing() -> None:
    cache = VectorCache(0)
    cache.write({"a": unit_vector(1)})
    assert cache.read(["a"]) == {}
