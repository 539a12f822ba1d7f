"""A Llama in a GGUF file read as the files of a Hugging Face folder, without torch; the tokenizer as SmolLM has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from gguf import GGUFReader, ReaderTensor
from gguf.quants import dequantize
from numpy.typing import NDArray

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model.byte_level import added_token, byte_level_tokenizer
from benchmark_runner.model.safetensors_data import write_file
from benchmark_runner.terminal import say

TOP_LEVEL_NAMES: Final = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
LAYER_NAMES: Final = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""llama.cpp's names of a layer's tensors and those of transformers' LlamaForCausalLM."""

CONTROL_TOKEN: Final = 3
"""tokenizer.ggml.token_type of special tokens (gguf.TokenType.CONTROL)."""


def metadata(reader: GGUFReader) -> dict[str, Any]:
    """All key-value pairs of the file; raises BenchmarkError where it holds no Llama."""
    content = {name: field.contents() for name, field in reader.fields.items()}
    if content.get("general.architecture") != "llama":
        raise BenchmarkError(
            f"the GGUF file holds architecture {content.get('general.architecture')!r}; only 'llama' can be converted"
        )
    return content


def hugging_face_name(gguf_name: str) -> str:
    """Name of a tensor in transformers' LlamaForCausalLM; raises BenchmarkError for one a Llama lacks."""
    if gguf_name in TOP_LEVEL_NAMES:
        return TOP_LEVEL_NAMES[gguf_name]
    parts = gguf_name.split(".")
    if len(parts) == 4 and parts[0] == "blk" and parts[2] in LAYER_NAMES and parts[3] == "weight":
        return f"model.layers.{parts[1]}.{LAYER_NAMES[parts[2]]}.weight"
    raise BenchmarkError(f"the GGUF file holds tensor {gguf_name!r}, which a Llama does not have")


def undo_rotary_permutation(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Query or key rows [heads * head_dim, width] from llama.cpp's order to Hugging Face's.

    llama.cpp pairs neighbouring rows for the rotary embedding, transformers pairs the halves of a head; its
    convert_hf_to_gguf.py permutes the rows (LlamaModel.permute), and this is the inverse.
    """
    half = rows.shape[0] // heads // 2
    return rows.reshape(heads, half, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def config(content: dict[str, Any], *, tied_embeddings: bool) -> dict[str, Any]:
    """config.json of the model; rope_theta and torch_dtype on the top level, where each engine finds them."""
    heads = int(content["llama.attention.head_count"])
    width = int(content["llama.embedding_length"])
    # The file holds a 32-bit float; its shortest spelling is the number that the model was trained with.
    norm_epsilon = float(str(np.float32(content["llama.attention.layer_norm_rms_epsilon"])))
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": int(content["tokenizer.ggml.bos_token_id"]),
        "eos_token_id": int(content["tokenizer.ggml.eos_token_id"]),
        "head_dim": width // heads,
        "hidden_act": "silu",
        "hidden_size": width,
        "intermediate_size": int(content["llama.feed_forward_length"]),
        "max_position_embeddings": int(content["llama.context_length"]),
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": int(content["llama.block_count"]),
        "num_key_value_heads": int(content["llama.attention.head_count_kv"]),
        "pad_token_id": int(content["tokenizer.ggml.padding_token_id"]),
        "rms_norm_eps": norm_epsilon,
        "rope_scaling": None,
        "rope_theta": float(content["llama.rope.freq_base"]),
        "tie_word_embeddings": tied_embeddings,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": int(content["llama.vocab_size"]),
    }


def _require_smollm(content: dict[str, Any]) -> None:
    kind = (content.get("tokenizer.ggml.model"), content.get("tokenizer.ggml.pre"))
    if kind != ("gpt2", "smollm"):
        raise BenchmarkError(f"the GGUF file's tokenizer is {kind}; only ('gpt2', 'smollm') can be converted")


def _special_ids(content: dict[str, Any]) -> list[int]:
    return [index for index, kind in enumerate(content["tokenizer.ggml.token_type"]) if kind == CONTROL_TOKEN]


def tokenizer(content: dict[str, Any]) -> dict[str, Any]:
    """tokenizer.json of the file; it splits digits as the model was trained."""
    _require_smollm(content)
    tokens: list[str] = content["tokenizer.ggml.tokens"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    special = {index: tokens[index] for index in _special_ids(content)}
    return byte_level_tokenizer(vocabulary, content["tokenizer.ggml.merges"], special)


def tokenizer_config(content: dict[str, Any]) -> dict[str, Any]:
    """tokenizer_config.json: the special tokens' names and the chat template."""
    tokens: list[str] = content["tokenizer.ggml.tokens"]

    def token(role: str) -> str:
        return tokens[int(content[f"tokenizer.ggml.{role}_token_id"])]

    return {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": {str(index): added_token(tokens[index]) for index in _special_ids(content)},
        "bos_token": token("bos"),
        "chat_template": content["tokenizer.chat_template"],
        "clean_up_tokenization_spaces": False,
        "eos_token": token("eos"),
        "model_max_length": int(content["llama.context_length"]),
        "pad_token": token("padding"),
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": token("unknown"),
    }


def generation_config(content: dict[str, Any]) -> dict[str, Any]:
    """generation_config.json: the ids that begin, end and pad a sequence."""
    return {
        "_from_model_config": True,
        "bos_token_id": int(content["tokenizer.ggml.bos_token_id"]),
        "eos_token_id": int(content["tokenizer.ggml.eos_token_id"]),
        "pad_token_id": int(content["tokenizer.ggml.padding_token_id"]),
    }


def _as_float32(tensor: ReaderTensor, content: dict[str, Any]) -> NDArray[np.float32]:
    values: NDArray[np.float32] = dequantize(tensor.data, tensor.tensor_type)
    if tensor.name.endswith("attn_q.weight"):
        values = undo_rotary_permutation(values, int(content["llama.attention.head_count"]))
    elif tensor.name.endswith("attn_k.weight"):
        values = undo_rotary_permutation(values, int(content["llama.attention.head_count_kv"]))
    return np.ascontiguousarray(values, dtype="<f4")


def write_weights(reader: GGUFReader, content: dict[str, Any], path: Path) -> str:
    """Write all tensors as f32 in the safetensors format, sorted by name; returns the file's SHA-256."""
    named = sorted(((hugging_face_name(tensor.name), tensor) for tensor in reader.tensors), key=lambda pair: pair[0])

    def values() -> Iterator[NDArray[np.float32]]:
        for begun, (_, tensor) in enumerate(named, start=1):
            yield _as_float32(tensor, content)
            if begun % 68 == 0 or begun == len(named):
                say(f"  {begun} of {len(named)} tensors as f32")

    shapes = [(name, "F32", [int(size) for size in reversed(tensor.shape)]) for name, tensor in named]
    return write_file(path, shapes, values())
