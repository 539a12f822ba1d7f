"""A Hugging Face Llama written as GGUF, as llama.cpp's convert_hf_to_gguf.py lays it out; tokens go in and out as ids.

llama.cpp holds norms in f32 whatever the type of the others, because its kernels take no other; so does this. It is
given ids and gives ids back, so that its own splitting of text is never used; the vocabulary is there because it will
not load a model without one, and because ids must mean what they mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, RopeScalingType, TokenType
from gguf.quants import quantize
from numpy.typing import NDArray

from benchmark_runner.model import gguf_llama
from benchmark_runner.model.bpe_vocabulary import REMEDY, BpeVocabulary, read_vocabulary
from benchmark_runner.model.formats import DERIVED, CannotConvertError
from benchmark_runner.model.llama_config import Architecture, optional_object, special_ids
from benchmark_runner.model.plain_llama import PlainLlama, read_plain_llama, rope_settings
from benchmark_runner.model.safetensors_data import as_float32
from benchmark_runner.model.safetensors_header import StoredTensor

UNKNOWN_SCORE: Final = -1000.0
"""What convert_hf_to_gguf.py writes where a vocabulary has merges instead of scores."""

DIGITS_IN_THREES: Final = r"\p{N}{1,3}"
"""Part of the pattern by which Llama 3 splits text, and few others."""

SPECIAL_ROLES: Final = ("bos", "unk", "pad", "eos")


def _pre_tokenizers(tokenizer: Mapping[str, Any]) -> list[Any]:
    found = tokenizer.get("pre_tokenizer")
    parts = found.get("pretokenizers", [found]) if isinstance(found, dict) else []
    return parts if isinstance(parts, list) else []


def splitting(tokenizer: Mapping[str, Any]) -> str:
    """llama.cpp's name for how text is split before the merges; `default` where none fits."""
    parts = _pre_tokenizers(tokenizer)
    if DIGITS_IN_THREES in str(parts):
        return "llama-bpe"
    return "smollm" if any(isinstance(part, dict) and part.get("type") == "Digits" for part in parts) else "default"


def _kind(text: str, special: bool, byte_fallback: bool) -> TokenType:
    if special:
        return TokenType.CONTROL
    if byte_fallback and len(text) == len("<0x00>") and text.startswith("<0x") and text.endswith(">"):
        return TokenType.BYTE
    return TokenType.NORMAL


def vocabulary(read: BpeVocabulary, vocab_size: int) -> tuple[list[str], list[TokenType]]:
    """Text and kind of each of vocab_size ids; ids without a token become unused ones."""
    texts = [f"[PAD{index}]" for index in range(vocab_size)]
    kinds = [TokenType.UNUSED] * vocab_size
    for index, text in read.texts.items():
        texts[index], kinds[index] = text, _kind(text, index in read.special, read.byte_fallback)
    if read.unknown is not None:
        kinds[read.unknown] = TokenType.UNKNOWN
    return texts, kinds


def _special_ids(source: Path, read: BpeVocabulary, vocab_size: int) -> dict[str, int]:
    """Ids of the special tokens that the folder names, by llama.cpp's word for them."""
    found = {role: ids[0] for role in SPECIAL_ROLES if (ids := special_ids(source, role))}
    for role, index in found.items():
        if index >= vocab_size:
            raise CannotConvertError(
                f"{role}_token_id is {index}, while config.json has a vocab_size of {vocab_size}", REMEDY
            )
    return found if read.unknown is None else found | {"unk": found.get("unk", read.unknown)}


def add_tokenizer(writer: GGUFWriter, source: Path, vocab_size: int) -> None:
    """Write the vocabulary of the folder source; raises CannotConvertError for one that cannot be written."""
    tokenizer = optional_object(source, "tokenizer.json")
    read = read_vocabulary(tokenizer, vocab_size)
    if read.byte_fallback:
        writer.add_tokenizer_model("llama")
        writer.add_token_scores([UNKNOWN_SCORE] * vocab_size)
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(splitting(tokenizer))
        writer.add_token_merges([" ".join(merge) for merge in read.merges])
    texts, kinds = vocabulary(read, vocab_size)
    writer.add_token_list(texts)
    writer.add_token_types(kinds)
    for role, index in _special_ids(source, read, vocab_size).items():
        getattr(writer, f"add_{role}_token_id")(index)
    writer.add_add_bos_token(False)


FILE: Final = DERIVED["gguf"].weights
TYPES: Final = {
    "f32": (GGMLQuantizationType.F32, LlamaFileType.ALL_F32, 4),
    "f16": (GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16, 2),
    "bf16": (GGMLQuantizationType.BF16, LlamaFileType.MOSTLY_BF16, 2),
}
"""By dtype: type of the matrices, what the file says of itself, bytes a value."""


@dataclass(frozen=True)
class Planned:
    """A tensor of the file to be written."""

    name: str
    source: StoredTensor
    heads: int | None
    """Heads among which its rows are permuted; None where they are not."""


def gguf_names(layers: int) -> dict[str, str]:
    """llama.cpp's name of each tensor that a Llama may have, by its Hugging Face name."""
    names = {ours: theirs for theirs, ours in gguf_llama.TOP_LEVEL_NAMES.items()}
    for layer in range(layers):
        for theirs, ours in gguf_llama.LAYER_NAMES.items():
            names[f"model.layers.{layer}.{ours}.weight"] = f"blk.{layer}.{theirs}.weight"
    return names


