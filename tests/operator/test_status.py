"""What the status says, and when it is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simplemem_api.conditions import STARTING, Reason
from simplemem_operator.conditions import Findings
from simplemem_operator.events import build_event
from simplemem_operator.models.observed import Observed, PodHealth, SecretState
from simplemem_operator.status import build_failed_status, build_status, is_news, keep_known, ready_of
from simplemem_operator.times import write_time
from tests.support.stores import S3, make_manifest, make_store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD = {name: {"ok": True, "message": "fine"} for name in ("storage", "embedding", "ingest", "index")}


def deployment(name: str = "notes-retrieval", wanted: int = 1, ready: int = 1, waiting_generation: int = 1) -> Any:
    status = {"observedGeneration": 1, "replicas": wanted, "readyReplicas": ready, "updatedReplicas": wanted}
    metadata = {"name": name, "generation": waiting_generation}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"replicas": wanted}, "status": status}


def claim(phase: str = "Bound", age: int = 60, **spec: str) -> Any:
    metadata = {"name": "notes-data", "creationTimestamp": write_time(NOW - timedelta(seconds=age))}
    return {"kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec, "status": {"phase": phase}}


def pod(checks: Any = GOOD, waiting: str = "", **figures: int) -> PodHealth:
    return PodHealth("retrieval", is_ready=True, checks=checks, figures=figures, waiting=waiting)


def status_of(observed: Observed, previous: Any = None, failure: Any = None, **spec: Any) -> dict[str, Any]:
    return build_status(Findings(make_store(**spec), observed, failure), 3, previous or {}, NOW)


def healthy(**figures: int) -> Observed:
    return Observed((deployment(), claim()), pods=(pod(GOOD, "", **figures),))


def test_a_store_whose_parts_are_well_is_ready() -> None:
    status = status_of(healthy(entries=5, storage_bytes=10, pending_turns=0), tier="Minimal")
    assert [(found["type"], found["status"]) for found in status["conditions"]] == [
        ("Ready", "True"), ("StorageReady", "True"), ("EmbeddingReady", "True"), ("RetrievalReady", "True"),
        ("IngestHealthy", "True"), ("IndexHealthy", "True"), ("WritePathHealthy", "Unknown"),
        ("WithinBudget", "True"), ("TierFits", "Unknown"),
    ]  # fmt: skip
    assert (status["entries"], status["storageBytes"], status["pendingTurns"]) == (5, 10, 0)
    assert status["cost"]["monthlyUSD"] == "32.84"
    assert status["endpoint"] == "http://notes.team-a.svc"


def test_every_condition_stands_from_the_first_pass_on() -> None:
    status = status_of(Observed(()), tier="Minimal")
    always = {"Ready", "StorageReady", "EmbeddingReady", "RetrievalReady", "IngestHealthy", "WritePathHealthy"}
    always |= {"IndexHealthy", "TierFits", "WithinBudget"}
    assert always <= {found["type"] for found in status["conditions"]}
    assert all(found["observedGeneration"] == 3 and found["message"] for found in status["conditions"])


@pytest.mark.parametrize(
    ("observed", "spec", "reason", "words"),
    [
        (Observed((), secrets=(SecretState("bucket-keys", False),)), {"storage": S3}, "SecretMissing", "bucket-keys"),
        (
            Observed((), secrets=(SecretState("bucket-keys", True, ("AWS_ACCESS_KEY_ID",)),)),
            {"storage": S3}, "SecretKeyMissing", "AWS_ACCESS_KEY_ID",
        ),
        (Observed((deployment(),)), {}, "Reconciling", "not bound yet"),
        (Observed((deployment(), claim("Pending", 59, storageClassName="gp3"))), {}, "Reconciling", "not bound yet"),
        (Observed((deployment(), claim("Pending", storageClassName="gp3"))), {}, "VolumePending", "StorageClass"),
        (Observed((deployment(), claim("Lost", 0, storageClassName="gp3"))), {}, "VolumePending", "is Lost"),
        (Observed((deployment(), claim("Pending", 0))), {}, "VolumePending", "StorageClass"),
        (Observed((), ("Service/notes",)), {}, "ForeignObject", "Service/notes"),
        (healthy(), {"suspend": True}, "Suspended", "data is kept"),
        (
            Observed((deployment(ready=0), claim()), pods=(pod(waiting="ImagePullBackOff: no such image"),)),
            {}, "PodsFailing", "no such image",
        ),
        (
            Observed((deployment(ready=0), claim()), pods=(pod({}, waiting="ErrImagePull: no such image"),)),
            {}, "PodsFailing", "no such image",
        ),
        (Observed((deployment(ready=0), claim()), pods=(pod({}),)), {}, "ModelLoading", "no pod has reported"),
        (Observed((deployment(wanted=1, ready=0), claim()), pods=(pod(),)), {}, "PodsNotReady", "0 of 1"),
        (
            Observed((deployment(), claim()), pods=(
                pod({**GOOD, "storage": {"ok": False, "reason": "StorageUnwritable", "message": "no space left"}}),
            )),
            {}, "StorageUnwritable", "no space left",
        ),
        (
            Observed((deployment(), claim()), pods=(
                pod({**GOOD, "embedding": {"ok": False, "reason": "ModelNotFound", "message": "acme/x: nowhere"}}),
            )),
            {}, "ModelNotFound", "acme/x",
        ),
        (
            Observed(()), {"storage": {"lanceDBCloud": {"uri": "db://x", "apiKeySecretName": "k"}}},
            "NotInForce", "storage.lanceDBCloud.journal is missing",
        ),
    ],
)  # fmt: skip
def test_ready_names_the_cause(observed: Observed, spec: dict[str, Any], reason: str, words: str) -> None:
    ready = ready_of(status_of(observed, **spec))
    assert (ready["status"], ready["reason"]) == ("False", reason)
    assert words in ready["message"]


def test_a_reason_that_nobody_knows_is_passed_on_as_words_only() -> None:
    check = {"ok": False, "reason": "drop table", "message": "odd"}
    ready = ready_of(status_of(Observed((deployment(), claim()), pods=(pod({**GOOD, "embedding": check}),))))
    assert (ready["reason"], ready["message"]) == ("ModelLoading", "odd")


def test_what_is_not_in_force_is_named_while_ready() -> None:
    ready = ready_of(status_of(healthy(), retrieval={"planning": "Auto"}))
    assert ready["message"] == "the store answers; not yet in force: retrieval.planning (llm.mode is Rules)"


def test_a_failed_pass_says_why() -> None:
    failure = (False, Reason.FORBIDDEN, "PATCH /apis/apps: 403: cannot patch deployments")
    assert ready_of(status_of(healthy(), failure=failure))["reason"] == "Forbidden"


def test_a_pass_that_saw_nothing_leaves_what_was_known() -> None:
    before = status_of(healthy())
    failure = (False, Reason.API_ERROR, "GET /apis/apps: 503")
    blind = build_status(Findings(make_store(), Observed(()), failure), 4, before, NOW + timedelta(hours=1))
    after = keep_known(blind, before)
    assert (ready_of(after)["reason"], after["observedGeneration"]) == ("ApiError", 4)
    known = {found["type"]: found for found in before["conditions"] if found["type"] != "Ready"}
    assert {found["type"]: found for found in after["conditions"] if found["type"] != "Ready"} == known
    assert (after["replicas"], after["cost"]) == (before["replicas"], before["cost"])


def test_a_spec_that_cannot_be_read_takes_no_condition_away() -> None:
    verdict = (False, Reason.INVALID_SPEC, "spec.tier: unknown")
    first = build_failed_status(verdict, 1, {}, NOW)
    told = {found["type"]: (found["status"], found["reason"]) for found in first["conditions"]}
    assert told.pop("Ready") == ("False", "InvalidSpec")
    assert told == dict.fromkeys(("StorageReady", "EmbeddingReady", "RetrievalReady"), ("Unknown", "Reconciling"))
    before = status_of(healthy())
    later = build_failed_status(verdict, 4, before, NOW + timedelta(hours=1))
    rest = [found for found in before["conditions"] if found["type"] != "Ready"]
    assert sorted((found for found in later["conditions"] if found["type"] != "Ready"), key=str) == sorted(
        rest, key=str
    )


def test_times_alone_are_no_news() -> None:
    before = status_of(healthy())
    later = build_status(Findings(make_store(), healthy()), 3, {"cost": before["cost"]}, NOW + timedelta(hours=1))
    assert later != before
    assert not is_news(later, before)


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    before = status_of(healthy())
    later = build_status(Findings(make_store(), healthy()), 4, before, NOW + timedelta(hours=1))
    assert ready_of(later)["lastTransitionTime"] == "2026-03-01T12:00:00Z"
    assert is_news(later, before)


def test_conditions_of_others_are_no_news() -> None:
    before = status_of(healthy())
    foreign = {"type": "Audited", "status": "True", "lastTransitionTime": "x", "reason": "R", "message": ""}
    assert not is_news(status_of(healthy()), {**before, "conditions": [*before["conditions"], foreign]})


def test_the_last_known_figures_stand_between_two_pods() -> None:
    before = status_of(healthy(entries=7))
    assert status_of(Observed((deployment(), claim())), before)["entries"] == 7


def test_a_spec_that_cannot_be_read_keeps_what_was_known() -> None:
    before = status_of(healthy(entries=7))
    status = build_failed_status((False, Reason.INVALID_SPEC, "spec.tier: wrong"), 9, before, NOW)
    assert (status["entries"], status["observedGeneration"], ready_of(status)["reason"]) == (7, 9, "InvalidSpec")


def test_the_event_tells_the_reason_on_the_store() -> None:
    manifest = make_manifest()
    manifest["metadata"]["uid"] = "u"
    event = build_event(manifest, {"status": "False", "reason": "SecretMissing", "message": "m" * 2000}, NOW)
    assert (event["type"], event["reason"]) == ("Warning", "SecretMissing")
    assert event["involvedObject"]["name"] == "notes"
    assert len(event["message"]) <= 1024


def test_a_request_id_at_the_end_of_a_message_is_no_news() -> None:
    def refused(request: str) -> Observed:
        message = f"bucket 'memories' refuses: the server answered 403 Forbidden to a PUT, request {request}"
        check = {"ok": False, "reason": "BucketRefused", "message": message}
        return Observed((deployment(), claim()), pods=(pod({**GOOD, "storage": check}),))

    before = status_of(refused("1"))
    assert not is_news(status_of(refused("2"), before), before)
    assert is_news(status_of(healthy(), before), before)


def condition(status: dict[str, Any], kind: str) -> tuple[str, str]:
    found = next(found for found in status["conditions"] if found["type"] == kind)
    return found["status"], found["reason"]


def test_an_index_that_stays_behind_leaves_the_store_ready() -> None:
    behind = Observed(
        (deployment(), claim()), pods=(pod(GOOD, "", index_behind_seconds=0), pod(index_behind_seconds=60))
    )
    status = status_of(behind)
    assert condition(status, "IndexHealthy") == ("False", "IndexBehind")
    assert ready_of(status)["status"] == "True"
    broken = {**GOOD, "index": {"ok": False, "reason": "Reconciling", "message": "the index is damaged"}}
    assert condition(status_of(Observed((), pods=(pod(broken),))), "IndexHealthy") == ("False", "IndexBehind")
    assert condition(status_of(Observed(())), "IndexHealthy") == ("Unknown", "Reconciling")


def test_a_pod_that_starts_has_no_index_behind() -> None:
    starting = {name: {"ok": False, "reason": "Reconciling", "message": STARTING} for name in GOOD}
    status = status_of(Observed((), pods=(pod(starting),)))
    assert condition(status, "IndexHealthy") == ("Unknown", "Reconciling")
    status = status_of(Observed((), pods=(pod(GOOD, "", index_behind_seconds=0), pod(starting))))
    assert condition(status, "IndexHealthy") == ("True", "IndexFollows")


def test_the_fit_of_the_tier_stands_between_two_pods_and_not_after_a_change_of_tier() -> None:
    before = status_of(healthy(week_days=7, week_turns=70_000, week_queries=0))
    assert condition(before, "TierFits") == ("False", "TierTooSmall")
    assert condition(status_of(Observed((deployment(), claim())), before), "TierFits") == ("False", "TierTooSmall")
    assert condition(status_of(Observed(()), before, tier="Hybrid"), "TierFits") == ("Unknown", "LoadUnknown")


def test_stored_bytes_are_news_only_beyond_a_drift() -> None:
    before = status_of(healthy(storage_bytes=1000, entries=5))
    assert status_of(healthy(storage_bytes=1049, entries=6), before)["storageBytes"] == 1000
    assert status_of(healthy(storage_bytes=1051, entries=6), before)["storageBytes"] == 1051
    assert status_of(healthy(storage_bytes=900, entries=6), before)["storageBytes"] == 900


def test_stored_bytes_of_a_store_without_news_must_differ_by_more() -> None:
    before = status_of(healthy(storage_bytes=1000, entries=5))
    assert status_of(healthy(storage_bytes=4_000_000, entries=5), before)["storageBytes"] == 1000
    assert status_of(healthy(storage_bytes=5_000_000, entries=5), before)["storageBytes"] == 5_000_000


def test_a_deployment_that_somebody_annotates_stays_ready_until_its_controller_has_looked() -> None:
    before = status_of(healthy())
    annotated = Observed((deployment(waiting_generation=2), claim()), pods=(pod(),))
    assert status_of(annotated, before) == before
    # A new generation of the store is another matter: what was true of the old pods says nothing of the new ones.
    edited = build_status(Findings(make_store(), annotated), 4, before, NOW)
    assert ready_of(edited)["reason"] == "PodsNotReady"


def test_pods_that_the_autoscaler_asks_for_do_not_make_a_store_unready() -> None:
    limits = {"storage": S3, "autoscaling": {"minReplicas": 2, "maxReplicas": 4}}

    def judged(wanted: int, ready: int, updated: int) -> dict[str, Any]:
        grown = deployment(wanted=wanted, ready=ready)
        grown["status"]["updatedReplicas"] = updated
        status = status_of(Observed((grown,), pods=(pod(),)), **limits)
        return next(found for found in status["conditions"] if found["type"] == "RetrievalReady")

    assert (judged(4, 2, 4)["status"], judged(4, 2, 4)["message"]) == ("True", "2 of 4 pods answer")
    assert judged(2, 1, 2)["status"] == "False"
    # A roll is over when no pod of before is left.
    assert judged(4, 4, 3)["status"] == "False"
