"""A Hugging Face Llama as CTranslate2's model folder: model.bin, vocabulary.json, and its keys in config.json.

The layout of model.bin is that of ModelSpec._serialize and TransformerDecoderModelSpec in the package ctranslate2 4.8.5
(binary version 6), the variables are those of its LlamaLoader. Unlike that loader this writes the factor and the
original context of Llama 3's rope scaling, without which the engine computes without scaling.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from benchmark_runner.jsonio import write_json
from benchmark_runner.model.formats import DERIVED, CannotConvertError
from benchmark_runner.model.llama_config import ORIGINAL_CONTEXT, Architecture
from benchmark_runner.model.plain_llama import (
    OTHER_ENGINE,
    PlainLlama,
    read_plain_llama,
    rope_settings,
)
from benchmark_runner.model.safetensors_data import as_float32
from benchmark_runner.model.safetensors_header import StoredTensor
from benchmark_runner.model.tensor_set import OUTPUT

FILE: Final = DERIVED["ctranslate2"].weights
BINARY_VERSION: Final = 6
SPECIFICATION: Final = ("TransformerDecoderSpec", 8)
"""Name and revision."""

TYPE_IDS: Final = {"float32": 0, "int8": 1, "int16": 2, "int32": 3}
"""enum DataType in the engine's types.h."""

SWISH: Final = 2
"""enum ActivationType in the engine's activation.h."""

SCALING_TYPES: Final = {"linear": 0, "llama3": 2}
"""enum RotaryScalingType in the engine's attention.h."""

LARGEST_BYTES: Final = (1 << 32) - 1
"""model.bin counts a variable's bytes in 32 bits."""

EMBEDDING: Final = "decoder/embeddings/weight"
PROJECTION: Final = "decoder/projection/weight"
TOP_LEVEL: Final = {
    EMBEDDING: ["model.embed_tokens.weight"],
    "decoder/layer_norm/gamma": ["model.norm.weight"],
    PROJECTION: [OUTPUT],
}
OF_A_LAYER: Final = {
    "ffn/layer_norm/gamma": ["post_attention_layernorm"],
    "ffn/linear_0/weight": ["mlp.gate_proj"],
    "ffn/linear_0_noact/weight": ["mlp.up_proj"],
    "ffn/linear_1/weight": ["mlp.down_proj"],
    "self_attention/layer_norm/gamma": ["input_layernorm"],
    "self_attention/linear_0/weight": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "self_attention/linear_1/weight": ["self_attn.o_proj"],
}
"""The engine's variables and the Hugging Face tensors whose rows they hold one after another."""

Number = np.generic


@dataclass(frozen=True)
class Rows:
    """A variable that is made of tensors, one below the other."""

    tensors: list[StoredTensor]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole."""
        return (sum(tensor.shape[0] for tensor in self.tensors), *self.tensors[0].shape[1:])

    @property
    def size_bytes(self) -> int:
        """In f32."""
        return 4 * sum(tensor.elements for tensor in self.tensors)


def variable_sources(layers: int) -> dict[str, list[str]]:
    """Hugging Face tensors of each variable that a Llama of so many layers may have."""
    sources = dict(TOP_LEVEL)
    for layer in range(layers):
        for name, parts in OF_A_LAYER.items():
            sources[f"decoder/layer_{layer}/{name}"] = [f"model.layers.{layer}.{part}.weight" for part in parts]
    return sources


def rotary_numbers(config: Mapping[str, Any], architecture: Architecture) -> dict[str, Number]:
    """What turns positions into angles."""
    numbers: dict[str, Number] = {
        "rotary_dim": np.int32(0),  # all of a head's dimensions
        "rotary_interleave": np.int8(0),
        "rotary_base": np.float32(architecture.rope_theta),
    }
    if settings := rope_settings(config):
        numbers["rotary_scaling_factor"] = np.float32(settings["factor"])
        numbers["rotary_scaling_type"] = np.int8(SCALING_TYPES[settings["rope_type"]])
    if settings.get("rope_type") == "llama3":
        numbers |= {f"rotary_{key}": np.float32(settings[key]) for key in ("low_freq_factor", "high_freq_factor")}
        numbers[ORIGINAL_CONTEXT] = np.int32(settings[ORIGINAL_CONTEXT])
    return numbers


def attention_numbers(config: Mapping[str, Any], architecture: Architecture) -> dict[str, Number]:
    """The numbers of each layer's attention."""
    numbers = rotary_numbers(config, architecture)
    if architecture.kv_heads != architecture.heads:
        numbers["num_heads_kv"] = np.int32(architecture.kv_heads)
    if architecture.head_dim * architecture.heads != architecture.hidden_size:
        numbers["head_dim"] = np.int32(architecture.head_dim)
    return numbers


