"""The budget is for the whole month's cost: machines and storage count as the operator tells them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simplemem_api.memory_spec import BudgetAction
from simplemem_api.resolved import ResolvedBudget
from simplemem_service.config import read_config
from simplemem_service.llm.budget import Budget, Verdict
from simplemem_service.llm.ledger import Ledger, Usage
from simplemem_service.llm.machines import Machines
from simplemem_service.storage.local_blobs import LocalBlobStore
from tests.service.llm.conftest import MARCH
from tests.support.stores import make_store


def make_budget(folder: Path, action: BudgetAction) -> Budget:
    limit = ResolvedBudget.model_validate({"monthlyUsd": "70", "onExceeded": action})
    ledger = Ledger(LocalBlobStore(folder / "store"), "pod", clock=lambda: MARCH)
    return Budget(limit, ledger, Machines(folder / "month.json"))


def tell(folder: Path, usd: str, month: str = "2026-03") -> None:
    """What the operator writes."""
    (folder / "month.json").write_text(json.dumps({"month": month, "machinesUSD": usd}))


@pytest.mark.parametrize(
    ("action", "verdict"),
    [
        (BudgetAction.WARN, Verdict.ALL),
        (BudgetAction.CHEAPER_MODEL, Verdict.CHEAPEST),
        (BudgetAction.REJECT_WRITES, Verdict.NONE),
    ],
)
async def test_models_and_machines_together_reach_the_budget(
    tmp_path: Path, action: BudgetAction, verdict: Verdict, caplog: pytest.LogCaptureFixture
) -> None:
    budget = make_budget(tmp_path, action)
    await budget.record("m", Usage(calls=1, usd=5.0))
    tell(tmp_path, "64.99")
    assert (await budget.verdict(), (await budget.report())["exceeded"]) == (Verdict.ALL, False)
    # A new figure comes while the pod runs.
    tell(tmp_path, "65.00")
    assert (await budget.verdict(), (await budget.report())["exceeded"]) == (verdict, True)
    assert (await budget.report())["machines_usd"] == 65.0
    assert [record.message for record in caplog.records] == ["budget of the month is used up"]


async def test_the_figure_of_another_month_counts_nothing(tmp_path: Path) -> None:
    budget = make_budget(tmp_path, BudgetAction.REJECT_WRITES)
    tell(tmp_path, "99.00", "2026-02")
    assert await budget.verdict() is Verdict.ALL


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"month": "2026-03", "machinesUSD": "much"}'])
async def test_a_file_that_cannot_be_read_counts_nothing(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    budget = make_budget(tmp_path, BudgetAction.REJECT_WRITES)
    assert await budget.verdict() is Verdict.ALL
    assert not caplog.records
    (tmp_path / "month.json").write_text(text)
    assert await budget.verdict() is Verdict.ALL
    assert [record.message for record in caplog.records] == ["cost of the machines cannot be read"]


def test_the_file_lies_beside_the_settings(tmp_path: Path) -> None:
    settings = tmp_path / "store.json"
    settings.write_text(make_store().model_dump_json(by_alias=True))
    assert read_config({"SIMPLEMEM_STORE_FILE": str(settings)}).month_file == tmp_path / "month.json"
