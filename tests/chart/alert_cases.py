"""For each alert: series under which it must fire and after how long, and series under which it must stay silent.

A series is written in the notation of `promtool test rules`: `1x40` is 1 and forty times more, `0+3x40` grows by 3 a
step. A step is 30 seconds where a case says nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field

STORE = {"namespace": "team-a", "store": "notes"}
OPERATOR = {"job": "simplemem-operator", "instance": "a"}
LONG = 120
"""Steps of an hour."""


@dataclass(frozen=True)
class Case:
    """An alert that fires."""

    alert: str
    fires: dict[str, str]
    """Values by series under which it fires."""
    silent_at: str
    """When it must not fire yet."""
    fires_at: str
    """When it must."""
    labels: dict[str, str] = field(default_factory=lambda: STORE)
    """Labels that tell what it is about."""
    severity: str = "critical"
    healthy: dict[str, str] = field(default_factory=dict)
    """Values by series under which it is silent at `fires_at`."""
    annotations: dict[str, str] = field(default_factory=dict)
    """What it says at `fires_at`, without its link; where empty, that is not checked."""
    step: str = "30s"
    """From one value, and one look at the rules, to the next."""


def condition(kind: str, status: str, reason: str = "X") -> str:
    """Series of a store's condition."""
    labels = f'namespace="team-a",name="notes",type="{kind}",status="{status}",reason="{reason}"'
    return f"simplemem_operator_store_condition{{{labels}}}"


def of_store(name: str, **more: str) -> str:
    """Series of a store's pod."""
    labels = {**STORE, "pod": "notes-retrieval-x", **more}
    inner = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{name}{{{inner}}}"


def of_operator(name: str, **more: str) -> str:
    """Series of the operator."""
    inner = ",".join(f'{key}="{value}"' for key, value in {**OPERATOR, **more}.items())
    return f"{name}{{{inner}}}"


def on_condition(
    alert: str,
    kind: str,
    after: tuple[str, str],
    *,
    severity: str = "critical",
    reason: str = "X",
    good: str = "",
    step: str = "30s",
) -> Case:
    """An alert on a condition that does not hold; silent where it holds, and for the reason `good`."""
    healthy = condition(kind, "False", good) if good else condition(kind, "True")
    bad = {condition(kind, "False", reason): STAYS}
    return Case(alert, bad, *after, severity=severity, healthy={healthy: STAYS}, step=step)


def expiring(alert: str, metric: str, about: dict[str, str], *, says: list[tuple[str, str]]) -> list[Case]:
    """An alert on what expires: soon, from a day of silence on, and minutes ago; silent where it lasts."""
    series, labels = of_store(metric, **about), {**STORE, **about}
    soon, gone = ({"summary": summary, "description": text} for summary, text in says)
    lasts = {series: f"{366 * DAY}x{LONG}"}
    days = 7 if "token" in about else 14
    return [
        Case(
            alert, {series: f"{(days + 1) * DAY}x{LONG}"}, "23h30m", "26h", labels, "warning", lasts,
            annotations=soon, step="30m",
        ),
        Case(alert, {series: f"60x{LONG}"}, "4m", "6m", labels, "warning", lasts, annotations=gone),
    ]  # fmt: skip


DAY = 86_400
"""In seconds."""
LAST_BACKUP = 'simplemem_operator_store_last_backup_timestamp_seconds{namespace="team-a",name="notes"}'
STAYS, GROWS = f"1x{LONG}", f"0+1x{LONG}"

