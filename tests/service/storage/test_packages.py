"""LanceDB comes without the client of a catalogue that is not used here, which is there all the same when asked for."""

from __future__ import annotations

import subprocess
import sys

ASK = """
import sys
from pathlib import Path
import simplemem_service.storage.lance
loaded = [name for name in sys.modules if name.startswith("lance_namespace_urllib3_client.api.")]
import lance_namespace_urllib3_client as client
from lance_namespace_urllib3_client.api.table_api import TableApi
print(len(loaded), client.TableApi is TableApi, client.__version__ != "", client.ApiClient.__name__)
"""
TWICE = """
from simplemem_service.storage.packages import defer
import lance_namespace_urllib3_client as client
defer("lance_namespace_urllib3_client")
defer("no_such_package")
import sys
print(sys.modules["lance_namespace_urllib3_client"] is client, "no_such_package" in sys.modules)
"""


def run(code: str) -> list[str]:
    """What a new interpreter prints, with our sources in its path."""
    prelude = f"import sys; sys.path[:] = {sys.path!r}\n"
    done = subprocess.run([sys.executable, "-c", prelude + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_calls_of_the_catalogue_are_not_loaded_before_somebody_asks() -> None:
    assert run(ASK) == ["0", "True", "True", "ApiClient"]


def test_a_package_that_is_loaded_or_missing_is_left_alone() -> None:
    assert run(TWICE) == ["True", "False"]