def permute_rotary(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Query or key rows [heads * head_dim, width] from Hugging Face's order to llama.cpp's (LlamaModel.permute)."""
    half = rows.shape[0] // heads // 2
    return rows.reshape(heads, 2, half, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def planned_tensors(model: PlainLlama) -> list[Planned]:
    """All tensors in the order of the file."""
    heads = {"attn_q": model.architecture.heads, "attn_k": model.architecture.kv_heads}
    return [
        Planned(theirs, model.tensors[ours], heads.get(theirs.split(".")[-2]))
        for ours, theirs in gguf_names(model.architecture.layers).items()
        if ours in model.tensors
    ]


def llama3_factors(settings: Mapping[str, Any], theta: float, head_dim: int) -> NDArray[np.float32]:
    """Divisors of the rotary frequencies [head_dim / 2] under Llama 3's scaling: the tensor rope_freqs of llama.cpp.

    Source: transformers' _compute_llama3_parameters; llama.cpp divides each frequency by its factor.
    """
    factor, low, high = (float(settings[key]) for key in ("factor", "low_freq_factor", "high_freq_factor"))
    context = float(settings["original_max_position_embeddings"])
    frequencies = np.float32(1) / theta ** (np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim))
    factors = []
    for frequency in frequencies:
        wavelength = 2 * math.pi / float(frequency)
        if wavelength < context / high:
            factors.append(1.0)
        elif wavelength > context / low:
            factors.append(factor)
        else:
            smooth = (context / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, dtype=np.float32)


def add_rope(writer: GGUFWriter, config: Mapping[str, Any], architecture: Architecture) -> NDArray[np.float32] | None:
    """Write what turns positions into angles; returns the tensor rope_freqs where there is one."""
    writer.add_rope_dimension_count(architecture.head_dim)
    writer.add_rope_freq_base(architecture.rope_theta)
    settings = rope_settings(config)
    if settings.get("rope_type") == "linear":
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(settings["factor"]))
    if settings.get("rope_type") == "llama3":
        return llama3_factors(settings, architecture.rope_theta, architecture.head_dim)
    return None


def add_architecture(writer: GGUFWriter, architecture: Architecture) -> None:
    """Write the numbers of the model that are no tensor's."""
    writer.add_vocab_size(architecture.vocab_size)
    writer.add_context_length(architecture.context_length)
    writer.add_embedding_length(architecture.hidden_size)
    writer.add_block_count(architecture.layers)
    writer.add_head_count(architecture.heads)
    writer.add_head_count_kv(architecture.kv_heads)
    writer.add_key_length(architecture.head_dim)
    writer.add_value_length(architecture.head_dim)
    writer.add_layer_norm_rms_eps(architecture.norm_epsilon)


def values_of(planned: Planned, kind: GGMLQuantizationType) -> NDArray[Any]:
    """The tensor's values in the type of the file; raises CannotConvertError where f16 cannot hold one."""
    values = as_float32(planned.source)
    if planned.heads is not None:
        values = permute_rotary(values, planned.heads)
    values = np.ascontiguousarray(values)
    if kind == GGMLQuantizationType.F32:
        return values
    if kind == GGMLQuantizationType.F16:
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if np.isinf(half).any():
            raise CannotConvertError(f"{planned.source.name} holds values beyond the range of f16", "use f32 or bf16")
        return half
    return quantize(values, kind)


def kind_of(tensor: StoredTensor, dtype: str) -> GGMLQuantizationType:
    """Type in which a tensor is written: vectors are norms, and those stay f32."""
    return TYPES[dtype][0] if len(tensor.shape) > 1 else GGMLQuantizationType.F32


def convert(source: Path, out: Path, dtype: str) -> None:
    """Write the folder source as out/model.gguf, one tensor in memory at a time.

    Raises CannotConvertError for what GGUF's llama architecture does not express, BenchmarkError for a broken folder.
    """
    model = read_plain_llama(source)
    architecture, planned = model.architecture, planned_tensors(model)
    writer = GGUFWriter(out / FILE, "llama")
    writer.add_file_type(TYPES[dtype][1])
    add_architecture(writer, architecture)
    writer.add_feed_forward_length(architecture.intermediate_size)
    rope_factors = add_rope(writer, model.config, architecture)
    add_tokenizer(writer, source, architecture.vocab_size)
    if rope_factors is not None:
        writer.add_tensor_info("rope_freqs.weight", rope_factors.shape, rope_factors.dtype, rope_factors.nbytes)
    for entry in planned:
        kind = kind_of(entry.source, dtype)
        size = 4 if kind == GGMLQuantizationType.F32 else TYPES[dtype][2]
        shape, elements = entry.source.shape, entry.source.elements
        writer.add_tensor_info(entry.name, shape, np.dtype(np.float32), size * elements, raw_dtype=kind)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        if rope_factors is not None:
            writer.write_tensor_data(rope_factors)
        for entry in planned:
            writer.write_tensor_data(values_of(entry, kind_of(entry.source, dtype)))
    finally:
        writer.close()
