"""A Hugging Face folder of a Llama: which files matter, what they hold, and why a folder is no model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmark_runner.errors import BenchmarkError, shown
from benchmark_runner.model.llama_config import (
    Architecture,
    architecture_of,
    json_object,
    require_known_ends,
    require_llama,
)
from benchmark_runner.model.safetensors_header import StoredTensor, read_header, refuse_pointer
from benchmark_runner.model.tensor_set import require_llama_tensors

ORIGINAL: Final = "name the folder of the model's safetensors checkpoint instead"
RESAVE: Final = "load it with transformers and call save_pretrained, which writes safetensors, and name that folder"
HALF_LOADED: Final = "let the download come to its end and rename nothing"

KINDS: Final = (
    ("adapter_config.json", "an adapter (LoRA)", "merge it into its base model (peft: merge_and_unload), save that and "
     "name its folder"),
    ("model_index.json", "a diffusers pipeline", "name a checkpoint of a Llama"),
    ("*.gguf", "GGUF weights", f"{ORIGINAL}; engines that open GGUF get a file made from it"),
    ("*.ggml", "GGML weights", ORIGINAL),
    ("consolidated*", "a checkpoint in Meta's own or Mistral's own form", "convert it with transformers' "
     "convert_llama_weights_to_hf.py, or name the checkpoint in Hugging Face's form"),
    ("params.json", "a checkpoint in Meta's own form", "convert it with transformers' convert_llama_weights_to_hf.py, "
     "or name the checkpoint in Hugging Face's form"),
    ("*.onnx", "an ONNX model", ORIGINAL),
    ("openvino_model*", "an OpenVINO model", ORIGINAL),
    ("*.engine", "a TensorRT engine", ORIGINAL),
    ("*.mlpackage", "a Core ML model", ORIGINAL),
    ("*.lmrs", "a model of lm.rs", ORIGINAL),
    ("model.bin", "a CTranslate2 model", ORIGINAL),
    ("weights*.npz", "an MLX model", ORIGINAL),
    ("*.npz", "arrays of numpy", ORIGINAL),
    ("*.incomplete", "an unfinished download", HALF_LOADED),
    ("*.part", "an unfinished download", HALF_LOADED),
    ("*.crdownload", "an unfinished download", HALF_LOADED),
    ("*.safetensors.index.json", "an index of shards under another name", "give it the name "
     "model.safetensors.index.json"),
    ("*.safetensors", "safetensors under another name or without their index", "put model.safetensors.index.json "
     "beside the shards, or call the one file model.safetensors"),
    ("pytorch_model*.bin*", "PyTorch weights", RESAVE),
    ("*.bin", "PyTorch weights", RESAVE),
    ("*.pt", "PyTorch weights", RESAVE),
    ("*.pth", "PyTorch weights", RESAVE),
    ("*.h5", "TensorFlow weights", RESAVE),
    ("*.msgpack", "Flax weights", RESAVE),
)  # fmt: skip
"""Pattern of a file's name, what a folder with it holds, and the remedy; the first that fits is told."""

TOKENIZERS: Final = (
    ("tokenizer.model", "a SentencePiece or tiktoken tokenizer"),
    ("*.tiktoken", "a tiktoken tokenizer"),
    ("*.spm", "a SentencePiece tokenizer"),
    ("vocab.json", "a tokenizer of separate files"),
)


def _named(folder: Path, pattern: str) -> str:
    names = sorted(path.name for path in folder.glob(pattern))
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{shown(names[0])}{more}" if names else ""


def _inner_models(folder: Path) -> Iterator[Path]:
    yield from sorted(path.parent for depth in ("*", "snapshots/*") for path in folder.glob(f"{depth}/config.json"))


def without_tokenizer(folder: Path) -> str:
    """What a folder without tokenizer.json holds in its place, and the remedy."""
    for pattern, kind in TOKENIZERS:
        if named := _named(folder, pattern):
            return (
                f"it holds {kind} ({named}) but no tokenizer.json; make one: transformers' "
                "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
            )
    return "it holds no tokenizer.json; put the one of the model there"


