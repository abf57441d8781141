"""GPUs while there is much to embed, and none else: bounds, patience, and no change while nothing happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_api.resolved import ResolvedGpu
from simplemem_operator.models.observed import PodHealth
from simplemem_operator.models.scale import Backlog, EmbeddingScale
from simplemem_operator.scaling import (
    PROCESSOR_TEXTS,
    START_SECONDS,
    START_TURNS,
    TURNS_A_POD,
    desired_scale,
    read_backlog,
    read_state,
    seconds_until_idle,
)
from tests.support.stores import make_store

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
SINCE = "2026-05-04T12:00:00Z"
QUIET = Backlog(pending_turns=0, oldest_seconds=0, is_moving=True, texts_per_minute=0)
MUCH = replace(QUIET, pending_turns=2 * TURNS_A_POD)


def make_gpu(**gpu: Any) -> ResolvedGpu:
    found = make_store(tier="Hybrid", embedding={"gpu": {"maxReplicas": 3} | gpu}).embedding.gpu
    assert found is not None
    return found


GPU = make_gpu()
backlogs = st.builds(
    Backlog,
    pending_turns=st.integers(0, 10**7),
    oldest_seconds=st.integers(0, 10**6),
    is_moving=st.booleans(),
    texts_per_minute=st.integers(0, 10**6),
)
states = st.builds(
    EmbeddingScale,
    st.integers(0, 200),
    st.sampled_from(["", SINCE, "2026-05-04T11:54:59Z", "2027-01-01T00:00:00Z", "x"]),
)
gpus = st.builds(
    lambda least, more, idle: make_gpu(minReplicas=least, maxReplicas=least + more, idleSeconds=idle),
    st.integers(0, 5),
    st.integers(1, 5),
    st.integers(10, 86400),
)


@pytest.mark.parametrize(
    ("backlog", "before", "after"),
    [
        (QUIET, 0, 0),
        (replace(QUIET, pending_turns=START_TURNS - 1), 0, 0),
        (replace(QUIET, pending_turns=START_TURNS), 0, 1),
        (replace(QUIET, pending_turns=1, oldest_seconds=START_SECONDS), 0, 1),
        (replace(QUIET, pending_turns=1, oldest_seconds=START_SECONDS - 1), 0, 0),
        (replace(QUIET, pending_turns=TURNS_A_POD + 1), 0, 2),
        (replace(QUIET, pending_turns=100 * TURNS_A_POD), 0, 3),
        # Turns that wait for a language model that is away need no GPU.
        (replace(MUCH, oldest_seconds=3600, is_moving=False), 0, 0),
        # Pods that keep the backlog at nothing are needed all the same.
        (replace(QUIET, texts_per_minute=PROCESSOR_TEXTS + 1), 2, 2),
        (None, 2, 2),
    ],
)
def test_pods_come_with_the_backlog(backlog: Backlog | None, before: int, after: int) -> None:
    assert desired_scale(backlog, NOW, EmbeddingScale(before), GPU) == EmbeddingScale(after)


def test_pods_go_together_once_nothing_has_needed_them_for_long_enough() -> None:
    scale = desired_scale(MUCH, NOW, EmbeddingScale(0), GPU)
    assert scale == EmbeddingScale(2)
    scale = desired_scale(QUIET, NOW, scale, GPU)
    assert scale == EmbeddingScale(2, SINCE)
    assert seconds_until_idle(scale, NOW, GPU) == 300
    assert desired_scale(QUIET, NOW + timedelta(seconds=299), scale, GPU) == scale
    assert desired_scale(QUIET, NOW + timedelta(seconds=300), scale, GPU) == EmbeddingScale(0)
    assert seconds_until_idle(EmbeddingScale(0), NOW, GPU) is None


def test_work_in_between_begins_the_wait_anew() -> None:
    scale = desired_scale(QUIET, NOW, EmbeddingScale(2), GPU)
    busy = desired_scale(replace(QUIET, pending_turns=START_TURNS), NOW + timedelta(seconds=200), scale, GPU)
    assert busy == EmbeddingScale(2)
    later = NOW + timedelta(seconds=310)
    assert desired_scale(QUIET, later, busy, GPU) == EmbeddingScale(2, "2026-05-04T12:05:10Z")


@given(backlogs | st.none(), states, gpus)
def test_the_number_is_within_the_bounds_whatever_was_before(
    backlog: Backlog | None, state: EmbeddingScale, gpu: ResolvedGpu
) -> None:
    assert gpu.min_replicas <= desired_scale(backlog, NOW, state, gpu).replicas <= gpu.max_replicas


@given(backlogs | st.none(), states, gpus)
def test_the_same_found_twice_changes_nothing_the_second_time(
    backlog: Backlog | None, state: EmbeddingScale, gpu: ResolvedGpu
) -> None:
    once = desired_scale(backlog, NOW, state, gpu)
    assert desired_scale(backlog, NOW, once, gpu) in (once, replace(once, idle_since=SINCE))
    twice = desired_scale(backlog, NOW, once, gpu)
    assert desired_scale(backlog, NOW + timedelta(seconds=1), twice, gpu) == twice


@given(backlogs, states, gpus, st.integers(0, 10**6))
def test_more_that_waits_never_means_fewer_pods(
    backlog: Backlog, state: EmbeddingScale, gpu: ResolvedGpu, more: int
) -> None:
    larger = replace(backlog, pending_turns=backlog.pending_turns + more)
    assert desired_scale(larger, NOW, state, gpu).replicas >= desired_scale(backlog, NOW, state, gpu).replicas


@given(states, gpus)
def test_a_quiet_store_ends_with_the_fewest(state: EmbeddingScale, gpu: ResolvedGpu) -> None:
    scale, now = state, NOW
    for _ in range(3):
        scale = desired_scale(QUIET, now, scale, gpu)
        now += timedelta(seconds=gpu.idle_seconds)
    assert scale == EmbeddingScale(gpu.min_replicas)


def pod(component: str, *, ok: bool = True, **figures: int) -> PodHealth:
    return PodHealth(component, is_ready=True, checks={"ingest": {"ok": ok}}, figures=figures)


def test_the_backlog_is_what_the_writer_says() -> None:
    assert read_backlog([]) is None
    assert read_backlog([pod("retrieval", entries=3), pod("embedding", texts_per_minute=9)]) is None
    writer = pod("ingest", ok=False, pending_turns=7, oldest_pending_seconds=5)
    pods = [writer, pod("embedding", texts_per_minute=2), pod("embedding", texts_per_minute=3)]
    assert read_backlog(pods) == Backlog(7, 5, is_moving=False, texts_per_minute=5)
    assert read_backlog([pod("retrieval", pending_turns=7)]) == Backlog(7, 0, is_moving=True, texts_per_minute=0)


def test_the_state_stands_in_the_stateful_set() -> None:
    assert read_state(None, make_gpu(minReplicas=1)) == EmbeddingScale(1)
    live = {"metadata": {"annotations": {"simplemem.io/idle-since": SINCE}}, "spec": {"replicas": 2}}
    assert read_state(live, GPU) == EmbeddingScale(2, SINCE)
    assert read_state({"metadata": {}, "spec": {"replicas": 0}}, GPU) == EmbeddingScale(0)
