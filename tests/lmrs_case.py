"""Hugging Face folders that fit lm.rs: a byte-level tokenizer of Llama 3's size, and two models of a few megabytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import pre_tokenizers

from benchmark_runner.model.llama_config import Architecture, architecture_of
from tiny_model import LLAMA_3_2_SCALING

VOCABULARY = 128_012
EOS = 128_009
TWO_LINES = 271
WORDS = ("hello", "you", " you", "how", " are", "the", " the", "Nov", " Nov", "user", "system", "20", "19", "18")

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "num_hidden_layers": 2,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500_000.0,
    "rope_scaling": LLAMA_3_2_SCALING,
    "tie_word_embeddings": True,
    "eos_token_id": EOS,
}
CIRCLE_CONFIG = CONFIG | {
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_attention_heads": 1,
    "num_hidden_layers": 1,
    "rope_theta": 500.0,
    "rope_scaling": None,
}
"""No attention, and wavelengths that lm.rs does not scale."""


def shape_of(config: dict[str, Any]) -> Architecture:
    """Numbers of a config.json."""
    return architecture_of(config, Path("config.json"), parameters=0)


def bytes_as_letters() -> dict[int, str]:
    """Letter that stands for each byte in a byte-level vocabulary, in the tokenizers library's own order."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    # Those from 256 on stand for the bytes that have no letter of their own, in order.
    own = {ord(letter): letter for letter in letters if ord(letter) < 256}
    rest = iter(letter for letter in letters if ord(letter) >= 256)
    return {byte: own.get(byte) or next(rest) for byte in range(256)}


def make_tokenizer() -> dict[str, Any]:
    """tokenizer.json: letters, a few words with their merges, a line's end, fillers, and special tokens from 128000."""
    letters = bytes_as_letters()
    vocab = {letters[byte]: byte for byte in range(256)}
    merges: list[list[str]] = []

    def add(text: str, token_id: int | None = None) -> None:
        spelled = "".join(letters[byte] for byte in text.encode())
        for end in range(2, len(spelled) + 1):
            token = spelled[:end]
            if token not in vocab:
                # As in Llama 3's file: all pairs of tokens that spell the token, so that its rank alone decides.
                halves = [(token[:cut], token[cut:]) for cut in range(1, end)]
                merges.extend([left, right] for left, right in halves if left in vocab and right in vocab)
                vocab[token] = len(vocab) if token_id is None or end < len(spelled) else token_id

    add("\n\n", TWO_LINES)
    vocab |= {f"filler{token_id}": token_id for token_id in range(256, TWO_LINES)}
    assert len(vocab) == TWO_LINES + 1
    for word in WORDS:
        add(word)
    add("é")
    vocab |= {f"filler{token_id}": token_id for token_id in range(len(vocab), 128_000)}
    special = [f"<|special {token_id}|>" for token_id in range(128_000, VOCABULARY - 1)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": token_id,
                "content": content,
                **dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False),
                "special": True,
            }
            for token_id, content in enumerate(special, 128_000)
        ],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": vocab, "merges": merges},
    }


def random_weights(seed: int = 3) -> dict[str, NDArray[np.float32]]:
    """Weights of CONFIG's shape in which each part has a say."""
    draw = np.random.default_rng(seed)
    hidden, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCABULARY, hidden)}
    for layer in range(CONFIG["num_hidden_layers"]):
        shapes |= {
            f"model.layers.{layer}.{name}.weight": shape
            for name, shape in {
                "input_layernorm": (hidden,),
                "self_attn.q_proj": (16, hidden),
                "self_attn.k_proj": (8, hidden),
                "self_attn.v_proj": (8, hidden),
                "self_attn.o_proj": (hidden, 16),
                "post_attention_layernorm": (hidden,),
                "mlp.gate_proj": (inner, hidden),
                "mlp.down_proj": (hidden, inner),
                "mlp.up_proj": (inner, hidden),
            }.items()
        }
    shapes["model.norm.weight"] = (hidden,)
    return {
        name: (draw.normal(size=shape) / (1 if len(shape) == 1 else 2) + (len(shape) == 1)).astype(np.float32)
        for name, shape in shapes.items()
    }


def circle_ids(length: int) -> list[int]:
    """Ids that the circle model goes through after a prompt of lm.rs, over and over: words, EOS, the prompt's last."""
    return [*range(2000, 2000 + length), EOS, TWO_LINES]


def circle_weights(length: int = 6) -> dict[str, NDArray[np.float32]]:
    """Weights of CIRCLE_CONFIG's shape that say which id follows which, whatever stands before.

    The ids lie on a circle in two of eight dimensions, a third is 1 for all. Attention adds nothing. The gate looks at
    the third alone, so that the rest of the feed-forward is linear, and turns the circle by one step.
    """
    ids = circle_ids(length)
    angles = 2 * np.pi * np.arange(len(ids)) / len(ids)
    embedding = np.zeros((VOCABULARY, 8))
    embedding[ids, :3] = np.stack([np.cos(angles), np.sin(angles), np.ones(len(ids))], axis=1)
    step, scale = angles[1], np.sqrt(2 / 8 + CIRCLE_CONFIG["rms_norm_eps"])  # of the norm, alike for all ids
    gate, up, down = (np.zeros((8, 8)) for _ in range(3))
    gate[:2, 2] = scale  # silu(1)
    up[[0, 1], [0, 1]] = scale
    turn = np.array([[np.cos(step) - 1, -np.sin(step)], [np.sin(step), np.cos(step) - 1]])
    down[:2, :2] = turn * (1 + np.exp(-1))
    layer = {
        "input_layernorm": np.ones(8),
        **{f"self_attn.{name}_proj": np.zeros((8, 8)) for name in "qkvo"},
        "post_attention_layernorm": np.ones(8),
        "mlp.gate_proj": gate,
        "mlp.down_proj": down,
        "mlp.up_proj": up,
    }
    weights = {"model.embed_tokens.weight": embedding, "model.norm.weight": np.ones(8)}
    weights |= {f"model.layers.0.{name}.weight": values for name, values in layer.items()}
    return {name: values.astype(np.float32) for name, values in weights.items()}


def make_checkpoint(folder: Path, config: dict[str, Any], weights: dict[str, NDArray[np.float32]]) -> Path:
    """Write a Hugging Face folder."""
    folder.mkdir(parents=True)
    for name, content in {
        "config.json": config,
        "tokenizer.json": make_tokenizer(),
        "tokenizer_config.json": {"eos_token": f"<|special {EOS}|>"},
    }.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    save_file(weights, folder / "model.safetensors")
    return folder
