"""MemoryStores of the scenario: their manifests, when they are Ready, and what is asked of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e import kube

needs_node = pytest.mark.skipif(not kube.is_inside_the_node(), reason="needs the node: run `make e2e`")

ROOT = Path(__file__).resolve().parents[2]
OPERATOR_NAMESPACE = "simplemem-system"
NAMESPACES = ("team-a", "team-b", "team-c", "team-g", "team-m", "team-o", "team-r")
"""Where stores live."""
SMALL = {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "3Gi"}}
Memory = tuple[str, list[str]]
"""What an entry says, and the ids of the turns that it comes from."""
BUCKET_KEYS = "bucket-keys"
"""Secret with the keys of the node's bucket."""
PASSWORD = "e2e.cache-password"
"""Of the managed Redis of team-b/shared."""
FIGURES: dict[str, Any] = {}
"""What was measured; printed at the end."""


def store(name: str, where: str, **spec: Any) -> dict[str, Any]:
    """A manifest; pods ask for little, since the node is small."""
    metadata = {"name": name, "namespace": where}
    spec = {"pods": {"resources": SMALL}} | spec
    return {"apiVersion": "simplemem.io/v1alpha1", "kind": "MemoryStore", "metadata": metadata, "spec": spec}


def namespace(name: str) -> dict[str, Any]:
    """A namespace that admits pods of the restricted Pod Security Standard only."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }


def bucket(**more: Any) -> dict[str, Any]:
    """`storage.s3` of a store in the node's bucket."""
    named = {"bucket": os.environ["E2E_S3_BUCKET"], "endpoint": os.environ["E2E_S3_ENDPOINT"]}
    return named | {"credentialsSecretName": BUCKET_KEYS} | more


def create_bucket_keys(where: str) -> None:
    """The Secret that `bucket` names."""
    kube.kubectl(
        "create", "secret", "generic", BUCKET_KEYS, "-n", where,
        f"--from-literal=AWS_ACCESS_KEY_ID={os.environ['E2E_S3_ACCESS_KEY']}",
        f"--from-literal=AWS_SECRET_ACCESS_KEY={os.environ['E2E_S3_SECRET_KEY']}",
    )  # fmt: skip


def wait_ready(name: str, where: str, within: float = 240) -> dict[str, Any]:
    """The store once it is Ready; a failure shows what a person would look at."""

    def ready() -> dict[str, Any] | None:
        found = kube.get("memorystore", name, where)
        return found if found and kube.condition(found, "Ready").get("status") == "True" else None

    try:
        return kube.eventually(ready, within=within, what=f"{where}/{name} Ready")
    except AssertionError:
        print(kube.explain(where), flush=True)
        raise


def wait_complete(job: str, where: str) -> None:
    """Wait until a Job has succeeded; a failure shows its log."""

    def ended() -> str:
        found = kube.get("job", job, where) or {}
        types = [one["type"] for one in found.get("status", {}).get("conditions", []) if one["status"] == "True"]
        return next((kind for kind in types if kind in ("Complete", "Failed")), "")

    kind = kube.eventually(ended, within=180, what=f"the end of Job {job}")
    assert kind == "Complete", kube.explain(where)


def pod_urls(where: str, selector: str) -> list[str]:
    """Addresses of a store's pods that are Ready, each by itself; an autoscaler may be adding others."""
    return [f"http://{pod['status']['podIP']}:8000" for pod in kube.listed("pods", where, selector) if _is_ready(pod)]


def _is_ready(pod: dict[str, Any]) -> bool:
    found = {(one["type"], one["status"]) for one in pod["status"].get("conditions", ())}
    return ("Ready", "True") in found and "deletionTimestamp" not in pod["metadata"]


def counted(url: str, name: str, label: str, *values: str) -> float:
    """What a pod has counted under a name (its end is enough), where a label has one of the values."""
    text = httpx.get(f"{url}/metrics", timeout=30).raise_for_status().text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.endswith(name) and sample.labels[label] in values
    )


def parcels(first: int, count: int) -> list[dict[str, str]]:
    """Turns that each tell where a parcel is."""
    return [
        {"id": f"t{number}", "speaker": "Ada", "text": f"I put parcel {number} on shelf {number * 3} of the hall.",
         "timestamp": "2026-04-01T09:00:00Z"}
        for number in range(first, first + count)
    ]  # fmt: skip


def tell(client: httpx.Client, turns: list[dict[str, str]], user: str, session: str = "s") -> None:
    """Send turns and wait until they are remembered."""
    body = {"user_id": user, "session_id": session, "turns": turns}
    answer = client.post("/v1/turns", json=body).raise_for_status()
    assert finish(client, answer.json()["operation_id"])["state"] == "Succeeded"


def search(url: str, query: str, user: str, top_k: int = 10) -> list[dict[str, Any]]:
    """Results of a search in a user's memory."""
    body = {"query": query, "top_k": top_k, "filter": {"user_id": user}}
    results: list[dict[str, Any]] = (
        httpx.post(f"{url}/v1/search", json=body, timeout=60).raise_for_status().json()["results"]
    )
    return results


def entries(url: str, user: str) -> list[dict[str, Any]]:
    """All entries of a user."""
    found: list[dict[str, Any]] = []
    params = {"user_id": user, "limit": "200"}
    with httpx.Client(base_url=url, timeout=30) as client:
        while True:
            page = client.get("/v1/entries", params=params).raise_for_status().json()
            found += page["entries"]
            if not page.get("next_cursor"):
                return found
            params["cursor"] = page["next_cursor"]


def memories(url: str, user: str) -> list[Memory]:
    """What a user's entries say, each with the turns that it comes from."""
    return sorted((str(entry["lossless_restatement"]), entry["sources"]) for entry in entries(url, user))


def simplemem(*words: str, **environment: str) -> str:
    """What the command line prints, as a user of a store runs it on a machine of their own."""
    program = ROOT / ".venv" / "service" / "bin" / "simplemem"
    settings = {**os.environ, **environment}
    done = subprocess.run([program, *words], env=settings, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def finish(client: httpx.Client, operation: str, within: float = 120) -> dict[str, Any]:
    """An operation once it has ended."""

    def done() -> dict[str, Any] | None:
        try:
            answer = client.get(f"/v1/operations/{operation}")
        except httpx.TransportError:
            return None
        state: dict[str, Any] = answer.json() if answer.status_code == httpx.codes.OK else {}
        return state if state.get("state") in ("Succeeded", "Failed") else None

    return kube.eventually(done, within=within, what=f"operation {operation} done", every=0.1)
