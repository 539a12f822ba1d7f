"""What every derived format asks of a model: the tensors of a plain Llama, all of them and no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import shown
from benchmark_runner.model.checkpoint import read_checkpoint
from benchmark_runner.model.formats import CannotConvertError
from benchmark_runner.model.llama_config import ORIGINAL_CONTEXT, Architecture, json_object
from benchmark_runner.model.safetensors_header import StoredTensor
from benchmark_runner.model.tensor_set import OUTPUT, is_harmless

OTHER_ENGINE: Final = "measure this engine on another model, or leave it out"

ACTIVATIONS: Final = ("silu", "swish")
"""Two names of one function, which the engines with formats of their own compute."""

SCALING_NUMBERS: Final = {
    "linear": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor", ORIGINAL_CONTEXT),
}
"""What each kind of rope scaling that can be written needs."""


@dataclass(frozen=True)
class PlainLlama:
    """A model that a derived format can hold."""

    config: dict[str, Any]
    """Content of config.json."""
    architecture: Architecture
    tensors: dict[str, StoredTensor]
    """By their Hugging Face names; OUTPUT only where it is not tied."""


def _refusal(reason: str) -> CannotConvertError:
    return CannotConvertError(reason, OTHER_ENGINE)


def read_plain_llama(source: Path) -> PlainLlama:
    """The model in the folder source.

    Raises CannotConvertError for a Llama with more to it, BenchmarkError where the folder is no whole model.
    """
    checkpoint = read_checkpoint(source)
    config, architecture = json_object(source / "config.json"), checkpoint.architecture
    if biased := [key for key in ("attention_bias", "mlp_bias") if config.get(key)]:
        raise _refusal(f"the model has biases ({biased[0]}), which a plain Llama has not")
    activation = config.get("hidden_act", ACTIVATIONS[0])
    if activation not in ACTIVATIONS:
        raise _refusal(f"the model's activation is {shown(activation)}; only silu is written")
    rotated = config.get("partial_rotary_factor") or (config.get("rope_parameters") or {}).get("partial_rotary_factor")
    if rotated not in (None, 1):
        raise _refusal(f"the model rotates a part of each head ({shown(rotated)}); all is written")
    rope_settings(config)
    tied = architecture.tied_embeddings
    kept = [tensor for tensor in checkpoint.tensors if not is_harmless(tensor.name)]
    return PlainLlama(
        config, architecture, {tensor.name: tensor for tensor in kept if not (tied and tensor.name == OUTPUT)}
    )


def rope_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The scaling of config.json under either of its names; empty where there is none.

    Raises CannotConvertError for one that is neither linear nor Llama 3's, and for one that lacks a number.
    """
    found = config.get("rope_scaling") or config.get("rope_parameters") or {}
    kind = found.get("rope_type") or found.get("type") or "default"
    if kind == "default":
        return {}
    if kind not in SCALING_NUMBERS:
        raise _refusal(f"the model has rope scaling {shown(kind)}; only linear and llama3 are written")
    if missing := [key for key in SCALING_NUMBERS[kind] if found.get(key) is None]:
        raise _refusal(f"the model's rope scaling {kind} has no {missing[0]}, which engines would make up")
    if kind == "llama3" and found["high_freq_factor"] <= found["low_freq_factor"]:
        raise _refusal("the model's rope scaling has its high_freq_factor at or below the low one")
    return {**found, "rope_type": kind}
