"""A MemoryStore from YAML text, with errors that name the field, the value found and what must hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from simplemem_api.errors import InvalidStoreError
from simplemem_api.memorystore import KIND, MemoryStore

SHOWN_VALUE = 80
"""How much of a wrong value an error repeats, in characters."""


def load_store(text: str) -> MemoryStore:
    """The one MemoryStore in a YAML text; other documents are passed over. Raises `InvalidStoreError`."""
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        raise InvalidStoreError(f"not YAML: {error}") from error
    stores = [document for document in documents if isinstance(document, dict) and document.get("kind") == KIND]
    if len(stores) != 1:
        raise InvalidStoreError(
            f"exactly one document of kind {KIND} is needed, found {len(stores)} in {len(documents)}"
        )
    return parse_store(stores[0])


def parse_store(manifest: dict[str, Any]) -> MemoryStore:
    """The MemoryStore of a manifest. Raises `InvalidStoreError` with one line for each broken rule."""
    try:
        return MemoryStore.read(manifest)
    except ValidationError as error:
        lines = [describe(one["loc"], one["type"], one["msg"], one["input"], KIND) for one in error.errors()]
        raise InvalidStoreError("\n".join(lines)) from error


def describe(place: Sequence[int | str], kind: str, message: str, value: object, whole: str) -> str:
    """What pydantic found wrong, as users read it: the field, what must hold, and the value found.

    Parameters
    ----------
    place, kind, message, value
        Of pydantic's error.
    whole
        Name of what is wrong where no field is.
    """
    field = ""
    for part in place:
        field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else part
    if kind == "missing":
        return f"{field or whole}: required, and missing"
    if kind == "extra_forbidden":
        return f"{field}: no such field"
    message = message.removeprefix("Value error, ").replace("Input should", "must")
    shown = "" if isinstance(value, dict) else f" (found {_shorten(value)})"
    return f"{field or whole}: {message}{shown}"


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_VALUE else text[: SHOWN_VALUE - 3] + "..."
