"""`kubectl smem` against a real API server: its tables, its rights, its bundle, and a search in a real service."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from simplemem_operator.kubectl.main import run
from tests.cluster.conftest import Fleet, Space, eventually
from tests.harness.build import ensure
from tests.harness.operator import PYTHON
from tests.harness.paths import REPOSITORY
from tests.harness.process import Process

PLANTED = "hunter22hunter22"
LINES = (
    "2026-03-01T10:00:00.000000000Z stdout F the store is open",
    f"2026-03-01T10:00:01.000000000Z stderr F asked with Bearer {PLANTED}",
)
TOKEN = "secret-of-the-store"
SERVICE = REPOSITORY / ".venv" / "service" / "bin" / "python"
Told = tuple[int, str, str]
Smem = Callable[..., Told]


@pytest.fixture
def smem(town: Space, capsys: pytest.CaptureFixture[str]) -> Smem:
    """Runs the plugin in the town; gives exit code, output and errors."""

    def call(*words: str, kubeconfig: Path | None = None) -> Told:
        where = [] if {"-A", "-n"} & set(words) else ["-n", town.name]
        capsys.readouterr()
        code = run([*words, *where, "--kubeconfig", str(kubeconfig or town.plane.kubeconfig)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


@pytest.fixture
def notes(town: Space) -> Space:
    """A store that is Ready."""
    town.store(tier="Minimal", llm={"apiBase": f"http://me:{PLANTED}@llm.example:80/v1"})
    town.kubectl("wait", "--for=condition=Ready", "smem/notes", "--timeout=60s")
    return town


@pytest.fixture(scope="module")
def service(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A service that asks for a token, where port-forwards end."""
    if not SERVICE.exists():
        pytest.skip("no .venv/service: `make init` makes it")
    folder = tmp_path_factory.mktemp("service")
    (folder / "tokens").mkdir()
    (folder / "tokens" / "root").write_text(TOKEN)
    manifest = {
        "apiVersion": "simplemem.io/v1alpha1",
        "kind": "MemoryStore",
        "metadata": {"name": "notes", "namespace": "team-a"},
        "spec": {"tier": "Minimal", "access": {"tokenSecretName": "t"}, "compression": {"densityThreshold": "0"}},
    }
    (folder / "store.yaml").write_text(json.dumps(manifest))
    port = fleet.kubelet.service_port
    command = [SERVICE, "-m", "simplemem_service", "up", "-f", folder / "store.yaml", "--port", port, "--data", folder]
    paths = os.pathsep.join(str(REPOSITORY / part) for part in ("crds", "service"))
    environment = {**os.environ, "PYTHONPATH": paths, "SIMPLEMEM_TOKENS": str(folder / "tokens")}
    process = Process("service", [str(word) for word in command], folder / "service.log", environment)
    process.start()
    process.wait_until(lambda: _is_ready(port), "/readyz", 120)
    told = {"user_id": "ada", "raw_conversation": "Ada: My sister Eva works as a doctor in Turin."}
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = Request(f"http://127.0.0.1:{port}/compress", json.dumps(told).encode(), headers)
    with urlopen(request, timeout=60) as answer:  # noqa: S310 - the same
        assert json.load(answer)["compressed_entries"] == 1
    yield process
    process.stop()


def _is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_top_shows_size_backlog_and_cost(notes: Space, smem: Smem) -> None:
    code, out, _ = smem("top")
    header, row = out.splitlines()
    assert code == 0
    assert header.split()[:5] == ["NAMESPACE", "NAME", "TIER", "READY", "ENTRIES"]
    assert row.split()[:8] == [notes.name, "notes", "Minimal", "True", "10", "4.0Ki", "0", "1"]
    (found,) = json.loads(smem("top", "notes", "--json")[1])
    assert (found["storageBytes"], found["monthlyUSD"]) == (4096, "32.84")
    everywhere = smem("top", "-A")[1]
    assert f"{notes.name} " in everywhere


def test_cost_lists_the_parts_that_make_the_sum(notes: Space, smem: Smem) -> None:
    notes.store("more", tier="Minimal")
    notes.settled("more")
    (one,) = json.loads(smem("cost", "notes", "--json")[1])
    assert sum(round(100 * float(item["monthlyUSD"] or 0)) for item in one["items"]) == 3284
    code, out, _ = smem("cost")
    assert code == 0
    last = out.splitlines()[-1].split()
    assert last[:6] == ["all", "2", "stores", "all", "65.68", *last[5:6]]


def test_tier_advice_says_what_the_operator_found(notes: Space, smem: Smem) -> None:
    fits = eventually(lambda: notes.condition("TierFits"))
    (found,) = json.loads(smem("tier-advice", "notes", "--json")[1])
    assert (found["tier"], found["fits"], found["reason"]) == ("Minimal", fits["status"], fits["message"])
    assert smem("tier-advice")[1].split()[:8] == [
        "NAMESPACE", "NAME", "TIER", "FITS", "RECOMMENDED", "TURNS/MONTH", "QUERIES/MONTH", "REASON",
    ]  # fmt: skip


