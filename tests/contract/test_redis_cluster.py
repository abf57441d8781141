"""The script that the operator gives to the nodes of a managed cache, run by real Redis and asked by the service."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from simplemem_operator.builders.redis_script import REDIS_SCRIPT
from simplemem_service.cache.redis_cache import RedisCache
from simplemem_service.telemetry import Metrics
from tests.harness.errors import HarnessError
from tests.harness.packages import install
from tests.support.bucket import free_port

PASSWORD = "s3cr3t-of-the.cache"
KEYS = {f"key {number}": f"value {number}".encode() for number in range(50)}


class Node:
    """A node of the cache, as a container runs it."""

    def __init__(self, folder: Path, ordinal: int, peers: list[str], cluster: str) -> None:
        self.ordinal = ordinal
        self.folder = folder / str(ordinal)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = int(peers[ordinal].split(":")[1])
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOSTNAME": f"notes-redis-{ordinal}",
            "REDIS_PEERS": " ".join(peers),
            "REDIS_CLUSTER_ID": cluster,
            "REDIS_DATA": str(self.folder),
            "REDIS_MEMORY": str(64 * 1024 * 1024),
            "REDIS_PASSWORD": PASSWORD,
        }
        self.script = folder / "node.sh"
        self.script.write_text(REDIS_SCRIPT)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            command = ["sh", str(self.script)]
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=self.environment, start_new_session=True
            )

    def kill(self) -> None:
        """End it as a node that breaks down does; nothing of it stays."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
            for file in self.folder.iterdir():
                file.unlink()

    def is_ready(self) -> bool:
        return subprocess.run(["sh", str(self.script), "ready"], env=self.environment, check=False).returncode == 0

    def ask(self, *words: str) -> str:
        command = ["redis-cli", "-p", str(self.port), *words]
        environment = self.environment | {"REDISCLI_AUTH": PASSWORD}
        return subprocess.run(command, env=environment, check=False, capture_output=True, text=True).stdout

    @property
    def identity(self) -> str:
        return self.ask("CLUSTER", "MYID").strip()


def make_peers(count: int) -> list[str]:
    return [f"127.0.0.1:{free_port()}:{free_port()}" for _ in range(count)]


def eventually(check: Callable[[], bool], within: float = 30) -> None:
    deadline = time.monotonic() + within
    while not check():
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.1)


def is_whole(nodes: list[Node]) -> bool:
    """Whether every node sees all slots served and as many nodes as there are."""
    count = f"cluster_known_nodes:{len(nodes)}"
    infos = [node.ask("CLUSTER", "INFO") for node in nodes]
    return all("cluster_slots_ok:16384" in info and count in info and "cluster_state:ok" in info for info in infos)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[Node]]:
    try:
        install({"redis-server": "redis-server"})
    except HarnessError as error:
        pytest.skip(f"no redis-server: {error}")
    peers = make_peers(3)
    found = [Node(tmp_path, ordinal, peers, "uid-1") for ordinal in range(3)]
    for node in found:
        node.start()
    yield found
    for node in found:
        node.kill()


async def exchange(node: Node) -> int:
    """How many of the keys a service that knows one node writes and reads back."""
    cache = RedisCache(f"redis://:{PASSWORD}@127.0.0.1:{node.port}", Metrics())
    try:
        await found_again(cache, within=10)
        return len(await cache.get_many(list(KEYS)))
    finally:
        await cache.close()


def test_three_nodes_form_a_cluster_and_again_after_one_has_lost_all(nodes: list[Node]) -> None:
    eventually(lambda: is_whole(nodes))
    assert all(node.is_ready() for node in nodes)
    assert asyncio.run(exchange(nodes[0])) == len(KEYS)
    held = [int(node.ask("DBSIZE")) for node in nodes]
    assert sum(held) == len(KEYS)
    assert all(held)
    lost, identity = nodes[1], nodes[1].identity
    lost.kill()
    assert not lost.is_ready()
    eventually(lambda: "fail" in nodes[0].ask("CLUSTER", "NODES"))
    lost.start()
    eventually(lambda: is_whole(nodes))
    assert lost.identity == identity
    assert int(lost.ask("DBSIZE")) == 0
    assert asyncio.run(exchange(nodes[2])) == len(KEYS)
    assert (
        "NOAUTH"
        in subprocess.run(
            ["redis-cli", "-p", str(lost.port), "GET", "x"], check=True, capture_output=True, text=True
        ).stdout
    )
    assert PASSWORD not in "".join((node.folder / "log").read_text() for node in nodes)


async def found_again(cache: RedisCache, within: float) -> bool:
    """Whether a service that has been at it all the time writes and reads back all keys."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        await cache.set_many(KEYS, timedelta(minutes=1))
        if len(await cache.get_many(list(KEYS))) == len(KEYS):
            return True
        await asyncio.sleep(0.1)
    return False


def test_a_node_that_comes_back_at_another_address_is_found_by_a_running_service(
    nodes: list[Node], tmp_path: Path
) -> None:
    eventually(lambda: is_whole(nodes))
    peers = nodes[0].environment["REDIS_PEERS"].split()
    moved = Node(tmp_path, 1, [peers[0], *make_peers(1), peers[2]], "uid-1")

    async def serve() -> None:
        cache = RedisCache(f"redis://:{PASSWORD}@127.0.0.1:{nodes[0].port}", Metrics())
        try:
            assert await found_again(cache, within=30)
            nodes[1].kill()
            # As the address of a pod that is gone: whoever connects never hears a word.
            with socket.create_server(("127.0.0.1", nodes[1].port)):
                assert not await found_again(cache, within=2)
                moved.start()
                await asyncio.to_thread(eventually, lambda: is_whole([nodes[0], moved, nodes[2]]), 60)
                assert await found_again(cache, within=30)
        finally:
            await cache.close()

    try:
        asyncio.run(serve())
    finally:
        moved.kill()


def test_another_number_of_nodes_shares_the_slots_anew(nodes: list[Node], tmp_path: Path) -> None:
    eventually(lambda: is_whole(nodes))
    peers = [*nodes[0].environment["REDIS_PEERS"].split(), *make_peers(1)]
    larger = [Node(tmp_path, ordinal, peers, "uid-1") for ordinal in range(4)]
    # As a StatefulSet rolls: from the last one on, each a new pod.
    larger[3].start()
    for ordinal in (2, 1, 0):
        nodes[ordinal].kill()
        larger[ordinal].start()
        time.sleep(1)
    try:
        eventually(lambda: is_whole(larger), within=60)
        assert asyncio.run(exchange(larger[3])) == len(KEYS)
    finally:
        for node in larger:
            node.kill()
