"""Settings of a process, from its environment; what the store is comes from the ResolvedStore alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from simplemem_api.resolved import ResolvedStore
from simplemem_service.errors import ConfigError


class Role(StrEnum):
    """What a process does."""

    ALL = "all"
    """Everything: the one pod of a volume, or a laptop."""
    RETRIEVAL = "retrieval"
    """Accepts turns and answers questions; another pod ingests."""
    INGEST = "ingest"
    """Works off the journal: the one writer of a bucket."""
    EMBEDDING = "embedding"
    """Encodes texts for the others."""

    @property
    def ingests(self) -> bool:
        """Whether the role writes the tables."""
        return self in (Role.ALL, Role.INGEST)

    @property
    def serves(self) -> bool:
        """Whether the role answers the store's API."""
        return self in (Role.ALL, Role.RETRIEVAL)


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of a process."""

    store: ResolvedStore
    """The MemoryStore with every default filled in."""
    role: Role = Role.ALL
    """SIMPLEMEM_ROLE: what the process does."""
    data: Path = Path("/data")
    """SIMPLEMEM_DATA: folder of the volume; on a bucket, of what may be lost (indices, downloaded weights)."""
    models: Path | None = None
    """SIMPLEMEM_MODELS: folder of folders of model weights, named like the models."""
    encoders: Path | None = None
    """SIMPLEMEM_ENCODERS: folder of embedding models in the form they run in; none: `models/encoders` of the data
    folder in a container, the user's cache on a laptop."""
    tokens: Path | None = Path("/etc/simplemem/tokens")
    """SIMPLEMEM_TOKENS: folder of files that each hold a bearer token, as a Secret is mounted."""
    host: str = "0.0.0.0"
    """SIMPLEMEM_HOST: address to listen on."""
    port: int = 8000
    """SIMPLEMEM_PORT: port to listen on."""
    log_level: str = "info"
    """SIMPLEMEM_LOG_LEVEL: debug, info, warning or error."""
    llm_timeout_seconds: int = 60
    """SIMPLEMEM_LLM_TIMEOUT_SECONDS: how long one call of a language model may take."""
    llm_calls_per_minute: int = 0
    """SIMPLEMEM_LLM_CALLS_PER_MINUTE: calls of each language model that one pod begins within a minute; 0: no limit."""
    embedding_addresses: tuple[tuple[str, int], ...] = ()
    """SIMPLEMEM_EMBEDDING_URLS: where the store's embedding pods may be, `http://HOST:PORT`, separated by commas; a
    host may stand for any number of pods, none at times. None: texts are encoded here."""
    canary_seconds: int = 0
    """SIMPLEMEM_CANARY_SECONDS: how often a turn is written and searched back to prove the write path; 0: never."""
    month_file: Path | None = None
    """Beside the ResolvedStore: what the operator has counted of the month; none on a laptop."""
    redis_url: str | None = field(default=None, repr=False)
    """REDIS_URL: a Redis that spares repeated work, redis:// or rediss://; it may hold a password. None: no cache."""
    lancedb_api_key: str | None = field(default=None, repr=False)
    """LANCEDB_API_KEY: what LanceDB Cloud knows the store by; for a store whose tables lie there."""
    lancedb_host: str | None = None
    """LANCEDB_HOST: address of a server that speaks LanceDB Cloud's API; None: the vendor's for the region."""

    def need_lancedb_key(self) -> str:
        """The key of the database on LanceDB Cloud. Raises `ConfigError` where there is none."""
        if self.lancedb_api_key is None:
            raise ConfigError("LANCEDB_API_KEY is missing; a store on LanceDB Cloud needs the key of its database")
        return self.lancedb_api_key


STORE_FILE = "/etc/simplemem/store.json"
"""SIMPLEMEM_STORE_FILE: where the operator's ConfigMap puts the ResolvedStore."""
MONTH_FILE = "month.json"
"""Name of the file with what the month has cost, beside it (`llm/machines.py`)."""
MOST = 3600
"""Largest number that a setting may have: an hour in seconds."""
LOG_LEVELS = ("debug", "info", "warning", "error")


