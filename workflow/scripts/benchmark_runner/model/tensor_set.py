"""The tensors that a Llama of a config.json has: all of them, in their shapes, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmark_runner.errors import BenchmarkError, shown
from benchmark_runner.model.llama_config import Architecture
from benchmark_runner.model.safetensors_header import StoredTensor

EMBEDDING: Final = "model.embed_tokens.weight"
OUTPUT: Final = "lm_head.weight"

HARMLESS_ENDINGS: Final = ("rotary_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached")
"""What old checkpoints store although it follows from the configuration; every engine computes it anew."""

COMPARED_BYTES: Final = 1 << 24
"""Bytes of two tensors that are compared at once (chosen)."""


def llama_tensors(architecture: Architecture) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of each tensor, layer after layer, in the Hugging Face names."""
    hidden, inner = architecture.hidden_size, architecture.intermediate_size
    matrices = {
        "self_attn.q_proj": (architecture.query_width, hidden),
        "self_attn.k_proj": (architecture.kv_width, hidden),
        "self_attn.v_proj": (architecture.kv_width, hidden),
        "self_attn.o_proj": (hidden, architecture.query_width),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
    biased = {"self_attn": architecture.attention_bias, "mlp": architecture.mlp_bias}
    yield EMBEDDING, (architecture.vocab_size, hidden)
    for layer in range(architecture.layers):
        prefix = f"model.layers.{layer}"
        yield f"{prefix}.input_layernorm.weight", (hidden,)
        for name, shape in matrices.items():
            if name == "mlp.gate_proj":
                yield f"{prefix}.post_attention_layernorm.weight", (hidden,)
            yield f"{prefix}.{name}.weight", shape
            if biased[name.split(".")[0]]:
                yield f"{prefix}.{name}.bias", shape[:1]
    yield "model.norm.weight", (hidden,)
    if not architecture.tied_embeddings:
        yield OUTPUT, (architecture.vocab_size, hidden)


def is_harmless(name: str) -> bool:
    """Whether a tensor may be there beside those of the model, since nobody reads it."""
    return name.endswith(HARMLESS_ENDINGS)


def _equal(one: StoredTensor, other: StoredTensor) -> bool:
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    with one.path.open("rb") as mine, other.path.open("rb") as theirs:
        mine.seek(one.offset)
        theirs.seek(other.offset)
        for start in range(0, one.size_bytes, COMPARED_BYTES):
            count = min(COMPARED_BYTES, one.size_bytes - start)
            if mine.read(count) != theirs.read(count):
                return False
    return True


def _output_problem(architecture: Architecture, found: dict[str, StoredTensor]) -> str | None:
    """What contradicts tie_word_embeddings, which engines take each in its own way."""
    if not architecture.tied_embeddings and OUTPUT not in found:
        return f"no tensor {OUTPUT}, while config.json has no tie_word_embeddings: true"
    tied = architecture.tied_embeddings and OUTPUT in found and EMBEDDING in found
    if tied and not _equal(found[OUTPUT], found[EMBEDDING]):
        return f"{OUTPUT} with other values than {EMBEDDING}, while config.json has tie_word_embeddings: true"
    return None


def require_llama_tensors(folder: Path, architecture: Architecture, tensors: list[StoredTensor]) -> None:
    """Raise BenchmarkError that names the first tensor which lacks, is one too many or has another shape."""
    found = {tensor.name: tensor for tensor in tensors}
    if problem := _output_problem(architecture, found):
        raise BenchmarkError(f"{folder} holds {problem}: config.json and weights do not belong together")
    wanted = 0
    for name, shape in llama_tensors(architecture):
        wanted += 1
        if name not in found:
            raise BenchmarkError(
                f"{folder} holds no tensor {name}, which config.json promises; engines would make it up or fail: "
                "take weights and config.json of one checkpoint"
            )
        if found[name].shape != shape:
            raise BenchmarkError(
                f"{name} in {found[name].path} has shape {list(found[name].shape)} where config.json makes it "
                f"{list(shape)}: take weights and config.json of one checkpoint"
            )
    if wanted < len(found):
        names = dict(llama_tensors(architecture))
        others = [name for name in found if name not in names and name != OUTPUT and not is_harmless(name)]
        if others:
            raise BenchmarkError(
                f"{found[others[0]].path} holds the tensor {shown(others[0])}, which the Llama of config.json has not, "
                "so that engines would drop it: name a checkpoint of a plain Llama"
            )
