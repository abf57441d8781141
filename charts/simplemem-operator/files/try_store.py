"""What `helm test` runs: makes a MemoryStore, writes a turn, finds it, and removes the store with its volume.

Only the standard library, since it runs in the operator's image as it is. Arguments: namespace and name of the
store, and its labels as JSON.
"""

from __future__ import annotations

import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
API = "https://kubernetes.default.svc"
READY_SECONDS = 270
"""How long the store may take to become Ready; an image has to be pulled."""
REMOVED_SECONDS = 60
"""How long its removal may take."""
MARK = "simplemem.io/made-by"
"""Label by which the test knows a store of its own: it removes no other."""
SMALL = {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "3Gi"}}


def say(text: str) -> None:
    """A line of the pod's log."""
    print(text, flush=True)  # noqa: T201 - the log is what the test has to show


def ask(method: str, url: str, body: Any = None) -> tuple[int, Any]:
    """Status and content of an answer; the API server's with the pod's own token."""
    headers = {"Content-Type": "application/json"}
    trust = None
    if url.startswith(API):
        headers["Authorization"] = f"Bearer {(ACCOUNT / 'token').read_text()}"
        trust = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - both addresses are the cluster's
    try:
        with urllib.request.urlopen(request, timeout=60, context=trust) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")[:500]


def expect(status: int, method: str, url: str, body: Any = None) -> Any:
    """Content of an answer that has the given status; ends the test otherwise."""
    found, content = ask(method, url, body)
    if found != status:
        sys.exit(f"{method} {url} answered {found}, not {status}: {content}")
    return content


def wait_ready(url: str) -> str:
    """Address of the store once it is Ready; ends the test with its condition otherwise."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        status = expect(200, "GET", url).get("status", {})
        ready = next((one for one in status.get("conditions", ()) if one["type"] == "Ready"), {})
        if ready.get("status") == "True":
            return str(status["endpoint"])
        if time.monotonic() > deadline:
            sys.exit(f"not Ready within {READY_SECONDS} s: {ready.get('reason')}: {ready.get('message')}")
        time.sleep(1)


def remember_and_search(endpoint: str) -> None:
    """Write a turn and find it."""
    turn = {"id": "t1", "speaker": "Ada", "text": "I moved to Rome.", "timestamp": "2026-03-01T10:00:00Z"}
    written = {"user_id": "helm-test", "session_id": "s", "turns": [turn]}
    operation = expect(202, "POST", f"{endpoint}/v1/turns", written)["operation_id"]
    deadline = time.monotonic() + REMOVED_SECONDS
    while (state := expect(200, "GET", f"{endpoint}/v1/operations/{operation}")["state"]) != "Succeeded":
        if state == "Failed" or time.monotonic() > deadline:
            sys.exit(f"the turn's operation is {state}")
        time.sleep(0.5)
    asked = {"query": "Where does Ada live?", "filter": {"user_id": "helm-test"}}
    results = expect(200, "POST", f"{endpoint}/v1/search", asked)["results"]
    if not results or results[0]["sources"] != ["t1"]:
        sys.exit(f"the turn was not found: {results}")


def remove(url: str) -> None:
    """Delete the store and wait until it is gone."""
    deadline = time.monotonic() + REMOVED_SECONDS
    while (status := ask("DELETE", url)[0]) != 404:
        if status not in (200, 202) or time.monotonic() > deadline:
            sys.exit(f"the store is not gone within {REMOVED_SECONDS} s; the last answer was {status}")
        time.sleep(1)


def clear(namespace: str, name: str, url: str) -> None:
    """Remove what a test that was cut off has left; ends the test where store or volume is somebody else's."""
    status, found = ask("GET", url)
    if status == 200 and found["metadata"].get("labels", {}).get(MARK) != "helm-test":
        sys.exit(f"MemoryStore {namespace}/{name} is not of this test, which would delete it: give it another name")
    remove(url)
    volume = f"{API}/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}-data"
    deadline = time.monotonic() + REMOVED_SECONDS
    # The volume of a store goes a moment after it.
    while (status := ask("GET", volume)[0]) != 404:
        if status != 200 or time.monotonic() > deadline:
            sys.exit(
                f"PersistentVolumeClaim {namespace}/{name}-data must not be there (status {status}): the test's store "
                "would take it up and delete it; it is an earlier store's, so keep its data elsewhere or delete it"
            )
        time.sleep(1)


def main() -> None:
    """The test."""
    namespace, name, labels = sys.argv[1:]
    stores = f"{API}/apis/simplemem.io/v1alpha1/namespaces/{namespace}/memorystores"
    own = f"{stores}/{name}"
    clear(namespace, name, own)
    spec = {
        "tier": "Minimal",
        "storage": {"pvc": {"size": "1Gi"}, "deletionPolicy": "Delete"},
        "pods": {"resources": SMALL},
    }
    metadata = {"name": name, "namespace": namespace, "labels": {**json.loads(labels), MARK: "helm-test"}}
    expect(201, "POST", stores, {"apiVersion": "simplemem.io/v1alpha1", "kind": "MemoryStore"}
           | {"metadata": metadata, "spec": spec})  # fmt: skip
    try:
        endpoint = wait_ready(own)
        say(f"MemoryStore {namespace}/{name} is Ready")
        remember_and_search(endpoint)
        say("a turn was written and found")
    finally:
        remove(own)
    say("the store is gone")


main()
