"""How much may be asked, and who waits for whom."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings


class TrafficSettings(BaseSettings):
    """How much may be asked, and who waits for whom."""

    max_sequences: int = Field(
        default=8,
        ge=1,
        description="Sequences of one request (its prompts times its `n`), unless the tenant has a limit of its own.",
    )
    tenant_concurrent_requests: int = Field(
        default=4, ge=1, description="The limit `concurrent` that a new tenant is given; its own limit can be changed."
    )
    tenant_output_tokens: int = Field(
        default=4096, ge=1, description="Tokens of one answer, unless the tenant has a limit of its own."
    )
    tenant_schema_kib: int = Field(
        default=32,
        ge=1,
        description="KiB of JSON schemas and tools in one request, unless the tenant has a limit of its own.",
    )
    tenant_grammar_seconds_per_minute: int = Field(
        default=20,
        ge=1,
        description="Seconds, as estimated, that vLLM compiles schemas and grammars of one tenant per minute; a repeat"
        " counts a twentieth.",
    )
    queue_per_tenant: int = Field(
        default=1024, ge=1, description="How many requests of one tenant may wait; one more is answered 429."
    )
    queue_total: int = Field(
        default=8192, ge=1, description="How many requests may wait in all; one more is answered 429."
    )
    queue_timeout_seconds: float = Field(
        default=60.0, gt=0, description="A request that has waited so long is answered 504 and not sent to vLLM."
    )
    adapter_wait_seconds: float = Field(
        default=0.25, ge=0, description="After so long a wait for an adapter, another one's slot is emptied."
    )
    tenant_weights: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        default_factory=dict, description='Shares of vLLM by tenant, as `{"clinic": 2}`; 1 unless named.'
    )
