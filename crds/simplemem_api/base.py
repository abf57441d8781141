"""What all parts of a MemoryStore share: spelling in YAML, and texts that both the API server and Python check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema


@dataclass(frozen=True, slots=True)
class Cel:
    """A rule that the API server checks (`x-kubernetes-validations`)."""

    rule: str
    """The expression; true where the object is good."""
    message: str
    """What must hold."""


class Part(BaseModel):
    """A part of a MemoryStore: camelCase in YAML, unknown fields refused, frozen once read."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    cel: ClassVar[tuple[Cel, ...]] = ()
    """Rules that the API server checks on this part; validators check the same where there is no API server."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The part's JSON schema with its rules."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        if cls.cel:
            schema["x-kubernetes-validations"] = [{"rule": cel.rule, "message": cel.message} for cel in cls.cel]
        return schema


StoreName = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")]
"""A name of a store: it names a Service too, and children add to it, so at most 40 characters, a letter first."""

Name = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
"""A name of a Kubernetes object (DNS subdomain)."""

NamespaceName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
"""A name of a namespace (DNS label)."""

Text = Annotated[str, Field(min_length=1, max_length=256)]
"""A short text."""

Url = Annotated[str, Field(min_length=8, max_length=2048, pattern=r"^https?://[^\s/]+.*$")]
"""An http or https address."""

QUANTITY_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,3})?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$"
"""A Kubernetes quantity above zero, in plain, decimal or binary units; exponents are left out, nobody writes them."""

SizeQuantity = Annotated[str, Field(min_length=1, max_length=20, pattern=QUANTITY_PATTERN)]
"""An amount of storage or memory."""
