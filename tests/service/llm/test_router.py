"""Which model answers, how often it is asked, and what it costs; real LiteLLM against a scripted server."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

import pytest

from simplemem_api.memory_spec import BudgetAction, Routing
from simplemem_service.errors import BudgetExceededError, LlmError, LlmRejectedError, LlmTooLongError
from simplemem_service.llm.base import CompletionRequest, Message, Purpose, Speaker
from simplemem_service.pipeline.prompts import PLAN_SCHEMA
from simplemem_service.telemetry import Metrics
from tests.service.llm.conftest import CHEAP, PRICED, RouterMaker
from tests.support.openai_server import Bytes, Failure, OpenAiServer, Reply, Silence

KEY = "sk-live-0123456789abcdef"


def make_request(tries: int = 3, seconds: float = 30) -> CompletionRequest:
    return CompletionRequest(
        purpose=Purpose.PLAN,
        messages=(Message(Speaker.SYSTEM, "Plan."), Message(Speaker.USER, '{"question": "Where?"}')),
        schema=PLAN_SCHEMA,
        max_tokens=50,
        time_limit=timedelta(seconds=seconds),
        tries=tries,
    )


def asked(server: OpenAiServer) -> list[str]:
    return [request["model"] for request in server.requests]


async def test_a_reply_is_counted_with_its_tokens_and_cost(
    make_router: RouterMaker, openai_server: OpenAiServer, metrics: Metrics
) -> None:
    openai_server.script(Reply("{}", input_tokens=1_000_000, output_tokens=100_000))
    router = make_router()
    completion = await router.complete(make_request())
    assert (completion.text, completion.model) == ("{}", PRICED)
    assert (completion.input_tokens, completion.output_tokens) == (1_000_000, 100_000)
    value = metrics.registry.get_sample_value
    labels = {"model": PRICED}
    assert value("simplemem_llm_tokens_total", {**labels, "direction": "input"}) == 1_000_000
    assert value("simplemem_llm_tokens_total", {**labels, "direction": "output"}) == 100_000
    # 0.40 and 1.60 US dollars a million tokens in LiteLLM's catalogue.
    assert value("simplemem_llm_cost_usd_total", labels) == pytest.approx(0.56)
    report = await router._budget.report()
    assert report["month_usd"] == pytest.approx(0.56)
    assert report["by_model"][PRICED]["calls"] == 1


async def test_the_schema_and_the_limit_travel_with_the_request(
    make_router: RouterMaker, openai_server: OpenAiServer
) -> None:
    await make_router().complete(make_request())
    request = openai_server.requests[0]
    assert request["response_format"]["json_schema"]["schema"] == PLAN_SCHEMA
    assert request["max_tokens"] == 50
    assert [message["role"] for message in request["messages"]] == ["system", "user"]


@pytest.mark.parametrize(
    "failure", [Failure(500), Failure(503), Failure(429), Bytes(b'{"choices": [{"mes'), Bytes(b"<html>busy</html>")]
)
async def test_what_passes_is_tried_again(
    make_router: RouterMaker, openai_server: OpenAiServer, failure: Failure | Bytes
) -> None:
    openai_server.script(failure, failure)
    await make_router().complete(make_request())
    assert openai_server.calls == 3


async def test_tries_are_bounded(make_router: RouterMaker, openai_server: OpenAiServer, metrics: Metrics) -> None:
    openai_server.by_model = {"gpt-4.1-mini": Failure(500)}
    with pytest.raises(LlmError):
        await make_router().complete(make_request())
    assert openai_server.calls == 3
    labels = {"model": PRICED, "code": "LlmUnavailable"}
    assert metrics.registry.get_sample_value("simplemem_llm_errors_total", labels) == 3


async def test_the_next_model_answers_when_one_fails(make_router: RouterMaker, openai_server: OpenAiServer) -> None:
    openai_server.by_model = {"gpt-4.1-mini": Failure(500)}
    completion = await make_router(PRICED, CHEAP).complete(make_request())
    assert completion.model == CHEAP
    assert asked(openai_server) == 3 * ["gpt-4.1-mini"] + ["gpt-4.1-nano"]


async def test_a_model_that_failed_lately_comes_last_and_not_at_all_where_somebody_waits(
    make_router: RouterMaker, openai_server: OpenAiServer
) -> None:
    router = make_router(PRICED, CHEAP)
    openai_server.by_model = {"gpt-4.1-mini": Failure(500)}
    await router.complete(make_request())
    await router.complete(make_request())
    assert asked(openai_server)[4:] == ["gpt-4.1-nano"]
    openai_server.by_model |= {"gpt-4.1-nano": Failure(500)}
    with pytest.raises(LlmError):
        await router.complete(make_request(tries=1))
    assert asked(openai_server)[5:] == ["gpt-4.1-nano"]


async def test_a_wrong_key_is_not_tried_again(make_router: RouterMaker, openai_server: OpenAiServer) -> None:
    openai_server.script(Failure(401, "Incorrect API key provided"))
    completion = await make_router(PRICED, CHEAP).complete(make_request())
    assert completion.model == CHEAP
    assert openai_server.calls == 2


async def test_a_refusal_of_all_is_told_as_such(make_router: RouterMaker, openai_server: OpenAiServer) -> None:
    openai_server.script(Failure(401, "Incorrect API key provided"))
    with pytest.raises(LlmRejectedError, match="AuthenticationError"):
        await make_router().complete(make_request())


async def test_a_request_that_is_too_long_is_told_as_such(
    make_router: RouterMaker, openai_server: OpenAiServer
) -> None:
    openai_server.script(Failure(400, "the request exceeds the available context size"))
    with pytest.raises(LlmTooLongError):
        await make_router().complete(make_request())
    assert openai_server.calls == 1


async def test_a_server_that_says_nothing_is_left_after_the_time_out(
    make_router: RouterMaker, openai_server: OpenAiServer
) -> None:
    openai_server.by_model = {"gpt-4.1-mini": Silence(30)}
    started = time.monotonic()
    completion = await make_router(PRICED, CHEAP, timeout=0.2).complete(make_request(tries=2))
    assert completion.model == CHEAP
    assert time.monotonic() - started < 5


async def test_all_tries_together_end_in_time(make_router: RouterMaker, openai_server: OpenAiServer) -> None:
    openai_server.by_model = {"gpt-4.1-mini": Silence(30)}
    router = make_router(timeout=20)
    await router.warm_up()
    started = time.monotonic()
    with pytest.raises(LlmError, match=r"within 0\.3 s"):
        await router.complete(make_request(seconds=0.3))
    assert time.monotonic() - started < 3


async def test_a_server_s_wish_to_wait_is_granted(make_router: RouterMaker, openai_server: OpenAiServer) -> None:
    router = make_router()
    await router.complete(make_request())
    openai_server.script(Failure(429, headers={"retry-after": "1"}))
    started = time.monotonic()
    await router.complete(make_request())
    assert time.monotonic() - started >= 0.9


async def test_calls_a_minute_are_limited_per_model(make_router: RouterMaker, openai_server: OpenAiServer) -> None:
    router = make_router(calls_per_minute=120)
    await router.warm_up()
    started = time.monotonic()
    for _ in range(3):
        await router.complete(make_request())
    assert 0.9 <= time.monotonic() - started < 5
    assert openai_server.calls == 3


async def test_the_cheapest_by_catalogue_comes_first(make_router: RouterMaker, openai_server: OpenAiServer) -> None:
    assert (await make_router(PRICED, CHEAP, routing=Routing.CHEAPEST).complete(make_request())).model == CHEAP
    assert (await make_router(PRICED, CHEAP).complete(make_request())).model == PRICED


async def test_a_model_on_one_s_own_server_costs_nothing(make_router: RouterMaker) -> None:
    router = make_router(PRICED, "openai/gemma3", routing=Routing.CHEAPEST)
    assert (await router.complete(make_request())).model == "openai/gemma3"
    assert (await router._budget.report())["month_usd"] == 0


@pytest.mark.parametrize(
    ("action", "models"),
    [(BudgetAction.WARN, [PRICED]), (BudgetAction.CHEAPER_MODEL, [CHEAP]), (BudgetAction.REJECT_WRITES, [])],
)
async def test_the_budget_holds_across_restarts(
    make_router: RouterMaker,
    openai_server: OpenAiServer,
    caplog: pytest.LogCaptureFixture,
    action: BudgetAction,
    models: list[str],
) -> None:
    openai_server.script(Reply("{}", input_tokens=10_000_000, output_tokens=0))
    await make_router(PRICED, CHEAP, budget_usd="4", on_exceeded=action).complete(make_request())
    again = make_router(PRICED, CHEAP, budget_usd="4", on_exceeded=action)
    answered: list[str] = []
    for _ in range(2):
        try:
            answered.append((await again.complete(make_request())).model)
        except BudgetExceededError:
            continue
    assert answered == 2 * models
    assert (await again._budget.report())["exceeded"] is True
    told = [record for record in caplog.records if record.message == "budget of the month is used up"]
    assert len(told) == 1


async def test_below_the_budget_any_model_is_called(make_router: RouterMaker, openai_server: OpenAiServer) -> None:
    router = make_router(budget_usd="4", on_exceeded=BudgetAction.REJECT_WRITES)
    await router.complete(make_request())
    assert (await router.complete(make_request())).model == PRICED
    assert (await router._budget.report())["exceeded"] is False


async def test_keys_come_from_the_environment_and_never_reach_a_log(
    make_router: RouterMaker,
    openai_server: OpenAiServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    openai_server.by_model = {"gpt-4.1-mini": Failure(401, f"Incorrect API key provided: {KEY}")}
    with pytest.raises(LlmRejectedError) as refused:
        await make_router().complete(make_request())
    assert openai_server.keys == [f"Bearer {KEY}"]
    assert KEY not in str(refused.value)
    assert refused.value.__cause__ is None
    fields = [str(vars(record)) for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert KEY not in caplog.text
    assert not [text for text in fields if KEY in text]