def decoder_numbers(config: Mapping[str, Any], architecture: Architecture) -> dict[str, Number]:
    """All variables that are a number, by name; raises CannotConvertError for one that its type does not hold."""
    if architecture.heads > np.iinfo(np.int16).max:
        raise CannotConvertError(f"{architecture.heads} heads do not fit model.bin's 16 bits", OTHER_ENGINE)
    numbers: dict[str, Number] = {
        "activation": np.int8(SWISH),
        "alibi": np.int8(0),
        "alibi_use_positive_positions": np.int8(0),
        "alignment_heads": np.int16(1),
        "alignment_layer": np.int16(-1),
        "num_heads": np.int16(architecture.heads),
        "pre_norm": np.int8(1),
        "scale_alibi": np.int8(0),
        "scale_embeddings": np.int8(0),
        "start_from_zero_embedding": np.int8(0),
    }
    of_attention = attention_numbers(config, architecture)
    for layer in range(architecture.layers):
        numbers |= {f"layer_{layer}/self_attention/{name}": value for name, value in of_attention.items()}
    return {f"decoder/{name}": value for name, value in numbers.items()}


def matrices(model: PlainLlama) -> dict[str, Rows]:
    """All variables that are made of tensors, by name; raises CannotConvertError for one that is too large."""
    tensors = model.tensors
    sources = variable_sources(model.architecture.layers)
    found = {name: Rows([tensors[part] for part in parts]) for name, parts in sources.items() if parts[0] in tensors}
    for name, rows in found.items():
        if rows.size_bytes > LARGEST_BYTES:
            raise CannotConvertError(
                f"{name} takes {rows.size_bytes} bytes; model.bin counts up to {LARGEST_BYTES}", OTHER_ENGINE
            )
    return found


def _text(words: str) -> bytes:
    raw = words.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw


def _header(name: str, shape: tuple[int, ...], type_name: str, size_bytes: int) -> bytes:
    sizes = struct.pack(f"<B{len(shape)}I", len(shape), *shape)
    return _text(name) + sizes + struct.pack("<BI", TYPE_IDS[type_name], size_bytes)


def write_variables(file: BinaryIO, variables: Mapping[str, Rows | Number], aliases: Mapping[str, str]) -> None:
    """Write the whole model.bin, variables in the order of their names, one tensor in memory at a time."""
    name, revision = SPECIFICATION
    file.write(struct.pack("<I", BINARY_VERSION) + _text(name) + struct.pack("<II", revision, len(variables)))
    for name, variable in sorted(variables.items()):
        if isinstance(variable, Rows):
            file.write(_header(name, variable.shape, "float32", variable.size_bytes))
            for tensor in variable.tensors:
                file.write(np.ascontiguousarray(as_float32(tensor), dtype="<f4").data.cast("B"))
        else:
            file.write(_header(name, (), variable.dtype.name, variable.nbytes))
            file.write(np.asarray(variable, dtype=variable.dtype.newbyteorder("<")).tobytes())
    file.write(struct.pack("<I", len(aliases)))
    for name, other in aliases.items():
        file.write(_text(name) + _text(other))


def write_words(model: PlainLlama, out: Path) -> None:
    """Write what the engine reads beside the weights.

    A token's text is its id in digits, so that texts and ids are one-to-one; the three special names are no token's,
    so that the engine knows no end of a sequence of its own.
    """
    texts = [str(token_id) for token_id in range(model.architecture.vocab_size)]
    write_json(out / "vocabulary.json", texts, indent=None)
    names = {"unk_token": "<unk>", "bos_token": "<unk>", "eos_token": "<unk>"}
    epsilon = model.architecture.norm_epsilon
    write_json(out / "config.json", {**model.config, **names, "layer_norm_epsilon": epsilon})


def convert(source: Path, out: Path, dtype: str) -> None:
    """Write the folder source as CTranslate2's files into out, whose config.json keeps the model's own keys.

    Raises CannotConvertError for what the engine does not compute, BenchmarkError for a broken folder.
    """
    if dtype != "f32":
        raise CannotConvertError(
            f"CTranslate2 computes in f32 on a CPU, and {dtype} was asked for",
            "set the engine's dtype to f32, or leave it out",
        )
    model = read_plain_llama(source)
    architecture = model.architecture
    variables: dict[str, Rows | Number] = {**decoder_numbers(model.config, architecture), **matrices(model)}
    write_words(model, out)
    with (out / FILE).open("wb") as file:
        write_variables(file, variables, {PROJECTION: EMBEDDING} if architecture.tied_embeddings else {})
