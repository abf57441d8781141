"""A volume that fills up while turns stream in, and a start on a full one: nothing acknowledged is lost."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tests.support.server import Starter, eventually
from tests.support.stream import Refusal, Stream, check_all_there_once
from tests.support.volumes import small_volume

FREE_BYTES = 1_500_000
"""Room that is left for the stream."""


def fill(folder: Path) -> None:
    room = os.statvfs(folder)
    (folder / "filler").write_bytes(b"x" * (room.f_bavail * room.f_bsize - FREE_BYTES))


def test_a_volume_that_fills_up_loses_nothing_that_was_acknowledged(tmp_path: Path, make_server: Starter) -> None:
    data = tmp_path / "data"
    with small_volume(data, size="16m"):
        server = make_server(tmp_path)
        server.start()
        server.wait_ready()
        fill(data)
        stream = Stream(server.url, timeout_seconds=30)
        stream.start()
        eventually(lambda: stream.refused, within=60, what="the volume is full")
        time.sleep(1)
        server.kill()
        stream.stop()
        answered = {refusal for refusal in stream.refused if refusal.status}
        assert answered == {Refusal(503, "StorageUnavailable", can_wait=True)}
        server.start()
        eventually(lambda: server.reason("storage") == "StorageUnwritable", within=60, what="the reason at /readyz")
        subprocess.run(["mount", "-o", "remount,size=64m", str(data)], check=True)
        server.wait_ready()
        assert len(stream.acknowledged) > 20
        check_all_there_once(server, stream.acknowledged)
        assert server.stop() == 0
