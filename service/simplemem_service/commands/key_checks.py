"""What `simplemem doctor` says of the keys of a store's models; only whether a variable is set is looked at."""

from __future__ import annotations

from collections.abc import Iterator

from simplemem_api.resolved import ResolvedStore
from simplemem_api.workload_spec import Device
from simplemem_service.commands.findings import Finding, State
from simplemem_service.llm.litellm_library import is_own, load_library

STEP = "on a cluster: put it into the Secret of llm.secretName; here: export {names}=..."
EITHER = frozenset(["GOOGLE_API_KEY", "GEMINI_API_KEY"])
"""Of these LiteLLM needs one."""


def check_keys(store: ResolvedStore) -> Iterator[Finding]:
    """Whether this environment has what LiteLLM needs to call the store's models at their providers."""
    for model in [] if store.llm.is_rules_by_choice else store.llm.models:
        yield from _check("model key", model, store.llm.api_base, "; Rules mode needs none")
    if store.embedding.device is Device.API:
        yield from _check("embedding key", store.embedding.model, store.llm.api_base, "")


def _check(check: str, model: str, api_base: str | None, otherwise: str) -> Iterator[Finding]:
    if is_own(model, api_base):
        return
    library = load_library()
    try:
        library.get_llm_provider(model)
    except library.exceptions.BadRequestError:
        yield Finding(check, State.NOTE, f"LiteLLM knows no provider of {model}", "name it as provider/model")
        return
    missing = library.validate_environment(model)["missing_keys"]
    if not missing:
        yield Finding(check, State.OK, f"this environment has what {model} needs")
        return
    names = (" or " if EITHER.issuperset(missing) else " and ").join(missing)
    step = STEP.format(names=missing[0]) + otherwise
    yield Finding(check, State.NOTE, f"{model} needs {names}, not set in this environment", step)
