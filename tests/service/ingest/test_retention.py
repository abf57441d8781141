"""What a store forgets: by age, by not being found, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simplemem_api.resolved import ResolvedRetention
from simplemem_service.errors import LeaseLostError, StorageUnavailableError
from simplemem_service.health import Health
from simplemem_service.ingest import retention
from simplemem_service.ingest.retention import Retention
from simplemem_service.ingest.used_days import FOLDER, UsedDays, UsedDaysReader, digest
from simplemem_service.models.entry import CANARY_USER, EmbeddedEntry
from simplemem_service.storage.local_blobs import LocalBlobStore
from tests.support.entries import NOON, make_entry, unit_vector
from tests.support.memory import Memory

DAY = timedelta(days=1)
HEALTH = Health((), ())


class Forgetting:
    """A store that forgets, and its time."""

    def __init__(self, memory: Memory, monkeypatch: pytest.MonkeyPatch, **days: int | None) -> None:
        self.memory = memory
        self.now = NOON
        self.may_write = True
        monkeypatch.setattr(retention, "INTERVAL", timedelta(0))
        monkeypatch.setattr(retention, "AGAIN", timedelta(0))
        settings = ResolvedRetention(**{"max_age_days": None, "unused_days": None, **days})
        self.chore = Retention(
            memory.storage, memory.journal, memory.blobs, memory.metrics, settings, check=self.check, clock=self.clock
        )
        self.used = UsedDays(memory.blobs, self.clock)

    def clock(self) -> datetime:
        return self.now

    def check(self) -> None:
        if not self.may_write:
            raise LeaseLostError("another process writes")

    async def hold(self, *ages: int, **fields: object) -> None:
        """Entries that were first held some days ago, numbered by their age."""
        await self.memory.worker.run_once()
        made = [make_entry(age, created_at=self.now - age * DAY, **fields) for age in ages]
        vector = unit_vector(1, self.memory.embedding.dimension)
        await self.memory.storage.add_entries([EmbeddedEntry(one.entry, vector, (vector,)) for one in made])

    async def pass_over(self, after: timedelta = timedelta(0)) -> set[str]:
        """What is left once time has passed and the writer has worked."""
        self.now += after
        await self.chore.step(HEALTH)
        while await self.memory.worker.run_once():
            pass
        return {text.removeprefix("text ") for text in await self.memory.texts()}

    def forgotten(self, rule: str) -> float:
        name = "simplemem_forgotten_entries_total"
        return self.memory.metrics.registry.get_sample_value(name, {"rule": rule}) or 0


async def test_entries_of_some_age_go_as_if_a_caller_had_removed_them(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Forgetting(memory, monkeypatch, max_age_days=30)
    await store.hold(29, 30, 31)
    # Said long ago, held since today: age is what counts, and an import is no reason to forget.
    await store.hold(0, timestamp=NOON - 900 * DAY)
    assert await store.pass_over() == {"29", "30", "0"}
    assert store.forgotten("maxAgeDays") == 1
    revisions = await memory.storage.history("entry-000031")
    assert [str(revision.change) for revision in revisions] == ["Deleted"]
    assert await store.pass_over(DAY) == {"29", "0"}


async def test_what_is_found_stays_and_what_is_not_goes(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Forgetting(memory, monkeypatch, unused_days=10)
    await store.hold(1, 2, 50)
    # Nobody knows what was found before it was looked for.
    assert await store.pass_over() == {"1", "2", "50"}
    assert await store.pass_over(9 * DAY) == {"1", "2", "50"}
    store.used.note(["entry-000050"])
    await store.used.flush()
    assert await store.pass_over(DAY) == {"1", "2", "50"}
    assert await store.pass_over(DAY) == {"50"}
    assert store.forgotten("unusedDays") == 2
    assert await store.pass_over(8 * DAY) == {"50"}
    assert await store.pass_over(DAY) == set()


async def test_the_first_rule_that_holds_removes(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Forgetting(memory, monkeypatch, unused_days=5, max_age_days=20)
    await store.hold(1, 25)
    assert await store.pass_over() == {"1"}
    assert await store.pass_over(6 * DAY) == set()
    assert (store.forgotten("maxAgeDays"), store.forgotten("unusedDays")) == (1, 1)


async def test_a_look_goes_on_where_its_last_page_ended_and_removes_so_many_at_once(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PAGE", 3)
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    monkeypatch.setattr(retention, "MOST", 5)
    store = Forgetting(memory, monkeypatch, max_age_days=30)
    woken: list[None] = []
    store.chore.on_ready = lambda: woken.append(None)
    await store.hold(*range(31, 39), 1)
    # In the order of the table: the youngest first here, three of a page and two of the next.
    assert len(await store.pass_over()) == 6
    assert len(await store.pass_over()) == 4
    assert woken
    assert len(await store.pass_over()) <= 4
    while (left := await store.pass_over()) != {"1"}:
        assert "1" in left


async def test_nothing_is_forgotten_by_who_may_not_write_and_nothing_of_the_checks(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Forgetting(memory, monkeypatch, max_age_days=30)
    await store.hold(40)
    await store.hold(41, user_id=CANARY_USER)
    store.may_write = False
    assert await store.pass_over() == {"40"}
    store.may_write = True
    assert await store.pass_over() == set()
    assert await memory.texts(CANARY_USER) == ["text 41"]


async def test_a_failure_holds_up_nothing_and_is_made_good(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Forgetting(memory, monkeypatch, max_age_days=30)
    await store.hold(40)

    async def refuse(*_: object, **__: object) -> list[object]:
        raise StorageUnavailableError("away")

    with monkeypatch.context() as broken:
        broken.setattr(memory.storage, "entries_created_before", refuse)
        assert await store.pass_over() == {"40"}
    assert await store.pass_over() == set()


async def test_a_store_that_no_longer_asks_for_it_drops_the_days(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Forgetting(memory, monkeypatch, unused_days=10)
    await store.hold(50)
    assert await store.pass_over() == {"50"}
    store.used.note(["entry-000050"])
    await store.used.flush()
    silent = Forgetting(memory, monkeypatch)
    assert await silent.pass_over(100 * DAY) == {"50"}
    assert await memory.blobs.list_names(FOLDER) == []
    again = Forgetting(memory, monkeypatch, unused_days=10)
    again.now = silent.now
    assert await again.pass_over() == {"50"}


async def test_days_of_all_pods_are_laid_together_and_old_ones_dropped(tmp_path: Path) -> None:
    blobs, now = LocalBlobStore(tmp_path), NOON
    pods: list[UsedDays] = [UsedDays(blobs, lambda: now) for _ in range(3)]
    reader = UsedDaysReader(blobs)
    today: Callable[[], int] = lambda: now.date().toordinal()  # noqa: E731 - two words
    pods[0].note(["a", "b"])
    pods[1].note(["b"])
    for pod in pods:
        await pod.flush()
    first = today()
    now += 3 * DAY
    pods[2].note(["b", "c"])
    pods[2].note(["c"])
    await pods[2].flush()
    await pods[2].flush()
    found = await reader.last_days((NOON - DAY).date())
    assert found == {digest("a"): first, digest("b"): first + 3, digest("c"): first + 3}
    (merged,) = await blobs.list_names(FOLDER)
    assert merged.startswith("merged.")
    assert await reader.last_days((NOON - DAY).date()) == found
    assert await reader.last_days((NOON + DAY).date()) == {digest("b"): first + 3, digest("c"): first + 3}


async def test_what_could_not_be_written_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = LocalBlobStore(tmp_path)
    used = UsedDays(blobs, lambda: datetime(2026, 3, 1, tzinfo=UTC))
    used.note(["a"])

    async def refuse(name: str, data: bytes) -> bool:
        raise StorageUnavailableError("away")

    with monkeypatch.context() as broken:
        broken.setattr(blobs, "put_new", refuse)
        await used.flush()
    assert await blobs.list_names(FOLDER) == []
    await used.flush()
    assert len(await blobs.list_names(FOLDER)) == 1
