"""A GGUF file of a few kilobytes, as the package with the default base model holds a large one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_TOKENS = ["<s>", "</s>", "a", "b", "ab"]
_SPECIAL, _NORMAL = 3, 1
_WIDTH, _INNER, _KEYS = 8, 16, 4
_SHAPES = {
    "token_embd": (len(_TOKENS), _WIDTH),
    "output_norm": (_WIDTH,),
    "blk.0.attn_norm": (_WIDTH,),
    "blk.0.attn_q": (_WIDTH, _WIDTH),
    "blk.0.attn_k": (_KEYS, _WIDTH),
    "blk.0.attn_v": (_KEYS, _WIDTH),
    "blk.0.attn_output": (_WIDTH, _WIDTH),
    "blk.0.ffn_norm": (_WIDTH,),
    "blk.0.ffn_gate": (_INNER, _WIDTH),
    "blk.0.ffn_up": (_INNER, _WIDTH),
    "blk.0.ffn_down": (_WIDTH, _INNER),
}


def write_gguf(path: Path) -> Path:
    """A random Llama of one layer, with a tokenizer of five tokens."""
    from gguf import GGUFWriter

    writer = GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(_WIDTH)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(_TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(_TOKENS)
    writer.add_token_types([_SPECIAL, _SPECIAL, _NORMAL, _NORMAL, _NORMAL])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    chance = np.random.default_rng(0)
    for name, shape in _SHAPES.items():
        writer.add_tensor(f"{name}.weight", chance.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
