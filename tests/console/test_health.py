"""The column of figures, with answers that a healthy store of today does not give put in by a proxy."""

from __future__ import annotations

import httpx
import pytest

from simplemem_service.api.plan import use_of
from simplemem_service.usage import Use, Week
from tests.console.conftest import Opener
from tests.console.proxy import PathProxy
from tests.support.stores import make_store


@pytest.mark.parametrize(
    ("turns", "verdict", "why"),
    [
        (10, "yes", "within what Minimal is for"),
        (115, "not decided", "Minimal or CostEffective will do"),
        (1_500, "no, take GPUAccelerated", "which needs storage.s3"),
    ],
)
def test_whether_the_tier_fits_is_what_the_condition_says(
    open_page: Opener, url: str, proxy: PathProxy, turns: int, verdict: str, why: str
) -> None:
    status = httpx.get(f"{url}v1/status").json()
    use = use_of(make_store(tier="Minimal"), Week(3, Use(turns=turns)))
    proxy.answers["/v1/status"] = (200, status | {"use": use.model_dump()})
    page = open_page(proxy.url)
    page.wait_text("#cost", f"Tier fits\n{verdict}")
    assert why in page.text("#tier-advice")
