"""The derived formats `lmrs` and `lmrs-q8_0`: convert(source, out, dtype) writes model.lmrs and tokenizer.bin."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchmark_runner.model.checkpoint import read_checkpoint
from benchmark_runner.model.formats import CannotConvertError
from benchmark_runner.model.llama_config import json_object
from benchmark_runner.model.lmrs.header import FLOAT32
from benchmark_runner.model.lmrs.limits import require_computable
from benchmark_runner.model.lmrs.tokenizer_bin import entries, pack_tokenizer
from benchmark_runner.model.lmrs.weights import write_model

MODEL: Final = "model.lmrs"
TOKENIZER: Final = "tokenizer.bin"

BOS_ID: Final = 128_000
"""Of Llama 3; lm.rs's prompt for Llamas holds it in any case and does not read this field."""


def convert(source: Path, out: Path, dtype: str, value_type: int = FLOAT32) -> None:
    """Write both files into out; raises CannotConvertError for a model that lm.rs would compute wrongly."""
    if dtype != "f32":
        raise CannotConvertError(
            f"lm.rs computes in f32, and {dtype} was asked for", "set the engine's dtype to f32, or leave it out"
        )
    checkpoint = read_checkpoint(source)
    shape = checkpoint.architecture
    require_computable(json_object(source / "config.json"), shape)
    listed = entries(json_object(source / "tokenizer.json"), shape.vocab_size)
    write_model(out / MODEL, shape, {tensor.name: tensor for tensor in checkpoint.tensors}, value_type)
    (out / TOKENIZER).write_bytes(pack_tokenizer(listed, BOS_ID))
