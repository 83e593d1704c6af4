"""Makes a model trainable in one of the ways of tuning. Imports torch, so only training imports it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from peft import IA3Config, LoraConfig, PeftConfig, PeftModel, PrefixTuningConfig, PromptTuningConfig, get_peft_model

from postil.registry.training.methods.modules import add_biases, add_bottlenecks, free_linears
from postil.registry.training.methods.options import MethodOptions


def adapt(model: Any, options: MethodOptions) -> Any:
    """Return ``model`` with what ``options`` train, in float32, and nothing else trainable. Raises ShapeError."""
    if options.start is not None:
        return _named(PeftModel.from_pretrained(model, str(options.start), is_trainable=True), options)
    if options.tune in _PLAIN:
        _PLAIN[options.tune](model, options)
        return model
    return _named(get_peft_model(model, _CONFIGS[options.tune](options)), options)


def parameters(model: Any) -> int:
    """Return how many numbers are trained."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _named(adapted: PeftModel, options: MethodOptions) -> PeftModel:
    # Where the base is while training: peft looks for a name that is no folder at a hub, at each checkpoint.
    adapted.peft_config["default"].base_model_name_or_path = str(options.base)
    return adapted


def _lora(options: MethodOptions, **more: bool) -> LoraConfig:
    return LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=list(options.targets),
        task_type="CAUSAL_LM",
        **more,
    )


def _ia3(options: MethodOptions) -> IA3Config:
    return IA3Config(
        target_modules=["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"], task_type="CAUSAL_LM"
    )


_CONFIGS: Mapping[str, Callable[[MethodOptions], PeftConfig]] = {
    "lora": _lora,
    "rslora": lambda options: _lora(options, use_rslora=True),
    "dora": lambda options: _lora(options, use_dora=True),
    "ia3": _ia3,
    "prefix": lambda options: PrefixTuningConfig(num_virtual_tokens=options.virtual_tokens, task_type="CAUSAL_LM"),
    "prompt": lambda options: PromptTuningConfig(num_virtual_tokens=options.virtual_tokens, task_type="CAUSAL_LM"),
}
_PLAIN: Mapping[str, Callable[[Any, MethodOptions], None]] = {
    "full": lambda model, options: free_linears(model, options.targets),
    "bottleneck": lambda model, options: add_bottlenecks(model, options.targets, options.rank),
    "bitfit": lambda model, options: add_biases(model, options.targets),
}
