"""Tells by its name whether an embedding model is a provider's.

Needed for a model that the MemoryStore no longer names: the one that a store's vectors come from, or that it is
re-embedded to. LiteLLM itself would tell, and takes seconds and 150 MB to ask.
"""

from __future__ import annotations

from simplemem_api.embedding_models import EMBEDDING_MODELS
from simplemem_service.llm.litellm_library import OWN_PROVIDERS

PROVIDERS = OWN_PROVIDERS | frozenset(
    [
        "azure",
        "azure_ai",
        "bedrock",
        "cohere",
        "deepinfra",
        "fireworks_ai",
        "gemini",
        "github",
        "infinity",
        "jina_ai",
        "mistral",
        "nvidia_nim",
        "openrouter",
        "sagemaker",
        "together_ai",
        "vertex_ai",
        "voyage",
        "watsonx",
    ]
)
"""Providers of embeddings by LiteLLM's names; none is the name of an owner of well-known models on the hub, but for
openai, which has no sentence model there."""
OPENAI_NAMES = "text-embedding-"
"""What names of OpenAI's models begin with."""


def is_provider_model(model: str) -> bool:
    """Whether a name is that of a provider's model, and not of a sentence-transformers model."""
    known = EMBEDDING_MODELS.get(model)
    if known is not None:
        return known.is_api
    return model.split("/", 1)[0] in PROVIDERS if "/" in model else model.startswith(OPENAI_NAMES)
