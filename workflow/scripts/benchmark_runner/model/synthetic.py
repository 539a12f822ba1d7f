"""Makes a model of a published shape with random weights: python -m benchmark_runner.model.synthetic --name … --out ….

Every weight is drawn evenly from an interval around 0 whose standard deviation is 1 over the root of the number of
inputs (LeCun's rule), and every norm is 1: then each product has the variance of its input at any width, so that
activations neither die nor overflow in f16, and logits have a standard deviation of about 1, so that one token stands
out. What is generated is a fixed, meaningless text.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmark_runner.commands import command
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import write_json
from benchmark_runner.model.byte_level import tokenizer, tokenizer_config
from benchmark_runner.model.checkpoint import files_that_matter
from benchmark_runner.model.manifest import describe_files
from benchmark_runner.model.recipes import SEED, Synthetic, synthetic_models
from benchmark_runner.model.safetensors_data import write_file
from benchmark_runner.model.source import made_whole, write_source
from benchmark_runner.terminal import say

DTYPE: Final = "BF16"
"""As the published checkpoints are stored."""

CHUNK_ELEMENTS: Final = 1 << 22
"""Weights drawn at once: 8 MB (chosen)."""

ONE: Final = np.uint16(0x3F80)
"""1.0 in bf16."""


def _bf16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Bits of the nearest bf16, ties to even; values must be finite."""
    bits = values.view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)).astype(np.uint16)


def weight_table(inputs: int) -> NDArray[np.uint16]:
    """The 65,536 evenly spaced weights of which each is drawn equally often, as bits of bf16; their mean is 0.

    Computed in whole steps of one float64 factor, so that they are the same on each machine.
    """
    half_width = math.sqrt(3 / inputs)
    steps = np.arange(65536, dtype=np.float64) - 32767.5
    return _bf16((steps * (half_width / 32768)).astype(np.float32))


def drawn(shape: tuple[int, ...], place: int) -> NDArray[np.uint16]:
    """A tensor of the model, as bits of bf16: its place in the file seeds it.

    PCG64's raw words are used as they come, since numpy promises those, and not what its distributions make of them.
    """
    if len(shape) == 1:
        return np.full(shape, ONE)
    table = weight_table(shape[1])
    source = np.random.PCG64(np.random.SeedSequence([SEED, place]))
    values = np.empty(math.prod(shape), dtype=np.uint16)
    for start in range(0, values.size, CHUNK_ELEMENTS):
        part = values[start : start + CHUNK_ELEMENTS]
        words = np.asarray(source.random_raw(-(-part.size // 4)), dtype="<u8")
        np.take(table, words.view("<u2")[: part.size], out=part)
    return values.reshape(shape)


def model_config(model: Synthetic) -> dict[str, Any]:
    """config.json, with the keys of a Llama that all shapes share."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "mlp_bias": False,
        "model_type": "llama",
        **model.config,
        "torch_dtype": "bfloat16",
        "use_cache": True,
    }


def write_model(model: Synthetic, folder: Path) -> None:
    """Write the model's files into the empty folder, one tensor in memory at a time."""
    bos, eos = (int(model.config[f"{name}_token_id"]) for name in ("bos", "eos"))
    write_json(folder / "config.json", model_config(model))
    write_json(folder / "generation_config.json", {"bos_token_id": bos, "eos_token_id": eos})
    write_json(folder / "tokenizer.json", tokenizer(int(model.config["vocab_size"]), bos, eos), indent=None)
    write_json(folder / "tokenizer_config.json", tokenizer_config(bos, eos, model.context_length))
    tensors = list(model.tensors())
    values = (drawn(shape, place) for place, (_, shape) in enumerate(tensors))
    write_file(folder / "model.safetensors", [(name, DTYPE, shape) for name, shape in tensors], values)
    write_source(folder, model.identity, model.source(), describe_files(folder, files_that_matter(folder)))


def make_model(model: Synthetic, out: Path) -> None:
    """Make the whole folder out, or leave what was there."""
    with made_whole(out) as fresh:
        say(f"{model.name}: drawing random weights in the shape of {model.shape}; only its speed means something")
        write_model(model, fresh)
    say(f"{model.name}: ready in {out} ({(out / 'model.safetensors').stat().st_size / 1e9:.1f} GB)")


def main(argv: Sequence[str]) -> int:
    """Make the model's folder at --out."""
    parser = command("model.synthetic", main.__doc__, out="folder to make")
    parser.add_argument("--name", choices=sorted(synthetic_models()), required=True, help="name of the model")
    arguments = parser.parse_args(argv)
    make_model(synthetic_models()[arguments.name], arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
