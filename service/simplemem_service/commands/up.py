"""`simplemem up`: a MemoryStore on this machine, without a cluster: the same YAML and the same resolved settings."""

from __future__ import annotations

import argparse
import os
import socket
from pathlib import Path

from simplemem_api.in_force import not_in_force
from simplemem_api.resolved import ResolvedStore
from simplemem_service.commands.server import listen, run_server
from simplemem_service.commands.store_file import read_store
from simplemem_service.config import (
    Config,
    Role,
    read_embedding_addresses,
    read_lancedb_host,
    read_llm_settings,
    read_redis_url,
)
from simplemem_service.errors import ConfigError
from simplemem_service.main import create_app
from simplemem_service.telemetry import configure_logging
from simplemem_service.tracing import describe, traced


def run(options: argparse.Namespace) -> int:
    """Serve until stopped; the exit status."""
    store = read_store(options.file)
    config = local_config(store, options.host, options.port, options.data, os.environ)
    configure_logging(config.log_level, store=f"{store.namespace}/{store.name}")
    listening = listen(options.host, options.port)
    for missing in not_in_force(store):
        _say(f"not yet in force: {missing}")
    app = create_app(config)
    with traced(app, os.environ, describe(config)):
        return run_server(app, listening, lambda: _say(f"ready {address_of(listening)}"))


def local_config(
    store: ResolvedStore, host: str, port: int, data: Path, environment: os._Environ[str] | dict[str, str]
) -> Config:
    """The settings of a store on this machine. Raises `ConfigError` if it cannot run here."""
    place = f"{store.namespace}/{store.name}"
    if store.suspend:
        raise ConfigError(f"MemoryStore {place} cannot run: spec.suspend is true")
    cloud = store.storage.lance_db_cloud
    models, tokens = environment.get("SIMPLEMEM_MODELS"), environment.get("SIMPLEMEM_TOKENS")
    encoders = environment.get("SIMPLEMEM_ENCODERS")
    if store.access.token_secret_name is not None and tokens is None:
        raise ConfigError(
            f"MemoryStore {place} names the token secret '{store.access.token_secret_name}'; put its tokens into files "
            "of a folder and name that folder in SIMPLEMEM_TOKENS"
        )
    config = Config(
        store=store,
        role=Role.ALL,
        data=data.resolve() / store.namespace / store.name,
        models=Path(models) if models else None,
        encoders=Path(encoders) if encoders else None,
        tokens=Path(tokens) if tokens else None,
        host=host,
        port=port,
        log_level=environment.get("SIMPLEMEM_LOG_LEVEL", "warning"),
        embedding_addresses=read_embedding_addresses(environment),
        month_file=None,
        redis_url=read_redis_url(environment),
        lancedb_api_key=environment.get("LANCEDB_API_KEY") or None,
        lancedb_host=read_lancedb_host(environment) or (cloud.endpoint if cloud is not None else None),
        **read_llm_settings(environment),
    )
    if cloud is not None:
        config.need_lancedb_key()
    return config


def address_of(listening: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command speaks to its user
