"""Which model answers: in order or cheapest first, with tries, pauses and the next model where one fails.

Every reply is paid for, so every reply is counted, also one that turns out to be of no use.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence

from opentelemetry import trace
from typing_extensions import override

from simplemem_api.memory_spec import Routing
from simplemem_service.errors import BudgetExceededError, LlmError, LlmRejectedError, LlmTooLongError
from simplemem_service.llm.base import Completion, CompletionRequest, LanguageModel
from simplemem_service.llm.budget import Budget, Verdict
from simplemem_service.llm.lane import Lane
from simplemem_service.llm.litellm_client import LiteLlmClient
from simplemem_service.llm.prices import find_price
from simplemem_service.llm.spending import Spending
from simplemem_service.telemetry import Metrics

logger = logging.getLogger(__name__)
tracer = trace.get_tracer(__name__)

FIRST_PAUSE_SECONDS = 1.0
"""Pause after the first failure, in seconds; doubled by each further one."""


class Router(LanguageModel):
    """Several models behind one call.

    Parameters
    ----------
    client
        Calls one model once.
    models
        LiteLLM names, in order; at least one.
    routing
        Which is tried first.
    budget
        What may be spent, and where spending is noted.
    metrics
        Where tokens, cost and failures are counted.
    calls_per_minute
        Calls of each model within a minute at most; 0: no limit.
    first_pause_seconds
        Pause after the first failure.
    """

    def __init__(
        self,
        client: LiteLlmClient,
        models: Sequence[str],
        routing: Routing,
        budget: Budget,
        metrics: Metrics,
        *,
        calls_per_minute: int = 0,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        self._client = client
        self._models = tuple(dict.fromkeys(models))
        self._routing = routing
        self._budget = budget
        self._metrics = metrics
        self._spending = Spending(metrics, budget)
        self._calls_per_minute = calls_per_minute
        self._first_pause = first_pause_seconds
        self._lanes: list[Lane] = []

    @property
    @override
    def models(self) -> tuple[str, ...]:
        return self._models

    @override
    async def warm_up(self) -> None:
        await self._all_lanes()

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        verdict = await self._budget.verdict()
        if verdict is Verdict.NONE:
            raise BudgetExceededError("the month's budget for language models is used up")
        lanes = _in_order(await self._all_lanes(), self._routing, verdict)
        try:
            async with asyncio.timeout(request.time_limit.total_seconds()):
                return await self._first_answer(lanes, request)
        except TimeoutError as error:
            raise LlmError(f"no model answered within {request.time_limit.total_seconds():g} s") from error

    async def _first_answer(self, lanes: Sequence[Lane], request: CompletionRequest) -> Completion:
        failures: list[LlmError | LlmRejectedError] = []
        for lane in lanes:
            if lane.is_resting and request.tries == 1:
                failures.append(LlmError(f"model '{lane.model}' failed lately"))
                continue
            try:
                return await self._try(lane, request)
            except (LlmError, LlmRejectedError) as error:
                failures.append(error)
                fields = {"model": lane.model, "purpose": str(request.purpose), "error": str(error)}
                logger.warning("language model failed", extra=fields)
        raise _worst(failures)

    @tracer.start_as_current_span("call language model")
    async def _try(self, lane: Lane, request: CompletionRequest) -> Completion:
        """The reply of one model within the tries it has."""
        told = {"gen_ai.request.model": lane.model, "simplemem.purpose": str(request.purpose)}
        trace.get_current_span().set_attributes(told)
        tries = 1 if lane.is_resting else request.tries
        for attempt in range(1, tries + 1):
            try:
                async with lane.turn():
                    completion = await self._client.call(lane.model, request)
            except LlmTooLongError:
                self._metrics.llm_errors_total.labels(lane.model, LlmTooLongError.code).inc()
                raise
            except LlmRejectedError:
                self._metrics.llm_errors_total.labels(lane.model, LlmRejectedError.code).inc()
                lane.rest()
                raise
            except LlmError as error:
                self._metrics.llm_errors_total.labels(lane.model, LlmError.code).inc()
                if error.retry_after_seconds is not None:
                    lane.hold_back(error.retry_after_seconds)
                if attempt == tries:
                    lane.rest()
                    raise
                await asyncio.sleep(self._pause(attempt))
            else:
                lane.wake()
                read, written = completion.input_tokens, completion.output_tokens
                await self._spending.record(lane.model, lane.price, read, written)
                return completion
        raise AssertionError("a model has at least one try")

    async def _all_lanes(self) -> list[Lane]:
        if not self._lanes:
            catalogue = await self._client.catalogue()
            self._lanes = [
                Lane(
                    model,
                    find_price(model, catalogue, is_own=self._client.is_own(model)),
                    calls_per_minute=self._calls_per_minute,
                    clock=time.monotonic,
                )
                for model in self._models
            ]
        return self._lanes

    def _pause(self, failures: int) -> float:
        longest: float = self._first_pause * 2 ** (failures - 1)
        return random.uniform(0.5, 1) * longest  # noqa: S311 - spreads retries, no secret


def _in_order(lanes: Sequence[Lane], routing: Routing, verdict: Verdict) -> list[Lane]:
    """The models to try, first one first; those that failed lately come last."""
    if routing is Routing.CHEAPEST or verdict is Verdict.CHEAPEST:
        lanes = sorted(lanes, key=lambda lane: lane.comparable_usd)
    if verdict is Verdict.CHEAPEST:
        lanes = lanes[:1]
    return sorted(lanes, key=lambda lane: lane.is_resting)


def _worst(failures: Sequence[LlmError | LlmRejectedError]) -> LlmError | LlmRejectedError:
    """What to tell of several failures: a length that can be mended, then what may pass, then refusals."""
    for kind in (LlmTooLongError, LlmError):
        for failure in failures:
            if isinstance(failure, kind):
                return failure
    return failures[0]
