"""A MemoryStore, or prices, from a file, for the command line."""

from __future__ import annotations

from pathlib import Path

from simplemem_api.errors import InvalidPricesError, InvalidStoreError
from simplemem_api.load import load_store
from simplemem_api.price_file import load_prices
from simplemem_api.prices import Prices
from simplemem_api.resolve import resolve
from simplemem_api.resolved import ResolvedStore
from simplemem_service.errors import ConfigError


def read_store(path: Path) -> ResolvedStore:
    """The store with every default filled in. Raises `ConfigError` with a line for each thing that is wrong."""
    try:
        return resolve(load_store(_read(path)))
    except InvalidStoreError as error:
        raise ConfigError(_with_file(path, error)) from error


def read_prices(path: Path) -> Prices:
    """Prices of one's own. Raises `ConfigError` with a line for each thing that is wrong."""
    try:
        return load_prices(_read(path))
    except InvalidPricesError as error:
        raise ConfigError(_with_file(path, error)) from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text") from error


def _with_file(path: Path, error: ValueError) -> str:
    return "\n".join(f"{path}: {line}" for line in str(error).splitlines())
