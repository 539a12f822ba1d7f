"""A Llama folder of a few kilobytes: a byte-level tokenizer, a configuration and weights that nobody runs."""

from __future__ import annotations

import json
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

WIDTH, FEED_FORWARD, VOCABULARY = 8, 16, 300
"""Of make_tiny_llama; CONFIG says the same."""

SHARDS = "model.safetensors.index.json"


def llama_tensors(layers: int = 1, *, heads: int = 2, kv_heads: int = 1, tied: bool = True) -> dict[str, np.ndarray]:
    """All tensors of a Llama of CONFIG's widths, drawn with a fixed seed, as f32."""
    random = np.random.default_rng(7)
    kv_width = WIDTH // heads * kv_heads
    shapes = {"model.embed_tokens": (VOCABULARY, WIDTH), "model.norm": (WIDTH,)}
    if not tied:
        shapes["lm_head"] = (VOCABULARY, WIDTH)
    for layer in range(layers):
        shapes |= {
            f"model.layers.{layer}.{name}": shape
            for name, shape in {
                "input_layernorm": (WIDTH,),
                "self_attn.q_proj": (WIDTH, WIDTH),
                "self_attn.k_proj": (kv_width, WIDTH),
                "self_attn.v_proj": (kv_width, WIDTH),
                "self_attn.o_proj": (WIDTH, WIDTH),
                "post_attention_layernorm": (WIDTH,),
                "mlp.gate_proj": (FEED_FORWARD, WIDTH),
                "mlp.up_proj": (FEED_FORWARD, WIDTH),
                "mlp.down_proj": (WIDTH, FEED_FORWARD),
            }.items()
        }
    return {f"{name}.weight": random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def make_tiny_llama(
    folder: Path, tensors: dict[str, np.ndarray] | None = None, *, shards: int = 1, **changes: Any
) -> Path:
    """A folder as make_tiny_model makes it, with all tensors of a Llama, in several files where shards says so."""
    tensors = tensors or llama_tensors(tied=changes.get("tie_word_embeddings", True))
    make_tiny_model(folder, **({"intermediate_size": FEED_FORWARD, "bos_token_id": 0} | changes))
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
    """Write the model's files into folder; changes replace keys of config.json."""
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
    save_file({"model.norm.weight": np.zeros((4, 2), dtype=np.float16)}, folder / "model.safetensors")
    return folder
