"""A Llama folder of a few kilobytes: a byte-level tokenizer, a configuration and weights that nobody runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

TEMPLATE = (
    "{% for message in messages %}{{ '<s>' + message['role'] + ':' + message['content'] + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<s>assistant:' }}{% endif %}"
)

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "num_hidden_layers": 1,
    "vocab_size": 300,
    "max_position_embeddings": 64,
    "rope_theta": 5000.0,
    "tie_word_embeddings": True,
    "eos_token_id": 1,
}

LLAMA_3_2_SCALING = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


SHARDS = "model.safetensors.index.json"


def tensor_shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Shape of each tensor that a config.json promises, written out here so that the library's table is held to it."""
    wide, inner, heads = (config[key] for key in ("hidden_size", "intermediate_size", "num_attention_heads"))
    head_wide = config.get("head_dim") or wide // heads
    query_wide, kv_wide = heads * head_wide, (config.get("num_key_value_heads") or heads) * head_wide
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens": (config["vocab_size"], wide), "model.norm": (wide,)}
    if not config.get("tie_word_embeddings"):
        shapes["lm_head"] = (config["vocab_size"], wide)
    for layer in range(config["num_hidden_layers"]):
        shapes |= {
            f"model.layers.{layer}.{name}": shape
            for name, shape in {
                "input_layernorm": (wide,),
                "self_attn.q_proj": (query_wide, wide),
                "self_attn.k_proj": (kv_wide, wide),
                "self_attn.v_proj": (kv_wide, wide),
                "self_attn.o_proj": (wide, query_wide),
                "post_attention_layernorm": (wide,),
                "mlp.gate_proj": (inner, wide),
                "mlp.up_proj": (inner, wide),
                "mlp.down_proj": (wide, inner),
            }.items()
        }
    return {f"{name}.weight": shape for name, shape in shapes.items()}


def drawn(shapes: Mapping[str, tuple[int, ...]], seed: int = 7) -> dict[str, np.ndarray]:
    """Tensors of these shapes as f32, drawn with a fixed seed."""
    random = np.random.default_rng(seed)
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def llama_tensors(layers: int = 1, *, heads: int = 2, kv_heads: int = 1, tied: bool = True) -> dict[str, np.ndarray]:
    """All tensors of a Llama of CONFIG's widths."""
    counts = {"num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads}
    return drawn(tensor_shapes(CONFIG | counts | {"tie_word_embeddings": tied}))


def make_tiny_llama(
    folder: Path, tensors: dict[str, np.ndarray] | None = None, *, shards: int = 1, **changes: Any
) -> Path:
    """A folder as make_tiny_model makes it, with all tensors of a Llama, in several files where shards says so."""
    tensors = tensors or drawn(tensor_shapes(CONFIG | changes))
    make_tiny_model(folder, **({"bos_token_id": 0} | changes))
    if shards == 1:
        save_file(tensors, folder / "model.safetensors")
        return folder
    (folder / "model.safetensors").unlink()
    places = {name: f"model-{1 + index % shards:05}.safetensors" for index, name in enumerate(sorted(tensors))}
    for file in sorted(set(places.values())):
        save_file({name: tensors[name] for name, place in places.items() if place == file}, folder / file)
    (folder / SHARDS).write_text(json.dumps({"metadata": {"total_size": 0}, "weight_map": places}), encoding="utf-8")
    return folder


def make_tiny_model(folder: Path, **changes: Any) -> Path:
    """Write the model's files into folder, all weights 0 in f16; changes replace keys of config.json."""
    folder.mkdir(parents=True)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(letters, 2)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<s>"), AddedToken("</s>")])
    tokenizer.save(str(folder / "tokenizer.json"))
    tokenizer_config = {"chat_template": TEMPLATE, "eos_token": {"content": "</s>"}}
    (folder / "config.json").write_text(json.dumps(CONFIG | changes), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config), encoding="utf-8")
    shapes = tensor_shapes(CONFIG | changes)
    save_file({name: np.zeros(shape, np.float16) for name, shape in shapes.items()}, folder / "model.safetensors")
    return folder
