"""What every derived format asks of a model: the tensors of a plain Llama, all of them and no others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model.checkpoint import Architecture, stored_tensors
from benchmark_runner.model.formats import CannotConvertError
from benchmark_runner.model.safetensors_header import StoredTensor

OTHER_ENGINE: Final = "measure this engine on another model, or leave it out"
DEFAULT_NORM_EPSILON: Final = 1e-6
"""What transformers' LlamaConfig takes where config.json names none."""
OUTPUT: Final = "lm_head.weight"
IGNORED_ENDING: Final = "rotary_emb.inv_freq"
"""Old checkpoints store what follows from the configuration."""


def plain_tensors(source: Path, architecture: Architecture, names: Collection[str]) -> dict[str, StoredTensor]:
    """The model's tensors by their Hugging Face names, in the order of names; OUTPUT only where it is not tied.

    Raises CannotConvertError for one that is not among names, BenchmarkError where one is absent.
    """
    found = {}
    for tensor in stored_tensors(source):
        if tensor.name.endswith(IGNORED_ENDING) or (architecture.tied_embeddings and tensor.name == OUTPUT):
            continue
        if tensor.name not in names:
            raise CannotConvertError(
                f"the model has the tensor {tensor.name}, which a plain Llama has not", OTHER_ENGINE
            )
        found[tensor.name] = tensor
    wanted = [name for name in names if name != OUTPUT or not architecture.tied_embeddings]
    for name in wanted:
        if name not in found:
            raise BenchmarkError(f"{source} holds no tensor {name}; download the model again")
    return {name: found[name] for name in wanted}


def rope_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The scaling of config.json under either of its names; empty where there is none."""
    found = config.get("rope_scaling") or config.get("rope_parameters") or {}
    kind = found.get("rope_type") or found.get("type") or "default"
    return {} if kind == "default" else {**found, "rope_type": kind}


def unwritten_scaling(kind: str) -> CannotConvertError:
    """The refusal of a rope scaling that is neither linear nor Llama 3's."""
    return CannotConvertError(f"the model has rope scaling {kind!r}; only linear and llama3 are written", OTHER_ENGINE)
