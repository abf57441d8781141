"""A real Redis for tests, and a proxy that makes it slow."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.harness.errors import HarnessError
from tests.harness.packages import install
from tests.harness.pki import Pki
from tests.support.bucket import free_port


class RedisServer:
    """A redis-server that can be killed and started again on the same port; it keeps nothing.

    With `tls` it speaks nothing else, and shows the server's certificate of that.
    """

    def __init__(self, folder: Path, *, password: str = "", is_cluster: bool = False, tls: Pki | None = None) -> None:
        try:
            install({"redis-server": "redis-server"})
        except HarnessError as error:
            pytest.skip(f"no redis-server: {error}")
        self._program = shutil.which("redis-server") or "redis-server"
        self._folder = folder
        self._password = password
        self._is_cluster = is_cluster
        self._tls = tls
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        user = f":{self._password}@" if self._password else ""
        return f"redis{'s' if self._tls else ''}://{user}127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [self._program, *self._ports(), "--bind", "127.0.0.1", "--save", "", "--dir"]
        command += [str(self._folder), "--appendonly", "no"]
        if self._password:
            command += ["--requirepass", self._password]
        if self._is_cluster:
            command += ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError((self._folder / "redis.log").read_text())

    def _ports(self) -> list[str]:
        if self._tls is None:
            return ["--port", str(self.port)]
        certificate, key = self._tls.certificate("apiserver"), self._tls.key("apiserver")
        words = ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
        words += ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file"]
        return [*words, str(self._tls.ca), *(["--tls-cluster", "yes"] if self._is_cluster else [])]

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class SlowProxy:
    """Passes bytes to a server and holds its answers back for `delay` seconds."""

    def __init__(self, port: int) -> None:
        self.delay = 0.0
        self._target = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._target)
        for source, sink, is_answer in ((reader, upstream_writer, False), (upstream_reader, writer, True)):
            task = asyncio.create_task(self._pass_on(source, sink, is_answer=is_answer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_answer: bool) -> None:
        try:
            while data := await source.read(65536):
                if is_answer:
                    await asyncio.sleep(self.delay)
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()
