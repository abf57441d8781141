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
    looks: str = ""
    """From one look at the rules to the next, where that is not the step."""


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


def bad(slo: str, *parts: tuple[int, int]) -> dict[str, str]:
    """What counts as bad: in each part every so manieth step of 30 seconds, none for 0, for so many steps."""
    values = [("1" if every and step % every == 0 else "0") for every, steps in parts for step in range(steps)]
    return {f'simplemem:slo_bad:bool{{namespace="team-a",store="notes",slo="{slo}"}}': " ".join(values)}


def searches(*parts: tuple[int, int, int]) -> dict[str, str]:
    """Counters of searches: in each part so many a step, and so many of them quick, for so many steps."""
    rows: dict[str, list[int]] = {"count": [0], "quick": [0]}
    for count, quick, steps in parts:
        for name, grows in (("count", count), ("quick", quick)):
            rows[name] += [rows[name][-1] + grows * (step + 1) for step in range(steps)]
    return {
        of_store("simplemem_retrieve_seconds_count"): " ".join(map(str, rows["count"])),
        of_store("simplemem_retrieve_seconds_bucket", le="0.25"): " ".join(map(str, rows["quick"])),
    }


def burning(
    alert: str, slo: str, fires: dict[str, str], after: tuple[str, str], *, healthy: dict[str, str], looks: str
) -> Case:
    """An objective that is missed over long windows."""
    severity, step = "critical" if alert.endswith("Fast") else "warning", "5m" if slo == "search" else "30s"
    return Case(alert, fires, *after, {**STORE, "slo": slo}, severity, healthy, step=step, looks=looks)


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
    # What one hour bears and six do not; silent where the last half hour was good.
    *(
        burning(
            "SimpleMemErrorBudgetBurnsFast", slo, bad(slo, (every, 600)), after,
            healthy=bad(slo, (1, 50), (0, 550)), looks="10m",
        )
        # 22 and 44 bad steps are more than 6 times the budget of six hours, which have 720.
        for slo, every, after in (("availability", 20, ("3h20m", "3h40m")), ("freshness", 10, ("3h30m", "3h50m")))
    ),
    burning(
        "SimpleMemErrorBudgetBurnsFast", "search", searches((100, 100, 72), (100, 60, 72)), ("10h30m", "11h"),
        healthy=searches((100, 60, 120), (100, 100, 24)), looks="10m",
    ),
    Case(
        "SimpleMemErrorBudgetBurnsFast", {of_store("simplemem_oldest_pending_seconds"): f"300x{LONG}"}, "9m", "12m",
        {**STORE, "slo": "freshness"},
        # Eight minutes, less than 14.4 times the budget of an hour.
        healthy={of_store("simplemem_oldest_pending_seconds"): f"300x15 0x{LONG}"},
    ),
    # What one day bears and three do not; silent where the last six hours were good.
    *(
        burning(
            "SimpleMemErrorBudgetBurnsSlowly", slo, bad(slo, (every, 5000)), ("35h30m", "36h30m"),
            healthy=bad(slo, (1, 100), (0, 4900)), looks="30m",
        )
        # 44 and 87 bad steps are more than the budget of three days, which have 8,640.
        for slo, every in (("availability", 100), ("freshness", 50))
    ),
    burning(
        "SimpleMemErrorBudgetBurnsSlowly", "search", searches((100, 100, 864), (100, 86, 400)), ("97h", "99h"),
        healthy=searches((100, 100, 720), (100, 86, 360), (100, 100, 108)), looks="30m",
    ),
    # What one day does not bear, in three that had many more quick searches before.
    burning(
        "SimpleMemErrorBudgetBurnsSlowly", "search", searches((1000, 1000, 576), (10, 8, 300)), ("71h", "73h"),
        healthy=searches((1000, 1000, 576), (10, 8, 276), (10, 10, 24)), looks="30m",
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
