"""A process that is told to stop ends in time, whatever it is doing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import asyncio, contextlib, sys, time
from datetime import timedelta
from types import SimpleNamespace

from fastapi import FastAPI

from simplemem_service.commands import server
from simplemem_service.health import Health

server.DRAIN_TIMEOUT, server.STOP_LEEWAY = timedelta(seconds=1), timedelta(seconds=1)


@contextlib.asynccontextmanager
async def lifespan(_app):
    task = asyncio.create_task(asyncio.to_thread(time.sleep, 60))
    yield
    task.cancel()
    if sys.argv[1] == "waited for":
        await asyncio.sleep(60)


app = FastAPI(lifespan=lifespan)
health = Health(())
health.is_open = True
app.state.service = SimpleNamespace(health=health)
sys.exit(server.run_server(app, server.listen("127.0.0.1", 0), lambda: print("ready", flush=True)))
"""


@pytest.mark.parametrize("work", ["left behind", "waited for"])
def test_work_that_does_not_end_is_cut_off_by_a_stop(work: str) -> None:
    command = [sys.executable, "-c", PROGRAM, work]
    paths = f"{ROOT / 'crds'}:{ROOT / 'service'}"
    with subprocess.Popen(
        command, env={"PYTHONPATH": paths}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert process.wait(30) == 0
            assert time.monotonic() - began < 10
            assert "cut off" in process.stderr.read()
        finally:
            process.kill()
