"""The service as a process of its own, over real HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import httpx
import yaml

from simplemem_service.embedding.converted import user_cache
from tests.support.bucket import free_port
from tests.support.stores import make_manifest, make_store

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
KEEP_ALL: dict[str, Any] = {"compression": {"densityThreshold": "0"}}
"""A store that drops nothing, so that every turn can be counted."""

Result = TypeVar("Result")


def eventually(check: Callable[[], Result | None], *, within: float, what: str) -> Result:
    """The first result that is true."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {within} s: {what}")


class Server:
    """A service that can be started, stopped and killed, on one folder and port."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None, **spec: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.spec = KEEP_ALL | {"tier": "Minimal"} | spec
        self.environment = dict(environment or {})
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data" / "team-a" / "notes" / "store"

    def start(self) -> None:
        (self.folder / "store.yaml").write_text(yaml.safe_dump(make_manifest(**self.spec)))
        command = ["up", "-f", str(self.folder / "store.yaml"), "--port", str(self.port)]
        self._run([*command, "--data", str(self.folder / "data")], {})

    def serve(self, role: str) -> None:
        """Start as a container does."""
        (self.folder / "store.json").write_text(make_store(**self.spec).model_dump_json(by_alias=True))
        settings = {
            "SIMPLEMEM_ROLE": role,
            "SIMPLEMEM_STORE_FILE": str(self.folder / "store.json"),
            "SIMPLEMEM_DATA": str(self.folder / "data"),
            "SIMPLEMEM_ENCODERS": str(user_cache()),
            "SIMPLEMEM_HOST": "127.0.0.1",
            "SIMPLEMEM_PORT": str(self.port),
        }
        self._run(["serve"], settings)

    def _run(self, arguments: list[str], settings: Mapping[str, str]) -> None:
        paths = os.pathsep.join(str(ROOT / part) for part in ("crds", "service"))
        environment = {**os.environ, "PYTHONPATH": paths, **settings, **self.environment}
        with (self.folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "simplemem_service", *arguments], stdout=log, stderr=log, env=environment
            )

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, **{"timeout": 60, **options})

    def readiness(self) -> dict[str, Any]:
        """The body of /readyz; empty while nobody answers."""
        try:
            report: dict[str, Any] = httpx.get(f"{self.url}/readyz", timeout=10).json()
        except httpx.TransportError:
            return {}
        return report

    def reason(self, check: str) -> str:
        return str(self.readiness().get("checks", {}).get(check, {}).get("reason", ""))

    def wait_ready(self) -> None:
        def ready() -> bool:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}: {self.log()[-2000:]}")
            return bool(self.readiness().get("ready"))

        eventually(ready, within=START_SECONDS, what=f"{self.url} ready")

    def log(self) -> str:
        return (self.folder / "service.log").read_text()

    def kill(self) -> None:
        """End it as a power cut does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> int:
        """End it politely; its exit status."""
        if self.process is None:
            return 0
        self.process.terminate()
        status = self.process.wait(60)
        self.process = None
        return status


class Starter(Protocol):
    """Makes servers that do not outlive their test."""

    def __call__(self, folder: Path, environment: Mapping[str, str] | None = None, **spec: Any) -> Server: ...


def finish(client: httpx.Client, operation_id: str, within: float = 60) -> dict[str, Any]:
    """The operation once it has ended."""

    def ended() -> dict[str, Any] | None:
        answer = client.get(f"/v1/operations/{operation_id}")
        body: dict[str, Any] = answer.raise_for_status().json()
        return body if body["state"] in ("Succeeded", "Failed") else None

    return eventually(ended, within=within, what=f"the end of {operation_id}")


def remember(client: httpx.Client, user: str, *texts: str, **fields: Any) -> list[str]:
    """Remember turns and wait until they can be found; their ids."""
    turns = [{"id": f"{user}-{n}", "speaker": "Ada", "text": text} | fields for n, text in enumerate(texts)]
    answer = client.post("/v1/turns", json={"user_id": user, "session_id": "s", "turns": turns})
    ended = finish(client, answer.raise_for_status().json()["operation_id"])
    assert ended["state"] == "Succeeded", ended
    return [str(turn["id"]) for turn in turns]


def list_sources(client: httpx.Client, user: str) -> list[str]:
    """Source ids of all entries of a user."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        params = {"user_id": user, "limit": "200"} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/entries", params=params).raise_for_status().json()
        found += [source for entry in page["entries"] for source in entry["sources"]]
        cursor = page["next_cursor"]
        if not cursor:
            return found
