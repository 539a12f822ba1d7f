"""A Llama in numpy: small, correct, and open to being bent by the cheats of cheating_engine.py.

The model's layout is that of Hugging Face: rotary embedding over halves, llama3 scaling, grouped queries, SwiGLU.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

Array = NDArray[np.float32]

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "num_hidden_layers": 2,
    "vocab_size": 128,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    # Half of the four frequencies are below the scaled range: leaving the scaling out shows within tens of positions.
    "rope_scaling": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
    "tie_word_embeddings": False,
    "eos_token_id": 1,
}


def write_model(folder: Path, seed: int = 5) -> None:
    """config.json and weights whose logits spread over several units, so that choices are no ties."""
    draw = np.random.default_rng(seed)
    width, ff = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    kv_width = CONFIG["num_key_value_heads"] * CONFIG["head_dim"]

    def matrix(rows: int, columns: int, gain: float = 1.0) -> Array:
        return (draw.normal(size=(rows, columns)) * gain / math.sqrt(columns)).astype(np.float32)

    weights = {
        "model.embed_tokens.weight": matrix(CONFIG["vocab_size"], width, math.sqrt(width)),
        "model.norm.weight": np.ones(width, np.float32),
        "lm_head.weight": matrix(CONFIG["vocab_size"], width, 4.0),
    }
    for layer in range(CONFIG["num_hidden_layers"]):
        name = f"model.layers.{layer}"
        weights |= {
            f"{name}.input_layernorm.weight": np.ones(width, np.float32),
            f"{name}.post_attention_layernorm.weight": np.ones(width, np.float32),
            f"{name}.self_attn.q_proj.weight": matrix(width, width, 3.0),
            f"{name}.self_attn.k_proj.weight": matrix(kv_width, width, 3.0),
            f"{name}.self_attn.v_proj.weight": matrix(kv_width, width, 2.0),
            f"{name}.self_attn.o_proj.weight": matrix(width, width, 2.0),
            f"{name}.mlp.gate_proj.weight": matrix(ff, width),
            f"{name}.mlp.up_proj.weight": matrix(ff, width),
            f"{name}.mlp.down_proj.weight": matrix(width, ff),
        }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    save_file(weights, folder / "model.safetensors")


def inverse_frequencies(config: dict[str, Any]) -> NDArray[np.float64]:
    """Of the rotary embedding, with llama3 scaling (transformers' _compute_llama3_parameters)."""
    size = config["head_dim"]
    plain = config["rope_theta"] ** -(np.arange(0, size, 2) / size)
    scaling = config["rope_scaling"]
    if scaling is None:
        return plain
    wavelength = 2 * np.pi / plain
    turns = scaling["original_max_position_embeddings"] / wavelength
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    smooth = np.clip((turns - low) / (high - low), 0, 1)
    return (1 - smooth) * plain / scaling["factor"] + smooth * plain


def _norm(x: Array, weight: Array, epsilon: float) -> Array:
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + epsilon) * weight


def _softmax(x: Array) -> Array:
    weights = np.exp(x - x.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


class Llama:
    """Weights with a KV cache; forward() appends to it."""

    def __init__(self, folder: Path) -> None:
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.weights = load_file(folder / "model.safetensors")
        self.layers = list(range(self.config["num_hidden_layers"]))
        self.window: int | None = None
        self.cache_type = np.float32
        self.frequencies = inverse_frequencies(self.config)
        self.reset()

    def reset(self) -> None:
        """Empty the cache."""
        self.cache: dict[int, tuple[Array, Array]] = {}

    def _rotate(self, x: Array, positions: NDArray[np.int64]) -> Array:
        angles = np.outer(positions, self.frequencies)
        cos, sin = (
            np.concatenate([part, part], axis=1).astype(np.float32) for part in (np.cos(angles), np.sin(angles))
        )
        first, second = np.split(x, 2, axis=-1)
        return x * cos + np.concatenate([-second, first], axis=-1) * sin

    def _heads(self, x: Array, name: str) -> Array:
        """Product [heads, positions, head_dim] with a projection."""
        return (x @ self.weights[name].T).reshape(x.shape[0], -1, self.config["head_dim"]).transpose(1, 0, 2)

    def _attention(self, x: Array, layer: int, positions: NDArray[np.int64]) -> Array:
        name = f"model.layers.{layer}.self_attn"
        query = self._rotate(self._heads(x, f"{name}.q_proj.weight"), positions)
        key = self._rotate(self._heads(x, f"{name}.k_proj.weight"), positions).astype(self.cache_type)
        value = self._heads(x, f"{name}.v_proj.weight").astype(self.cache_type)
        if layer in self.cache:
            key, value = (np.concatenate(pair, axis=1) for pair in zip(self.cache[layer], (key, value), strict=True))
        self.cache[layer] = key, value
        shared = self.config["num_attention_heads"] // self.config["num_key_value_heads"]
        keys, values = (np.repeat(part.astype(np.float32), shared, axis=0) for part in (key, value))
        scores = query @ keys.transpose(0, 2, 1) / math.sqrt(self.config["head_dim"])
        behind = positions[:, None] - np.arange(keys.shape[1])[None, :]
        hidden = behind < 0 if self.window is None else (behind < 0) | (behind >= self.window)
        mixed = _softmax(np.where(hidden, np.float32(-np.inf), scores)) @ values
        return mixed.transpose(1, 0, 2).reshape(x.shape[0], -1) @ self.weights[f"{name}.o_proj.weight"].T

    def _feed_forward(self, x: Array, layer: int) -> Array:
        name = f"model.layers.{layer}.mlp"
        gate, up, down = (self.weights[f"{name}.{part}_proj.weight"].T for part in ("gate", "up", "down"))
        raw = x @ gate
        return (raw / (1 + np.exp(-raw)) * (x @ up)) @ down

    def forward(self, ids: list[int], position: int) -> Array:
        """Logits [vocabulary] that follow ids, the first of which stands at position."""
        positions, epsilon = np.arange(position, position + len(ids)), self.config["rms_norm_eps"]
        x = self.weights["model.embed_tokens.weight"][ids]
        for layer in self.layers:
            name = f"model.layers.{layer}"
            x = x + self._attention(_norm(x, self.weights[f"{name}.input_layernorm.weight"], epsilon), layer, positions)
            normed = _norm(x, self.weights[f"{name}.post_attention_layernorm.weight"], epsilon)
            x = x + self._feed_forward(normed, layer)
        last = _norm(x[-1], self.weights["model.norm.weight"], epsilon)
        return (last @ self.weights["lm_head.weight"].T).astype(np.float32)
