"""No adapter changes the head: none is published that would. So nothing is added to logits, of answers or of prompts.

vLLM adds there for the rows that are sampled. The probabilities of a prompt's tokens have other rows, and asking for
them beside any other request ended its core.
"""

from __future__ import annotations

import logging
from types import ModuleType
from typing import Any

HEAD = "vllm.lora.layers.logits_processor"


class UnchangedHead:
    """Stands in the place of the LoRA operations for the head."""

    def add_lora_logits(self, logits: Any, *arguments: Any, **more: Any) -> Any:
        """Return the logits as they are."""
        return logits


def leave_alone(module: ModuleType) -> None:
    """Have vLLM's layer around the head, which is in that module, add nothing."""

    def set_mapping(self: Any, operations: Any) -> None:
        self.punica_wrapper = UnchangedHead()

    head = getattr(module, "LogitsProcessorWithLoRA", None)
    if head is None or not callable(getattr(head, "set_mapping", None)):
        # Whatever vLLM has become, it must start.
        logging.getLogger("vllm.postil").warning("the probabilities of a prompt's tokens are not safe to ask for")
        return
    head.set_mapping = set_mapping
