"""What is answered where there is no route: what of OpenAI and vLLM is not served here, and what is not theirs either.

Clients take a 404 for a missing model, and proxies stop asking the deployment for a while: an endpoint that there is
elsewhere gets a 400 with a code of its own.
"""

from __future__ import annotations

from postil.gateway.errors import GatewayError, NotFoundError
from postil.gateway.inference.fields.beside import UnsupportedEndpointError
from postil.gateway.inference.formats import TRANSLATED, Kind

# First parts of paths below /v1 that OpenAI, Anthropic or vLLM have, and of which not all, or nothing, is served here.
_UNDER_V1 = frozenset({
    "answers", "assistants", "audio", "batches", "chat", "chatkit", "classifications", "classify", "complete",
    "completions", "containers", "conversations", "edits", "embeddings", "engines", "evals", "files",
    "fine-tunes", "fine_tuning", "generate", "images", "load_lora_adapter", "messages", "moderations",
    "organization", "pooling", "projects", "realtime", "rerank", "responses", "score", "search", "skills",
    "threads", "unload_lora_adapter", "uploads", "vector_stores", "videos",
})  # fmt: skip
# The same of vLLM's paths beside /v1; those with which its operator works are not named.
_AT_ROOT = frozenset({
    "classify", "cohere", "generate", "generative_scoring", "inference", "invocations", "pooling", "rerank",
    "score", "tokenizer_info", "v2",
})  # fmt: skip
_PROBLEMS = ("api", "health", "docs", "console")
_INSTEAD = {
    "load_lora_adapter": "adapters are published with `postil publish`",
    "unload_lora_adapter": "adapters are taken out of service with `postil adapters retire`",
}
_SERVED = ", ".join(
    [
        *(kind.value for kind in Kind),
        *(api.path for api in TRANSLATED),
        "/v1/embeddings",
        "/v1/files",
        "/v1/fine_tuning/jobs",
        "/v1/models",
        "/tokenize",
        "/detokenize",
    ]
)


class UnknownUrlError(GatewayError):
    """There is nothing at this address."""

    status = 404
    type = "invalid_request_error"
    code = "unknown_url"


def no_route(path: str) -> GatewayError:
    """The error for a path without a route."""
    first, *rest = path.strip("/").split("/")
    if first == "v1" and rest and rest[0] in _UNDER_V1:
        return _unsupported(f"/v1/{rest[0]}", rest[0], deeper=len(rest) > 1)
    if first in _AT_ROOT:
        return _unsupported(f"/{first}", first, deeper=bool(rest))
    if first in _PROBLEMS:
        return NotFoundError("there is nothing here; the admin API is at /api/v1")
    return UnknownUrlError("there is nothing at this address; OpenAI's API is at /v1, the admin API at /api/v1")


def speaks_openai(path: str) -> bool:
    """Whether errors at a path have OpenAI's shape: everywhere but in the admin API and the pages for people."""
    return path.strip("/").split("/", 1)[0] not in _PROBLEMS


def _unsupported(path: str, name: str, *, deeper: bool) -> UnsupportedEndpointError:
    what = f"this part of {path}" if deeper else path
    return UnsupportedEndpointError(f"{what} is not served here; {_INSTEAD.get(name) or f'there are {_SERVED}'}")
