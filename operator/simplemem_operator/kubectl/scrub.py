"""What leaves a cluster in a support bundle: objects and texts without secrets (pure).

Secrets themselves are never read. This is the second line: literal values that somebody put where a reference belongs,
credentials in addresses, and tokens that a library wrote into a log.
"""

from __future__ import annotations

import re
from typing import Any

REMOVED = "REMOVED"
"""Stands where something was taken out."""

_SENSITIVE = re.compile(
    r"(?i)(token|passw(or)?d|secret|api[_-]?key|access[_-]?key([_-]?id)?|authorization|credentials?)$"
)
"""Names whose plain values are not shown; those that end otherwise, such as `tokenSecretName`, only refer."""

_PATTERNS = (
    (re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s@\"']+@"), rf"\1{REMOVED}@"),
    (re.compile(r"(?i)(\bbearer\s+)[^\s\"',;]+"), rf"\1{REMOVED}"),
    (re.compile(r"\b(?:sk|pk|rk|ghp|gho|xox[abp])[-_][A-Za-z0-9_-]{12,}"), REMOVED),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), REMOVED),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+"), REMOVED),
    (
        re.compile(
            r'(?i)("?[\w-]*(?:token|passw(?:or)?d|secret|api[_-]?key|access[_-]?key)"?\s*[:=]\s*)("[^"]+"|[^\s",{}\[\]]+)'
        ),
        rf'\1"{REMOVED}"',
    ),
)
"""Credentials in addresses, bearer tokens, keys of well-known shapes, signed web tokens, and named values."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""A copy of the object as it once was, which is as good a hiding place as the object."""


def clean_text(text: str) -> str:
    """The text without what looks like a secret."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def clean_object(manifest: dict[str, Any]) -> dict[str, Any]:
    """The object without secrets, and without the bookkeeping of the API server."""
    metadata = {key: value for key, value in manifest.get("metadata", {}).items() if key != "managedFields"}
    if LAST_APPLIED in metadata.get("annotations", {}):
        metadata["annotations"] = {**metadata["annotations"], LAST_APPLIED: REMOVED}
    cleaned: dict[str, Any] = _clean({**manifest, "metadata": metadata})
    return cleaned


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        # Of a container's variable the name says what its value is.
        name = str(value.get("name", ""))
        named = {key: name if key == "value" else key for key in value}
        return {key: REMOVED if _is_sensitive(named[key], inner) else _clean(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_clean(inner) for inner in value]
    return clean_text(value) if isinstance(value, str) else value


def _is_sensitive(name: str, value: Any) -> bool:
    return isinstance(value, str) and bool(value) and _SENSITIVE.search(name) is not None