def read_config(environment: Mapping[str, str]) -> Config:
    """The settings of a container. Raises `ConfigError`."""
    models = environment.get("SIMPLEMEM_MODELS")
    data = Path(environment.get("SIMPLEMEM_DATA", "/data"))
    store_file = Path(environment.get("SIMPLEMEM_STORE_FILE", STORE_FILE))
    return Config(
        store=read_resolved_store(store_file),
        month_file=store_file.with_name(MONTH_FILE),
        role=_one_of("SIMPLEMEM_ROLE", environment.get("SIMPLEMEM_ROLE", "all"), Role),
        data=data,
        models=Path(models) if models else None,
        encoders=Path(environment.get("SIMPLEMEM_ENCODERS") or data / "models" / "encoders"),
        tokens=Path(environment.get("SIMPLEMEM_TOKENS", "/etc/simplemem/tokens")),
        host=environment.get("SIMPLEMEM_HOST", "0.0.0.0"),
        port=_port(environment.get("SIMPLEMEM_PORT", "8000")),
        log_level=_log_level(environment.get("SIMPLEMEM_LOG_LEVEL", "info")),
        embedding_addresses=read_embedding_addresses(environment),
        redis_url=read_redis_url(environment),
        lancedb_api_key=environment.get("LANCEDB_API_KEY") or None,
        lancedb_host=read_lancedb_host(environment),
        canary_seconds=_number("SIMPLEMEM_CANARY_SECONDS", environment, "300", least=0),
        **read_llm_settings(environment),
    )


def read_llm_settings(environment: Mapping[str, str]) -> dict[str, int]:
    """The settings of language models, as `Config` names them. Raises `ConfigError`."""
    return {
        "llm_timeout_seconds": _number("SIMPLEMEM_LLM_TIMEOUT_SECONDS", environment, "60", least=1),
        "llm_calls_per_minute": _number("SIMPLEMEM_LLM_CALLS_PER_MINUTE", environment, "0", least=0),
    }


def read_redis_url(environment: Mapping[str, str]) -> str | None:
    """The address of a Redis, or None. Raises `ConfigError`, which never tells the address: it may hold a password."""
    url = environment.get("REDIS_URL") or None
    if url is not None and not url.startswith(("redis://", "rediss://")):
        raise ConfigError("REDIS_URL is no address of a Redis; it must begin with redis:// or rediss://")
    return url


def read_lancedb_host(environment: Mapping[str, str]) -> str | None:
    """The address of a server that speaks LanceDB Cloud's API, or None. Raises `ConfigError`."""
    host = environment.get("LANCEDB_HOST") or None
    if host is not None and not host.startswith(("http://", "https://")):
        raise ConfigError(f"LANCEDB_HOST is '{host}'; it must begin with http:// or https://")
    return host


def read_resolved_store(path: Path) -> ResolvedStore:
    """The store in a file that the operator wrote. Raises `ConfigError`."""
    try:
        return ResolvedStore.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"SIMPLEMEM_STORE_FILE '{path}' cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"SIMPLEMEM_STORE_FILE '{path}': {place}: {first['msg']}") from error


def _one_of(name: str, value: str, kind: type[Role]) -> Role:
    try:
        return kind(value)
    except ValueError as error:
        raise ConfigError(f"{name} is '{value}'; it must be one of {', '.join(kind)}") from error


def _number(name: str, environment: Mapping[str, str], default: str, *, least: int) -> int:
    value = environment.get(name, default)
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= MOST:
        raise ConfigError(f"{name} is '{value}'; it must be a number from {least} to {MOST}")
    return int(value)


def read_embedding_addresses(environment: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """Hosts and ports behind which embedding pods may be. Raises `ConfigError`."""
    found = []
    for url in filter(None, (part.strip() for part in environment.get("SIMPLEMEM_EMBEDDING_URLS", "").split(","))):
        try:
            parts = urlsplit(url)
            address = parts.hostname, parts.port or 80
        except ValueError:
            address = None, 0
        if address[0] is None or url.split("://")[0] != "http" or parts.path not in ("", "/") or parts.username:
            raise ConfigError(f"SIMPLEMEM_EMBEDDING_URLS holds '{url}'; each must be http://HOST:PORT")
        found.append((address[0], address[1]))
    return tuple(found)


def _port(value: str) -> int:
    if not value.isdigit() or int(value) > 65535:
        raise ConfigError(f"SIMPLEMEM_PORT is '{value}'; it must be a number from 0 to 65535")
    return int(value)


def _log_level(value: str) -> str:
    if value.lower() not in LOG_LEVELS:
        raise ConfigError(f"SIMPLEMEM_LOG_LEVEL is '{value}'; it must be one of {', '.join(LOG_LEVELS)}")
    return value.lower()
