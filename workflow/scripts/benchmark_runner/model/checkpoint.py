"""A Hugging Face folder of a Llama: which files matter, what they hold, and why a folder is no model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmark_runner.errors import BenchmarkError, shown
from benchmark_runner.model.llama_config import Architecture, architecture_of, eos_ids, json_object, require_llama
from benchmark_runner.model.other_kinds import other_kind, without_tokenizer
from benchmark_runner.model.safetensors_header import StoredTensor, read_header, refuse_pointer
from benchmark_runner.model.tensor_set import require_llama_tensors

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
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.endswith(".safetensors"):
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
    if not (folder / "config.json").is_file():
        has_weights = any((folder / name).is_file() for name in (SINGLE_WEIGHTS, SHARDED_WEIGHTS))
        what = "it holds no config.json; put the one of the model there" if has_weights else None
        raise BenchmarkError(f"{folder} is no checkpoint to measure: {what or other_kind(folder, 'config.json')}")
    weights = {*weight_files(folder), weights_name(folder)}
    if not (folder / "tokenizer.json").is_file():
        raise BenchmarkError(f"{folder} is no checkpoint to measure: {without_tokenizer(folder)}")
    names = {*REQUIRED_FILES, *weights} | {name for name in OPTIONAL_FILES if (folder / name).is_file()}
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


def _read_checkpoint(folder: Path) -> Checkpoint:
    files, path = files_that_matter(folder), folder / "config.json"
    content = json_object(path)
    require_llama(content, path)
    tensors = stored_tensors(folder)
    architecture = architecture_of(content, path, sum(tensor.elements for tensor in tensors))
    require_llama_tensors(folder, architecture, tensors)
    eos_ids(folder)
    return Checkpoint(files, architecture, tensors)


def read_checkpoint(folder: Path) -> Checkpoint:
    """All that config.json and the headers say; raises BenchmarkError that names what is wrong in one line.

    Nothing of the weights is read, but where an output layer is stored although it is tied.
    """
    try:
        return _read_checkpoint(folder)
    except OSError as error:
        raise BenchmarkError(f"{folder} cannot be read: {error}") from error
