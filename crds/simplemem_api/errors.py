"""Errors of the API types."""

from __future__ import annotations


class InvalidStoreError(ValueError):
    """A MemoryStore breaks a rule; the message names the field, the value found and what must hold."""


class InvalidPricesError(ValueError):
    """A file of prices breaks a rule; the message names the field, the value found and what must hold."""
