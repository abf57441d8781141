"""Weights from the hub: what was downloaded before, else a download."""

from __future__ import annotations

from pathlib import Path

from simplemem_service.embedding.model_files import describe_missing
from simplemem_service.errors import ModelNotFoundError

HUB_TIMEOUT_SECONDS = 10.0
"""How long the hub may take to say whether it has a model, in seconds."""
NOT_NEEDED = ("onnx/*", "openvino/*", "coreml/*", "*.onnx", "*.h5", "*.msgpack", "*.ot", "rust_model*")
"""Forms of the weights for other libraries."""


def download(model: str, name: str, cache: Path | None) -> str:
    """Folder of a model's files, downloaded if need be. Raises `ModelNotFoundError`.

    Parameters
    ----------
    model
        Name as the MemoryStore spells it, for messages.
    name
        Name on the hub, with its owner.
    cache
        Where downloads are kept; None for the library's default.
    """
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return str(snapshot_download(name, cache_dir=cache, ignore_patterns=list(NOT_NEEDED), local_files_only=True))
    except (LocalEntryNotFoundError, ValueError):
        confirm_on_hub(model, name)
    try:
        return str(snapshot_download(name, cache_dir=cache, ignore_patterns=list(NOT_NEEDED)))
    except (HfHubHTTPError, httpx.HTTPError, OSError, ValueError) as error:
        raise ModelNotFoundError(describe_missing(model, [f"the hub's {name}: {str(error)[:256]}"])) from error


def confirm_on_hub(model: str, name: str) -> None:
    """Return if the hub has a model of that name, else raise `ModelNotFoundError`.

    Asked once and briefly: the library's own download tries again for over a minute where there is no network.
    """
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        HfApi().model_info(name, timeout=HUB_TIMEOUT_SECONDS)
    except (HfHubHTTPError, httpx.HTTPError, OSError, ValueError) as error:
        looked = f"the hub's {name}: {str(error)[:256]}"
        raise ModelNotFoundError(describe_missing(model, [looked])) from error
