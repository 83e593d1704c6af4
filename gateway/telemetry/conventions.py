"""Every name in traces. Those of models are OpenTelemetry's for generative AI, of which nothing is stable yet.

They follow the repository semantic-conventions-genai, which moved out of semantic-conventions after v1.41.
"""

from __future__ import annotations

GENAI_VERSION = "0.1.0"

# Spans. The first is completed by a path, the others by what they are about.
SERVER = "POST"
SHADOW = "postil.shadow"
ADMISSION = "postil.admission"
VALIDATE = "postil.validate"
FALLBACK = "postil.fallback"
STORED = "postil.review"

# HTTP, on the SERVER span.
HTTP_METHOD = "http.request.method"
HTTP_ROUTE = "http.route"
HTTP_STATUS = "http.response.status_code"
URL_PATH = "url.path"
URL_SCHEME = "url.scheme"
ERROR = "error.type"

# postil's own, on the SERVER span.
REQUEST_ID = "postil.request.id"
TENANT = "postil.tenant"
ADAPTER = "postil.adapter"
RELEASE = "postil.release"
REASON = "postil.reason"
OUTCOME = "postil.outcome"
FIRST_CHUNK = "postil.time_to_first_chunk"
REVIEW = "postil.review.id"
LEFT_OUT = "postil.validations_left_out"
# On the other spans.
WAITED = "postil.queue.seconds"
KIND = "postil.engine_request.kind"
VALIDATOR = "postil.validator"
VALIDATOR_VERSION = "postil.validator.version"
VERDICT = "postil.verdict"
SUBSTITUTE = "postil.substitute"

# On the CLIENT span: what was asked of a model. Tokens are here alone, so that nobody counts them twice.
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
MODEL = "gen_ai.request.model"
STREAM = "gen_ai.request.stream"
CHOICES = "gen_ai.request.choice.count"
MAX_TOKENS = "gen_ai.request.max_tokens"
TEMPERATURE = "gen_ai.request.temperature"
TOP_P = "gen_ai.request.top_p"
SEED = "gen_ai.request.seed"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
# The event of a verdict, with its attributes.
EVALUATION = "gen_ai.evaluation.result"
EVALUATION_NAME = "gen_ai.evaluation.name"
EVALUATION_LABEL = "gen_ai.evaluation.score.label"

PROVIDER_VLLM = "vllm"
# What an engine's path asks for.
OPERATIONS = {"/v1/chat/completions": "chat", "/v1/completions": "text_completion"}
