"""Which changes a user is told of, once each."""

from __future__ import annotations

from typing import Any

import pytest

from simplemem_operator.events import due_events


def status(**conditions: tuple[str, str]) -> dict[str, Any]:
    found = [{"type": name, "status": truth, "reason": reason} for name, (truth, reason) in conditions.items()]
    return {"conditions": found}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, ("True", "Ready"), True),
        (None, ("False", "Reconciling"), False),
        (("False", "PodsNotReady"), ("True", "Ready"), True),
        (("False", "PodsNotReady"), ("False", "SecretMissing"), True),
        (("False", "SecretMissing"), ("False", "SecretMissing"), False),
        (("True", "Ready"), ("False", "Reconciling"), False),
        (None, ("False", "PodsNotReady"), False),
        (("False", "Reconciling"), ("False", "ModelLoading"), False),
        (("False", "ModelLoading"), ("False", "PodsFailing"), True),
        (("True", "Ready"), ("False", "PodsNotReady"), True),
        (("True", "Ready"), ("False", "ModelLoading"), True),
    ],
)
def test_each_change_of_ready_is_told_but_that_things_are_on_their_way(
    before: tuple[str, str] | None, after: tuple[str, str], told: bool
) -> None:
    previous = status(Ready=before) if before else {}
    assert bool(due_events(status(Ready=after), previous)) is told


@pytest.mark.parametrize("kind", ["TierFits", "WithinBudget", "WritePathHealthy", "IndexHealthy"])
@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, ("Unknown", "A"), False),
        (None, ("True", "A"), False),
        (None, ("False", "A"), True),
        (("Unknown", "A"), ("True", "B"), False),
        (("True", "A"), ("False", "B"), True),
        (("False", "B"), ("False", "B"), False),
        (("False", "B"), ("False", "C"), True),
        (("False", "B"), ("True", "A"), True),
        (("False", "B"), ("Unknown", "A"), False),
    ],
)
def test_what_ready_does_not_sum_up_is_told_when_it_turns(
    kind: str, before: tuple[str, str] | None, after: tuple[str, str], told: bool
) -> None:
    previous = status(**{kind: before}) if before else {}
    assert [found["type"] for found in due_events(status(**{kind: after}), previous)] == [kind] * told


def test_what_ready_sums_up_is_told_by_ready_alone() -> None:
    broken = ("False", "StorageUnwritable")
    found = due_events(status(Ready=broken, StorageReady=broken, IngestHealthy=("False", "IngestFailing")), {})
    assert [one["type"] for one in found] == ["Ready"]
