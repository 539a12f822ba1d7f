"""A Hugging Face folder of a Llama: which files matter, what they say, and why a folder is no model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model.safetensors_header import StoredTensor, read_header

SINGLE_WEIGHTS: Final = "model.safetensors"
SHARDED_WEIGHTS: Final = "model.safetensors.index.json"
REQUIRED_FILES: Final = ("config.json", "tokenizer.json")
OPTIONAL_FILES: Final = (
    "chat_template.jinja",
    "generation_config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
)
"""Files beside the weights that change token ids, the end of a sequence or the computation."""

DTYPE_NAMES: Final = {"F32": "f32", "F16": "f16", "BF16": "bf16"}
"""Names of types in a safetensors header and in the protocol."""

DEFAULT_ROPE_THETA: Final = 10_000.0
"""What transformers' LlamaConfig takes where config.json names none."""


@dataclass(frozen=True)
class Architecture:
    """Numbers of a Llama that later stages compute with."""

    layers: int
    hidden_size: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    context_length: int
    """Unit: tokens."""
    rope_theta: float
    tied_embeddings: bool
    parameters: int
    """Elements of all stored tensors."""

    def as_json(self) -> dict[str, Any]:
        """The same as JSON content."""
        return asdict(self)


@dataclass(frozen=True)
class Tensors:
    """What a weight file's header says."""

    dtypes: frozenset[str]
    parameters: int
    data_bytes: int


def _object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{path} is not valid JSON ({error}); download it again") from error
    if not isinstance(content, dict):
        raise BenchmarkError(f"{path} holds no JSON object; download it again")
    return content


def optional_object(folder: Path, name: str) -> dict[str, Any]:
    """JSON object of a file that may be absent (then empty); raises BenchmarkError where it is broken."""
    path = folder / name
    return _object(path) if path.is_file() else {}


def weights_name(folder: Path) -> str:
    """The file that an adapter is told to open; raises BenchmarkError where the folder holds no weights."""
    for name in (SINGLE_WEIGHTS, SHARDED_WEIGHTS):
        if (folder / name).is_file():
            return name
    others = sorted(path.name for path in folder.glob("*.bin")) + sorted(path.name for path in folder.glob("*.gguf"))
    found = f" (found {', '.join(others)}: other formats are not served)" if others else ""
    raise BenchmarkError(
        f"{folder} holds no {SINGLE_WEIGHTS} and no {SHARDED_WEIGHTS}{found}; "
        "download the safetensors weights of the model"
    )


def weight_files(folder: Path) -> list[str]:
    """Names of the safetensors files, sorted; raises BenchmarkError where a shard is absent."""
    name = weights_name(folder)
    if name == SINGLE_WEIGHTS:
        return [name]
    weight_map = _object(folder / name).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise BenchmarkError(f"{folder / name} has no weight_map; download it again")
    shards = sorted({str(shard) for shard in weight_map.values()})
    absent = [shard for shard in shards if not (folder / shard).is_file()]
    if absent:
        raise BenchmarkError(f"{folder} lacks {', '.join(absent)}, which {name} lists; download the rest")
    return shards


def files_that_matter(folder: Path) -> list[str]:
    """Names of the files that determine ids and computation, sorted; raises BenchmarkError if one lacks."""
    if not folder.is_dir():
        raise BenchmarkError(
            f"{folder} is no folder; name one with config.json, tokenizer.json and safetensors weights"
        )
    for name in REQUIRED_FILES:
        if not (folder / name).is_file():
            raise BenchmarkError(f"{folder} holds no {name}, so it is no Hugging Face model; download it again")
    names = {*REQUIRED_FILES, *weight_files(folder), weights_name(folder)}
    names |= {name for name in OPTIONAL_FILES if (folder / name).is_file()}
    return sorted(names)


def read_tensors(path: Path) -> Tensors:
    """What a file holds, by its header; raises BenchmarkError where the file is cut short or something else."""
    tensors = read_header(path)
    start = min(tensor.offset for tensor in tensors)
    return Tensors(
        dtypes=frozenset(tensor.dtype for tensor in tensors),
        parameters=sum(tensor.elements for tensor in tensors),
        data_bytes=path.stat().st_size - start,
    )


def read_all_tensors(folder: Path) -> Tensors:
    """The headers of all weight files together."""
    parts = [read_tensors(folder / name) for name in weight_files(folder)]
    return Tensors(
        dtypes=frozenset().union(*(part.dtypes for part in parts)),
        parameters=sum(part.parameters for part in parts),
        data_bytes=sum(part.data_bytes for part in parts),
    )


def stored_tensors(folder: Path) -> list[StoredTensor]:
    """The tensors of all weight files; raises BenchmarkError as read_header does, and for a quantised model."""
    weights_dtype(read_all_tensors(folder))
    return [tensor for name in weight_files(folder) for tensor in read_header(folder / name)]


def weights_dtype(tensors: Tensors) -> str:
    """Protocol name of the weights' type, 'mixed' for several; raises BenchmarkError for quantised ones."""
    unknown = sorted(tensors.dtypes - DTYPE_NAMES.keys())
    if unknown:
        raise BenchmarkError(f"the weights hold type {unknown[0]}; only {', '.join(DTYPE_NAMES)} are served")
    names = {DTYPE_NAMES[dtype] for dtype in tensors.dtypes}
    return names.pop() if len(names) == 1 else "mixed"


def read_architecture(folder: Path, tensors: Tensors) -> Architecture:
    """Numbers of config.json; raises BenchmarkError where the model is no plain Llama or a number absent."""
    path = folder / "config.json"
    content = _object(path)
    if content.get("model_type") != "llama":
        raise BenchmarkError(f"{path}: model_type is {content.get('model_type')!r}; only 'llama' is served")
    if content.get("quantization_config"):
        raise BenchmarkError(f"{path}: the checkpoint is quantised; name one with f32, f16 or bf16 weights")
    try:
        heads = int(content["num_attention_heads"])
        hidden_size = int(content["hidden_size"])
        return Architecture(
            layers=int(content["num_hidden_layers"]),
            hidden_size=hidden_size,
            heads=heads,
            kv_heads=int(content.get("num_key_value_heads") or heads),
            head_dim=int(content.get("head_dim") or hidden_size // heads),
            vocab_size=int(content["vocab_size"]),
            context_length=int(content["max_position_embeddings"]),
            rope_theta=_rope_theta(content),
            tied_embeddings=bool(content.get("tie_word_embeddings", False)),
            parameters=tensors.parameters,
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise BenchmarkError(f"{path}: cannot read {error}; download it again") from error


def _rope_theta(content: dict[str, Any]) -> float:
    # transformers 5 writes rope_parameters, earlier versions a key of the top level.
    nested = content.get("rope_parameters") or {}
    return float(content.get("rope_theta") or nested.get("rope_theta") or DEFAULT_ROPE_THETA)


def eos_ids(folder: Path) -> list[int]:
    """Ids that end a sequence, sorted; generation_config.json goes before config.json, as in transformers."""
    for name in ("generation_config.json", "config.json"):
        value = optional_object(folder, name).get("eos_token_id")
        if value is not None:
            return sorted(value) if isinstance(value, list) else [int(value)]
    return []