def other_kind(folder: Path, lacking: str) -> str:
    """What a folder that lacks a file of a checkpoint is instead, and the remedy."""
    if not any(folder.iterdir()):
        return "it is empty; put a Hugging Face checkpoint of a Llama there"
    for pattern, kind, remedy in KINDS:
        if named := _named(folder, pattern):
            return f"it holds no {lacking}; what lies there is {kind} ({named}): {remedy}"
    for inner in _inner_models(folder):
        return f"it holds no {lacking}, but its folder {shown(str(inner.relative_to(folder)))} does; name that"
    return f"it holds no {lacking}; put the one of the model there"


SINGLE_WEIGHTS: Final = "model.safetensors"
SHARDED_WEIGHTS: Final = "model.safetensors.index.json"
REQUIRED_FILES: Final = ("config.json", "tokenizer.json")
OPTIONAL_FILES: Final = (
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
)
"""Files beside the weights that change token ids, the end of a sequence or the computation."""

NAMED_TEMPLATES: Final = "additional_chat_templates"
"""Folder whose *.jinja files change token ids too."""

DTYPE_NAMES: Final = {"F32": "f32", "F16": "f16", "BF16": "bf16"}
"""Names of types in a safetensors header and in the protocol."""


def weights_name(folder: Path) -> str:
    """The file that an adapter is told to open; raises BenchmarkError where the folder holds no weights."""
    for name in (SINGLE_WEIGHTS, SHARDED_WEIGHTS):
        if (folder / name).is_file():
            return name
    raise BenchmarkError(f"{folder} is no checkpoint to measure: {other_kind(folder, SINGLE_WEIGHTS)}")


def _weight_map(path: Path) -> dict[str, str]:
    """Shard of each tensor by an index; raises BenchmarkError for one that leads out of the folder."""
    weight_map = json_object(path).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise BenchmarkError(f"{path} has no weight_map; get an unaltered copy")
    for tensor, shard in weight_map.items():
        named = isinstance(shard, str) and shard.isprintable() and Path(shard).name == shard
        if not named or not shard.endswith(".safetensors"):
            raise BenchmarkError(
                f"{path} puts {shown(tensor)} into {shown(shard)}, which is no shard's name; shards lie beside it"
            )
    return weight_map


def _require_inside(folder: Path, name: str) -> None:
    """Raise BenchmarkError for a weight file that is a link out of its folder.

    The cache of the hub is one place: its snapshots are links to the blobs beside them.
    """
    home = folder.resolve()
    blobs = home.parent.parent / "blobs" if home.parent.name == "snapshots" else home
    target = (folder / name).resolve()
    if not (target.is_relative_to(home) or target.is_relative_to(blobs)):
        raise BenchmarkError(
            f"{folder / name} is a link out of its folder, to {target}; name the folder where the weights lie, or put "
            "them here"
        )


def weight_files(folder: Path) -> list[str]:
    """Names of the safetensors files, sorted; raises BenchmarkError where a shard is absent or lies elsewhere."""
    name = weights_name(folder)
    files = [name] if name == SINGLE_WEIGHTS else sorted(set(_weight_map(folder / name).values()))
    if absent := [file for file in files if not (folder / file).is_file()]:
        raise BenchmarkError(f"{folder} lacks {', '.join(absent)}, which {name} lists; download the rest")
    for file in files:
        _require_inside(folder, file)
    return files


