"""What all tests of the node share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import kube
from tests.e2e.prometheus import Prometheus
from tests.harness.errors import HarnessError
from tests.harness.steps import step


@pytest.fixture(scope="session", autouse=True)
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus | None]:
    """A Prometheus that watches from the first test on; None where there is no node, or no package of it."""
    if not kube.is_inside_the_node():
        yield None
        return
    server = Prometheus(tmp_path_factory.mktemp("prometheus"))
    try:
        with step("start Prometheus"):
            server.start()
    except HarnessError as error:
        print(f"no Prometheus: {error}", flush=True)
        yield None
        return
    yield server
    server.stop()
