"""A Llama in numpy, f32: what weights mean, from the published architecture alone, and a reader of .lmrs files."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiny_model import LLAMA_3_2_SCALING

Array = NDArray[np.float32]


class Llama(NamedTuple):
    """Weights by their Hugging Face names, and the numbers that they do not tell."""

    weights: Mapping[str, Array]
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    norm_epsilon: float
    rope_theta: float
    scaling: Mapping[str, Any] | None
    """Llama 3's, of the rotary frequencies."""


def of_checkpoint(weights: Mapping[str, Array], config: Mapping[str, Any]) -> Llama:
    """Llama of a Hugging Face folder's content."""
    return Llama(
        weights,
        config["num_hidden_layers"],
        config["num_attention_heads"],
        config["num_key_value_heads"],
        config["head_dim"],
        config["rms_norm_eps"],
        config["rope_theta"],
        config.get("rope_scaling"),
    )


def read_lmrs(path: Path) -> Llama:
    """Llama of a .lmrs file; it is scaled in any case, as in lm.rs. Read by counting, not by the writer's table."""
    data = path.read_bytes()
    assert data[:8] == b"lmrs\x04\0\0\0"
    hidden, inner, layers, heads, head_dim, kv_heads, vocabulary, _ = struct.unpack_from("<8I", data, 8)
    epsilon, theta = struct.unpack_from("<2f", data, 40)
    value_type, kind, group = struct.unpack_from("<BBI", data, 48)
    assert kind == 1
    offset = 256

    def take(count: int, dtype: str) -> NDArray[Any]:
        nonlocal offset
        values = np.frombuffer(data, dtype, count, offset)
        offset += values.nbytes
        return values

    def product(rows: int, columns: int) -> Array:
        if value_type == 0:
            return take(rows * columns, "<f4").reshape(rows, columns)
        values = take(rows * columns, "i1").reshape(-1, group).astype(np.float32)
        return (values * take(rows * columns // group, "<f4")[:, None]).reshape(rows, columns)

    weights: dict[str, Array] = {"model.embed_tokens.weight": product(vocabulary, hidden)}
    kinds = [
        ("input_layernorm", hidden, 0),
        ("self_attn.q_proj", heads * head_dim, hidden),
        ("self_attn.k_proj", kv_heads * head_dim, hidden),
        ("self_attn.v_proj", kv_heads * head_dim, hidden),
        ("self_attn.o_proj", hidden, heads * head_dim),
        ("post_attention_layernorm", hidden, 0),
        ("mlp.gate_proj", inner, hidden),
        ("mlp.down_proj", hidden, inner),
        ("mlp.up_proj", inner, hidden),
    ]
    for name, rows, columns in kinds:
        for layer in range(layers):
            values = product(rows, columns) if columns else take(rows, "<f4")
            weights[f"model.layers.{layer}.{name}.weight"] = values
    weights["model.norm.weight"] = take(hidden, "<f4")
    assert offset == len(data)
    return Llama(weights, layers, heads, kv_heads, head_dim, epsilon, theta, LLAMA_3_2_SCALING)


def frequencies(model: Llama) -> Array:
    """Of the rotary embedding's pairs, unit: radians a position."""
    plain = model.rope_theta ** (-np.arange(0, model.head_dim, 2) / model.head_dim)
    if model.scaling is None:
        return plain.astype(np.float32)
    low, high, factor = (model.scaling[key] for key in ("low_freq_factor", "high_freq_factor", "factor"))
    periods = model.scaling["original_max_position_embeddings"] * plain / (2 * np.pi)
    smooth = (periods - low) / (high - low)
    blended = (1 - smooth) * plain / factor + smooth * plain
    scaled = np.where(periods < low, plain / factor, np.where(periods > high, plain, blended))
    return scaled.astype(np.float32)


def _norm(x: Array, weight: Array, epsilon: float) -> Array:
    return weight * x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(epsilon))


def _rotated(x: Array, cosines: Array, sines: Array) -> Array:
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    return np.concatenate([first * cosines - second * sines, second * cosines + first * sines], axis=-1)


def logits(model: Llama, ids: list[int]) -> Array:
    """Logits [vocabulary] behind the last of ids."""
    weights, count = model.weights, len(ids)
    x = weights["model.embed_tokens.weight"][ids].astype(np.float32)
    angles = np.arange(count, dtype=np.float32)[:, None] * frequencies(model)
    cosines, sines = np.cos(angles)[:, None, :], np.sin(angles)[:, None, :]
    hidden_from_later = np.triu(np.full((count, count), -np.inf, dtype=np.float32), 1)
    for layer in range(model.layers):

        def of(name: str, layer: int = layer) -> Array:
            return weights[f"model.layers.{layer}.{name}.weight"]

        n = _norm(x, of("input_layernorm"), model.norm_epsilon)
        q, k, v = (n @ of(f"self_attn.{name}_proj").T for name in "qkv")
        q = _rotated(q.reshape(count, model.heads, -1), cosines, sines)
        shared = model.heads // model.kv_heads
        k = np.repeat(_rotated(k.reshape(count, model.kv_heads, -1), cosines, sines), shared, axis=1)
        v = np.repeat(v.reshape(count, model.kv_heads, -1), shared, axis=1)
        scores = np.einsum("ihd,jhd->hij", q, k) / np.float32(np.sqrt(model.head_dim)) + hidden_from_later
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        x = x + np.einsum("hij,jhd->ihd", scores, v).reshape(count, -1) @ of("self_attn.o_proj").T
        n = _norm(x, of("post_attention_layernorm"), model.norm_epsilon)
        gate = n @ of("mlp.gate_proj").T
        x = x + (gate / (1 + np.exp(-gate)) * (n @ of("mlp.up_proj").T)) @ of("mlp.down_proj").T
    last = _norm(x[-1], weights["model.norm.weight"], model.norm_epsilon)
    return weights.get("lm_head.weight", weights["model.embed_tokens.weight"]) @ last


def greedy(model: Llama, ids: list[int], count: int) -> list[int]:
    """The next ids, each the one of the highest logit, the lowest among equals."""
    ids = list(ids)
    for _ in range(count):
        ids.append(int(np.argmax(logits(model, ids))))
    return ids[-count:]
