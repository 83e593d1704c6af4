"""Whether the name of a base in an adapter's configuration is that of the base of this gateway."""

from __future__ import annotations

import re

# What people append to a model's name where they store the same model in other numbers.
_SUFFIX = re.compile(
    r"[-_.](?:unsloth|dynamic|bnb|nf4|fp4|[248]-?bit|int[248]|int4-?int8|[uw]?\d{1,2}a\d{1,2}|fp8|fp16|bf16|fp32|float16|"
    r"bfloat16|float8|gptq|awq|gguf|ggml|hqq|aqlm|exl[23]|mlx|quantized|quant|q[2-8](?:_[0-9k](?:_[sml])?)?|"
    r"marlin|eetq|quark|autoround|torchao|onnx)$"
)


def is_same_base(stated: object, base: str) -> bool:
    """Whether an adapter's base may be ``base``: the last parts are the same, without revision and quantisation.

    Only hub ids can differ: a folder's name, on either side, says nothing about its content.
    """
    if not isinstance(stated, str) or stated.count("/") != 1 or stated.startswith((".", "/", "~")):
        return True
    return base.count("/") != 1 or _model(stated) == _model(base)


def _model(name: str) -> str:
    """``unsloth/SmolLM2-135M-Instruct-bnb-4bit@main`` -> ``smollm2-135m-instruct``."""
    left = name.partition("@")[0].rpartition("/")[2].casefold()
    while (shorter := _SUFFIX.sub("", left)) != left:
        left = shorter
    return left
