"""OpenAI's embeddings request and reply, as other engines speak it too."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from simplemem_service import constants
from simplemem_service.api.examples import EMBEDDINGS

INPUTS_MAX = 2_048
"""Texts in one request, as OpenAI has it."""


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Text = Annotated[str, Field(min_length=1, max_length=constants.TEXT_MAX_CHARS), AfterValidator(_not_blank)]


class EncodingFormat(StrEnum):
    """How vectors travel."""

    FLOAT = "float"
    """Lists of numbers."""
    BASE64 = "base64"
    """32-bit floats, little-endian, in base64: a third of the bytes."""


class EmbeddingsIn(BaseModel):
    """OpenAI's request; fields that do not apply, such as `user`, are passed over."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"input": ["Ada lives in Rome."], "model": "all-MiniLM-L6-v2"}]},
    )

    input: Text | Annotated[list[Text], Field(min_length=1, max_length=INPUTS_MAX)]
    """One text, or up to 2048."""
    model: str | None = None
    """Not looked at: a pod has one model."""
    encoding_format: EncodingFormat = EncodingFormat.FLOAT
    """How the vectors travel."""
    dimensions: Annotated[int, Field(ge=1)] | None = None
    """Refused unless it is the model's own: shortened vectors would not fit the store's."""


class EmbeddingOut(BaseModel):
    """One vector."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class UsageOut(BaseModel):
    """What the request used."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsOut(BaseModel):
    """Unit vectors, in the order of the texts."""

    model_config = ConfigDict(json_schema_extra={"examples": [EMBEDDINGS]})

    object: Literal["list"] = "list"
    data: list[EmbeddingOut]
    model: str
    usage: UsageOut
