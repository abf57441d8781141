"""How many embedding pods a store should have: GPUs while there is much to embed, and none else. Pure.

Pods are added by what waits, and all that the spec does not keep go together once nothing has needed them for
`idleSeconds`; in between their number never falls, so that a backlog that ebbs and flows moves no node. The state is
the number of pods and the time since when they are idle. Both stand in the StatefulSet itself and change only
when something happens, so a quiet cluster sees no writes and a restarted operator knows what the former one knew.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import ceil

from simplemem_api.resolved import ResolvedGpu
from simplemem_operator.builders.embedding import EMBEDDING
from simplemem_operator.constants import IDLE_SINCE
from simplemem_operator.models.desired import Manifest
from simplemem_operator.models.observed import PodHealth
from simplemem_operator.models.scale import Backlog, EmbeddingScale
from simplemem_operator.times import write_time

START_TURNS = 1_000
"""Turns that must wait before a GPU is worth starting: processors, at 50 texts a second, need 40 s for those, and a GPU
node takes longer than that to come."""
START_SECONDS = 60
"""Age of the oldest waiting turn from which a GPU is started, however few wait: the processors do not keep up."""
TURNS_A_POD = 20_000
"""Waiting turns that one more pod is started for: 80 s of work at 500 texts a second and two texts a turn."""
PROCESSOR_TEXTS = 3_000
"""Texts that processors encode in a minute, at 50 a second; pods that do more than that are still needed, although they
leave nothing waiting."""


def desired_scale(backlog: Backlog | None, now: datetime, state: EmbeddingScale, gpu: ResolvedGpu) -> EmbeddingScale:
    """The number of embedding pods from now on; within the spec's bounds whatever the state was.

    Parameters
    ----------
    backlog
        What waits; None while no writer tells, when the number stays as it is.
    now
        The present time, aware.
    state
        The number so far.
    gpu
        Bounds and patience.
    """
    replicas = min(max(state.replicas, gpu.min_replicas), gpu.max_replicas)
    if backlog is None:
        return EmbeddingScale(replicas, state.idle_since if replicas > gpu.min_replicas else "")
    wanted = _wanted(backlog)
    if wanted:
        return EmbeddingScale(min(max(replicas, wanted), gpu.max_replicas))
    if replicas <= gpu.min_replicas:
        return EmbeddingScale(replicas)
    since = _read_time(state.idle_since)
    if since is None or since > now:
        return EmbeddingScale(replicas, write_time(now))
    if now - since >= timedelta(seconds=gpu.idle_seconds):
        return EmbeddingScale(gpu.min_replicas)
    return EmbeddingScale(replicas, state.idle_since)


def seconds_until_idle(scale: EmbeddingScale, now: datetime, gpu: ResolvedGpu) -> float | None:
    """When the pods go unless something needs them, in seconds; None where nothing will happen by itself."""
    since = _read_time(scale.idle_since)
    return None if since is None else max(1.0, (since - now).total_seconds() + gpu.idle_seconds)


def read_state(stateful_set: Manifest | None, gpu: ResolvedGpu) -> EmbeddingScale:
    """The number of pods that the StatefulSet has; the fewest where there is none yet."""
    if stateful_set is None:
        return EmbeddingScale(gpu.min_replicas)
    annotations = stateful_set["metadata"].get("annotations") or {}
    return EmbeddingScale(int(stateful_set["spec"].get("replicas", 1)), annotations.get(IDLE_SINCE, ""))


def read_backlog(pods: Iterable[PodHealth]) -> Backlog | None:
    """What waits, by the pods' own word; None while no writer answers."""
    found = list(pods)
    writers = [pod for pod in found if pod.component != EMBEDDING and "pending_turns" in pod.figures]
    if not writers:
        return None
    return Backlog(
        pending_turns=max(pod.figures["pending_turns"] for pod in writers),
        oldest_seconds=max(pod.figures.get("oldest_pending_seconds", 0) for pod in writers),
        is_moving=all(pod.checks.get("ingest", {}).get("ok", True) for pod in writers),
        texts_per_minute=sum(pod.figures.get("texts_per_minute", 0) for pod in found if pod.component == EMBEDDING),
    )


def _wanted(backlog: Backlog) -> int:
    """Pods that the backlog is worth; 0: processors are enough."""
    is_late = backlog.pending_turns > 0 and backlog.oldest_seconds >= START_SECONDS
    if backlog.is_moving and (is_late or backlog.pending_turns >= START_TURNS):
        return max(1, ceil(backlog.pending_turns / TURNS_A_POD))
    return int(backlog.texts_per_minute > PROCESSOR_TEXTS)


def _read_time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
