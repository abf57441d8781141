"""A real S3 server for tests: versitygw over a folder."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from simplemem_api.resolved import ResolvedS3
from tests.harness.build import ensure
from tests.harness.errors import HarnessError
from tests.support.stores import make_store

ACCESS_KEY = "test"
SECRET_KEY = "secret-of-tests"
BUCKET = "memories"


class BucketServer:
    """A versitygw that can be stopped and started again on the same data and port."""

    def __init__(self, folder: Path) -> None:
        try:
            self._program = ensure(["versitygw"])["versitygw"]
        except HarnessError as error:
            pytest.skip(f"no S3 server: {error}")
        self._folder = folder
        (folder / "data" / BUCKET).mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.log = folder / "access.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [str(self._program), "--access", ACCESS_KEY, "--secret", SECRET_KEY]
        command += ["--access-log", str(self.log)]
        command += ["--port", f"127.0.0.1:{self.port}", "--quiet", "posix", str(self._folder / "data")]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError((self._folder / "server.log").read_text())

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def requests(self) -> list[tuple[str, str]]:
        """Every request so far: the call, as in `s3_HeadObject`, and the object or the listing's query."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        words = [line.split("] ", 1)[1].split(" ") for line in lines if "] " in line]
        return [(word[3], word[4] if word[4] != "-" else word[5]) for word in words]

    def place(self, prefix: str, bucket: str = BUCKET) -> ResolvedS3:
        s3 = {"bucket": bucket, "prefix": prefix, "endpoint": self.endpoint}
        resolved = make_store(storage={"s3": s3}).storage.s3
        assert resolved is not None
        return resolved


def credentials() -> dict[str, str]:
    """What a pod finds in its environment."""
    return {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def set_credentials(environment: pytest.MonkeyPatch) -> None:
    for name, value in credentials().items():
        environment.setenv(name, value)
    for name in set(os.environ) & {"AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"}:
        environment.delenv(name)