def test_logs_come_from_all_pods_of_a_store(notes: Space, fleet: Fleet, smem: Smem) -> None:
    fleet.kubelet.log.write_text("\n".join([*LINES, ""]))
    code, out, _ = smem("logs", "notes")
    assert code == 0
    assert out.startswith("[notes-retrieval-")
    assert "the store is open" in out
    lines = json.loads(smem("logs", "notes", "--tail", "1", "--json")[1])
    assert [line["line"] for line in lines] == [f"asked with Bearer {PLANTED}"]
    code, _, err = smem("logs", "notes", "--component", "ingest")
    assert (code, "has no pods" in err) == (1, True)


def test_a_search_goes_through_a_port_forward_with_the_token(
    notes: Space, smem: Smem, service: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert service.is_running
    code, _, err = smem("search", "notes", "What does Eva do?")
    assert (code, "--token-file" in err) == (4, True), err
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    code, out, err = smem("search", "notes", "What does Eva do?", "--token-file", str(tmp_path / "token"))
    assert code == 0, err
    assert "Eva works as a doctor in Turin" in out
    monkeypatch.setenv("SIMPLEMEM_TOKEN", TOKEN)
    code, out, _ = smem("search", "notes", "What does Eva do?", "--user", "ada", "--top", "1", "--json")
    assert [hit["user_id"] for hit in json.loads(out)] == ["ada"]
    assert smem("search", "notes", "What does Eva do?", "--user", "nobody")[0] == 1
    notes.store("asleep", tier="Minimal", suspend=True)
    code, _, err = smem("search", "asleep", "Anything?")
    assert (code, "none of its 0 pods is ready" in err) == (1, True)


def test_a_bundle_tells_everything_but_secrets(notes: Space, fleet: Fleet, smem: Smem, tmp_path: Path) -> None:
    fleet.kubelet.log.write_text("\n".join([*LINES, ""]))
    notes.secret("llm-keys", OPENAI_API_KEY=PLANTED)
    path = tmp_path / "bundle.tar.gz"
    code, out, _ = smem("support-bundle", "-o", str(path))
    assert (code, out.splitlines()[0]) == (0, str(path))
    assert path.stat().st_mode & 0o077 == 0
    files = _unpack(path)
    folder = f"support-bundle/stores/{notes.name}/notes"
    assert {
        "support-bundle/version.json",
        "support-bundle/crd.json",
        f"{folder}/memorystore.json",
        f"{folder}/events.json",
        f"{folder}/children/Deployment-notes-retrieval.json",
        f"{folder}/children/ConfigMap-notes-config.json",
    } <= set(files)
    (log,) = [text for name, text in files.items() if name.startswith(f"{folder}/logs/")]
    assert "the store is open" in log
    assert json.loads(files[f"{folder}/events.json"])
    assert PLANTED not in "".join(files.values())
    assert not [name for name in files if "Secret" in name]
    code, _, err = smem("support-bundle", "-o", str(path))
    assert (code, "exists" in err) == (1, True)


def test_a_bundle_with_few_rights_says_what_it_lacks(notes: Space, smem: Smem, tmp_path: Path) -> None:
    notes.kubectl("create", "serviceaccount", "guest")
    config = notes.plane.service_account_kubeconfig(notes.name, "guest")
    assert smem("top", kubeconfig=config)[0] == 4
    notes.kubectl("create", "role", "guest", "--verb=list", "--resource=memorystores.simplemem.io,pods")
    notes.kubectl("create", "rolebinding", "guest", "--role=guest", f"--serviceaccount={notes.name}:guest")
    code, out, _ = smem("support-bundle", "-o", str(tmp_path / "b.tar.gz"), "--json", kubeconfig=config)
    assert code == 0
    missing = "\n".join(json.loads(out)["notRead"])
    for part in ("deployments of", "events of", "log "):
        assert part in missing, missing
    assert missing.splitlines() == [
        line.removeprefix("not read: ")
        for line in _unpack(tmp_path / "b.tar.gz")["support-bundle/notes.txt"].splitlines()
    ]


def test_a_name_in_several_namespaces_must_be_told_apart(notes: Space, fleet: Fleet, smem: Smem) -> None:
    other = Space(fleet.plane, f"{notes.name}-twin")
    other.store(tier="Minimal", suspend=True)
    code, _, err = smem("logs", "notes", "-A")
    assert (code, "name one with -n" in err) == (2, True)
    fleet.plane.kubectl("delete", "namespace", other.name, "--wait=false")


def test_kubectl_finds_the_plugin(notes: Space) -> None:
    # The package's own console script, as `make init` and pip install it.
    environment: dict[str, Any] = {
        **os.environ,
        "PATH": f"{PYTHON.parent}:{os.environ['PATH']}",
        "KUBECONFIG": str(notes.plane.kubeconfig),
    }
    kubectl = str(ensure(["kubectl"])["kubectl"])
    found = subprocess.run([kubectl, "plugin", "list"], env=environment, capture_output=True, text=True, check=True)
    assert str(PYTHON.with_name("kubectl-smem")) in found.stdout.splitlines()
    command = [kubectl, "smem", "top", "-n", notes.name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "Minimal" in done.stdout


def _unpack(path: Path) -> dict[str, str]:
    """Texts of an archive by their paths."""
    with tarfile.open(path) as archive:
        found = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        return {name: file.read().decode() for name, file in found.items() if file is not None}