def files_that_matter(folder: Path) -> list[str]:
    """Names of the files that determine ids and computation, sorted; raises BenchmarkError if one lacks."""
    if not folder.is_dir():
        raise BenchmarkError(
            f"{folder} is no folder; name one with config.json, tokenizer.json and safetensors weights"
        )
    known = (*REQUIRED_FILES, SINGLE_WEIGHTS, SHARDED_WEIGHTS, *OPTIONAL_FILES)
    there = {name for name in known if os.path.lexists(folder / name)}
    if wrong := sorted(name for name in there if not (folder / name).is_file()):
        remedy = "put the model's there (cp -L follows links), or remove it"
        raise BenchmarkError(f"{folder / wrong[0]} is no file, or a link to none; {remedy}")
    if not (folder / "config.json").is_file():
        has_weights = any((folder / name).is_file() for name in (SINGLE_WEIGHTS, SHARDED_WEIGHTS))
        what = "it holds no config.json; put the one of the model there" if has_weights else None
        raise BenchmarkError(f"{folder} is no checkpoint to measure: {what or other_kind(folder, 'config.json')}")
    weights = {*weight_files(folder), weights_name(folder)}
    if not (folder / "tokenizer.json").is_file():
        raise BenchmarkError(f"{folder} is no checkpoint to measure: {without_tokenizer(folder)}")
    names = {*REQUIRED_FILES, *weights, *there.intersection(OPTIONAL_FILES)}
    names |= {str(path.relative_to(folder)) for path in folder.glob(f"{NAMED_TEMPLATES}/*.jinja") if path.is_file()}
    for name in names:
        refuse_pointer(folder / name)
    return sorted(names)


def stored_tensors(folder: Path) -> list[StoredTensor]:
    """The tensors of all weight files.

    Raises BenchmarkError as read_header does, for a type that is not served, for one that two files hold, and where
    the index of shards says anything else than they do.
    """
    places: dict[str, str] = {}
    found = []
    for name in weight_files(folder):
        for tensor in read_header(folder / name):
            if tensor.dtype not in DTYPE_NAMES:
                raise BenchmarkError(
                    f"{shown(tensor.name)} in {tensor.path} has type {shown(tensor.dtype)}; only "
                    f"{', '.join(DTYPE_NAMES)} are served: name the checkpoint that is not quantised"
                )
            if places.setdefault(tensor.name, name) != name:
                raise BenchmarkError(
                    f"{folder} holds {shown(tensor.name)} twice, in {places[tensor.name]} and {name}; keep one"
                )
            found.append(tensor)
    if weights_name(folder) == SHARDED_WEIGHTS:
        index = _weight_map(folder / SHARDED_WEIGHTS)
        differ = sorted(name for name in {**index, **places} if index.get(name) != places.get(name))
        for name in differ[:1]:
            raise BenchmarkError(
                f"{folder / SHARDED_WEIGHTS} has {shown(name)} in {index.get(name)}, but it is in {places.get(name)}; "
                "take index and shards of one checkpoint"
            )
    return found


@dataclass(frozen=True)
class Checkpoint:
    """A folder whose files, numbers and tensors belong together."""

    files: list[str]
    """Names of those that matter."""
    architecture: Architecture
    tensors: list[StoredTensor]

    @property
    def dtype(self) -> str:
        """Protocol name of the weights' type, 'mixed' for several."""
        names = {DTYPE_NAMES[tensor.dtype] for tensor in self.tensors}
        return names.pop() if len(names) == 1 else "mixed"

    @property
    def data_bytes(self) -> int:
        """Size of all tensors."""
        return sum(tensor.size_bytes for tensor in self.tensors)


def read_checkpoint(folder: Path) -> Checkpoint:
    """All that config.json and the headers say; raises BenchmarkError that names what is wrong in one line.

    Nothing of the weights is read, but where an output layer is stored although it is tied.
    """
    path = folder / "config.json"
    try:
        files, content = files_that_matter(folder), json_object(path)
        require_llama(content, path)
        tensors = stored_tensors(folder)
        architecture = architecture_of(content, path, sum(tensor.elements for tensor in tensors))
        require_llama_tensors(folder, architecture, tensors)
        require_known_ends(folder, architecture.vocab_size)
    except OSError as error:
        raise BenchmarkError(f"{folder} cannot be read: {error}") from error
    return Checkpoint(files, architecture, tensors)