CASES = [
    on_condition("SimpleMemStoreNotReady", "Ready", ("9m", "11m"), reason="PodsFailing", good="Suspended"),
    on_condition(
        "SimpleMemSpecNotInForce", "Ready", ("9m", "11m"),
        severity="warning", reason="SecretMissing", good="PodsFailing",
    ),
    on_condition("SimpleMemStorageFailing", "StorageReady", ("4m", "6m"), good="MigrationRequired"),
    on_condition("SimpleMemEmbeddingFailing", "EmbeddingReady", ("4m", "6m"), good="ModelLoading"),
    on_condition("SimpleMemWritePathStale", "WritePathHealthy", ("30s", "2m")),
    on_condition("SimpleMemIngestFailing", "IngestHealthy", ("4m", "6m")),
    on_condition("SimpleMemPlanNearlyFull", "WithinPlan", ("4m", "6m"), severity="warning"),
    on_condition("SimpleMemBackupFailed", "BackupSucceeded", ("4m", "6m")),
    on_condition("SimpleMemBudgetExceeded", "WithinBudget", ("4m", "6m"), severity="warning"),
    on_condition("SimpleMemTierDoesNotFit", "TierFits", ("23h", "25h"), severity="info", step="15m"),
    Case(
        "SimpleMemWritePathUnproven",
        {of_store("simplemem_canary_last_success_timestamp_seconds"): f"60x{LONG}"},
        "30m", "35m",
        healthy={
            of_store("simplemem_canary_last_success_timestamp_seconds"): f"0x{LONG}",
            of_store("simplemem_canary_last_success_timestamp_seconds", pod="b"): f"0+30x{LONG}",
        },
    ),
    Case(
        "SimpleMemQueueOld", {of_store("simplemem_oldest_pending_seconds"): f"601x{LONG}"}, "4m", "6m",
        severity="warning", healthy={of_store("simplemem_oldest_pending_seconds"): f"599x{LONG}"},
    ),
    Case(
        "SimpleMemIndexLagging", {of_store("simplemem_index_lag_rows"): f"7x{LONG}"}, "4m", "22m",
        {**STORE, "pod": "notes-retrieval-x"}, "warning",
        # An import: behind again and again, and caught up in between.
        healthy={of_store("simplemem_index_lag_rows"): " ".join(["500x10 0"] * 10)},
    ),
    Case(
        "SimpleMemOperationsFailing", {of_store("simplemem_failed_operations_total"): f"0x10 1x{LONG}"}, "4m", "6m",
        severity="warning", healthy={of_store("simplemem_failed_operations_total"): f"5x{LONG}"},
    ),
    Case(
        "SimpleMemJournalDamaged", {of_store("simplemem_damaged_segments_total"): f"0x10 1x{LONG}"}, "4m", "6m",
        healthy={of_store("simplemem_damaged_segments_total"): f"0x{LONG}"},
    ),
    Case(
        "SimpleMemTurnsDegraded", {of_store("simplemem_degraded_turns_total"): f"0x10 40x{LONG}"}, "4m", "6m",
        severity="warning", healthy={of_store("simplemem_degraded_turns_total"): f"40x{LONG}"},
    ),
    Case(
        "SimpleMemModelCallsFailing", {of_store("simplemem_llm_errors_total", model="m", code="LlmError"): GROWS},
        "3m", "15m", {**STORE, "model": "m"}, "warning",
        healthy={of_store("simplemem_llm_errors_total", model="m", code="LlmError"): f"0x10 3x{LONG}"},
    ),
    Case(
        "SimpleMemCacheFailing", {of_store("simplemem_cache_errors_total"): f"0+10x{LONG}"}, "1m", "12m",
        severity="warning", healthy={of_store("simplemem_cache_errors_total"): f"0x10 9x{LONG}"},
    ),
    Case(
        "SimpleMemPodNotScraped", {of_store("up", job="simplemem-store"): f"0x{LONG}"}, "9m", "11m",
        {**STORE, "pod": "notes-retrieval-x"}, "warning", {of_store("up", job="simplemem-store"): STAYS},
    ),
    Case(
        "SimpleMemBackupOld",
        {LAST_BACKUP: STAYS},
        "49h", "51h", severity="warning", step="30m",
        healthy={LAST_BACKUP: "0+1800x120"},
    ),
    *expiring(
        "SimpleMemTokenExpires", "simplemem_token_expiry_timestamp_seconds", {"token": "ci"},
        says=[
            (
                "Token ci of team-a/notes expires soon.",
                "It expires in 6d 22h 0m 0s; from then on whoever sends it is answered 401 TokenExpired.",
            ),
            (
                "Token ci of team-a/notes has expired.",
                "It expired 5m 0s ago; whoever still sends it is answered 401 TokenExpired.",
            ),
        ],
    ),
    *expiring(
        "SimpleMemCertificateExpires", "simplemem_certificate_expiry_timestamp_seconds",
        {"endpoint": "minio.example:9000"},
        says=[
            (
                "The certificate of minio.example:9000, which team-a/notes uses, expires soon.",
                "It expires in 13d 22h 0m 0s; from then on whoever checks it refuses the connection.",
            ),
            (
                "The certificate of minio.example:9000, which team-a/notes uses, has expired.",
                "It expired 5m 0s ago; whoever checks it refuses the connection.",
            ),
        ],
    ),
    Case(
        "SimpleMemBackupMissing", {condition("BackupSucceeded", "Unknown", "NoBackupYet"): STAYS},
        "49h", "51h", severity="warning", step="30m",
        healthy={
            condition("BackupSucceeded", "Unknown", "Suspended"): STAYS,
            condition("BackupSucceeded", "True", "BackedUp"): STAYS,
        },
    ),
    Case(
        "SimpleMemErrorBudgetBurnsFast", {condition("Ready", "False", "PodsFailing"): STAYS}, "3m", "12m",
        {**STORE, "slo": "availability"}, healthy={condition("Ready", "True"): STAYS},
    ),
    Case(
        "SimpleMemErrorBudgetBurnsFast",
        {
            of_store("simplemem_retrieve_seconds_bucket", le="0.25"): f"0+1x{LONG}",
            of_store("simplemem_retrieve_seconds_count"): f"0+10x{LONG}",
        },
        "1m", "1h", {**STORE, "slo": "search"},
        healthy={
            of_store("simplemem_retrieve_seconds_bucket", le="0.25"): f"0+98x{LONG}",
            of_store("simplemem_retrieve_seconds_count"): f"0+100x{LONG}",
        },
    ),
    Case(
        "SimpleMemErrorBudgetBurnsSlowly", {of_store("simplemem_oldest_pending_seconds"): "300x120 0x60"},
        "50m", "1h10m", {**STORE, "slo": "freshness"}, "warning",
        {of_store("simplemem_oldest_pending_seconds"): "300x40 0x140"},
    ),
    Case(
        "SimpleMemOperatorDown", {of_operator("up"): f"0x{LONG}"}, "4m", "6m", {},
        healthy={of_operator("up"): STAYS},
    ),
    Case(
        "SimpleMemOperatorStalled",
        {
            of_operator("simplemem_operator_reconcile_seconds_count"): f"7x{LONG}",
            of_operator("simplemem_operator_stores"): STAYS,
        },
        "4m", "21m", OPERATOR,
        healthy={
            of_operator("simplemem_operator_reconcile_seconds_count"): f"7x{LONG}",
            of_operator("simplemem_operator_stores"): f"0x{LONG}",
        },
    ),
    Case(
        "SimpleMemReconcileErrors", {of_operator("simplemem_operator_reconcile_errors_total", error="ApiError"): GROWS},
        "8m", "20m", {**OPERATOR, "error": "ApiError"}, "warning",
        {of_operator("simplemem_operator_reconcile_errors_total", error="ApiError"): f"0x10 2x{LONG}"},
    ),
    Case(
        "SimpleMemReconcileSlow",
        {
            of_operator("simplemem_operator_reconcile_seconds_bucket", le="10"): f"0x{LONG}",
            of_operator("simplemem_operator_reconcile_seconds_bucket", le="30"): GROWS,
            of_operator("simplemem_operator_reconcile_seconds_bucket", le="+Inf"): GROWS,
        },
        "14m", "17m", OPERATOR, "warning",
        {
            of_operator("simplemem_operator_reconcile_seconds_bucket", le="10"): GROWS,
            of_operator("simplemem_operator_reconcile_seconds_bucket", le="30"): GROWS,
            of_operator("simplemem_operator_reconcile_seconds_bucket", le="+Inf"): GROWS,
        },
    ),
    Case(
        "SimpleMemWatchErrors", {of_operator("simplemem_operator_watch_errors_total", kind="Pod", error="E"): GROWS},
        "5m", "18m", {**OPERATOR, "kind": "Pod"}, "warning",
        {of_operator("simplemem_operator_watch_errors_total", kind="Pod", error="E"): f"0x10 9x{LONG}"},
    ),
    Case(
        "SimpleMemOperatorWriteLoop",
        {
            of_operator("simplemem_operator_api_writes_total", verb="patch", kind="Deployment"): f"0+60x{LONG}",
            of_operator("simplemem_operator_stores"): f"10x{LONG}",
        },
        "29m", "40m", OPERATOR, "warning",
        {
            of_operator("simplemem_operator_api_writes_total", verb="patch", kind="Deployment"): f"0+60x{LONG}",
            of_operator("simplemem_operator_stores"): f"1000x{LONG}",
        },
    ),
    Case(
        "SimpleMemTwoOperators",
        {
            'simplemem_operator_store_ready{namespace="team-a",name="notes",instance="a"}': STAYS,
            'simplemem_operator_store_ready{namespace="team-a",name="notes",instance="b"}': STAYS,
        },
        "9m", "11m",
        healthy={
            'simplemem_operator_store_ready{namespace="team-a",name="notes",instance="a"}': STAYS,
            'simplemem_operator_store_ready{namespace="team-a",name="other",instance="b"}': STAYS,
        },
    ),
]  # fmt: skip
