"""config.json of a Llama: the numbers that later stages compute with, each checked before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError, shown
from benchmark_runner.jsonio import parse_strict
from benchmark_runner.model.safetensors_header import refuse_pointer
from benchmark_runner.protocol.lines import each_key_once

DEFAULT_ROPE_THETA: Final = 10_000.0
DEFAULT_NORM_EPSILON: Final = 1e-6
"""What transformers' LlamaConfig takes where config.json names none."""

LARGEST_COUNT: Final = (1 << 31) - 1
"""Engines count in 32 bits with a sign."""

LARGEST_NUMBER: Final = 3.4e38
"""Engines hold such numbers as f32."""

ROPE_KEYS: Final = ("rope_scaling", "rope_parameters")
"""Where config.json tells how the rotary embedding is scaled: of older files and of transformers 5."""

ORIGINAL_CONTEXT: Final = "original_max_position_embeddings"
ROPE_NUMBERS: Final = ("factor", "low_freq_factor", "high_freq_factor", "attention_factor", "beta_fast", "beta_slow")
ROPE_LISTS: Final = ("short_factor", "long_factor")
"""What may stand there and divides or cuts frequencies: a number, or one for each of them."""


@dataclass(frozen=True)
class Architecture:
    """Numbers of a Llama that later stages compute with."""

    layers: int
    hidden_size: int
    intermediate_size: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    context_length: int
    """Unit: tokens."""
    norm_epsilon: float
    rope_theta: float
    tied_embeddings: bool
    attention_bias: bool
    mlp_bias: bool
    parameters: int
    """Elements of all stored tensors."""

    @property
    def query_width(self) -> int:
        """Rows of the query projection."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Rows of the key and of the value projection."""
        return self.kv_heads * self.head_dim


def json_object(path: Path) -> dict[str, Any]:
    """The object in a model's file; raises BenchmarkError that names the file where it holds anything else."""
    try:
        refuse_pointer(path)
        text = path.read_text(encoding="utf-8")
        # Each key once, as engines' parsers have it; what a number must be, is told by its key.
        content = parse_strict(text, object_pairs_hook=each_key_once, parse_int=int, parse_float=float)
    except RecursionError as error:
        raise BenchmarkError(f"{path} is nested too deeply to be a model's; get an unaltered copy") from error
    except (ValueError, OSError) as error:
        raise BenchmarkError(f"{path} is not valid JSON ({error}); get an unaltered copy") from error
    if not isinstance(content, dict):
        raise BenchmarkError(f"{path} holds no JSON object; get an unaltered copy")
    return content


def optional_object(folder: Path, name: str) -> dict[str, Any]:
    """JSON object of a file that may be absent (then empty); raises BenchmarkError where it is broken."""
    path = folder / name
    return json_object(path) if path.is_file() else {}


def known_vocabulary(folder: Path) -> int | None:
    """Number of token ids that a model has; None where its folder does not tell."""
    size = optional_object(folder, "config.json").get("vocab_size")
    return size if type(size) is int and size > 0 else None


@dataclass(frozen=True)
class _Reader:
    """Values of config.json by key; each that is absent or impossible raises BenchmarkError that names it."""

    content: Mapping[str, Any]
    place: Path

    def refuse(self, what: str) -> BenchmarkError:
        return BenchmarkError(f"{self.place}: {what}")

    def count(self, key: str, default: int | None = None) -> int:
        value = self.content.get(key)
        if value is None:
            if default is None:
                raise self.refuse(f"it names no {key}; take the config.json that was published with the weights")
            return default
        if type(value) is not int or not 1 <= value <= LARGEST_COUNT:
            raise self.refuse(f"{key} is {shown(value)}; it must be a whole number from 1 to {LARGEST_COUNT}")
        return value

    def number(self, key: str, value: Any, default: float) -> float:
        if value is None:
            return default
        if not is_positive(value):
            raise self.refuse(f"{key} is {shown(value)}; it must be a number above 0 that f32 holds")
        return float(value)

    def flag(self, key: str) -> bool:
        value = self.content.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.refuse(f"{key} is {shown(value)}; it must be true or false")
        return bool(value)

    def scaling(self, key: str) -> dict[str, Any]:
        """What one of ROPE_KEYS tells, empty where it is not there; which numbers a kind needs, engines say."""
        found = self.content.get(key)
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise self.refuse(f"{key} is {shown(found)}; it must be an object or null")
        kind = found.get("rope_type") or found.get("type")
        if kind is not None and not isinstance(kind, str):
            raise self.refuse(f"{key} has the type {shown(kind)}; it must be a name such as llama3")
        inside = _Reader({f"{key}.{name}": value for name, value in found.items()}, self.place)
        inside.count(f"{key}.{ORIGINAL_CONTEXT}", 1)
        for name in ROPE_NUMBERS:
            inside.number(f"{key}.{name}", found.get(name), 1.0)
        for name in (name for name in ROPE_LISTS if found.get(name) is not None):
            if not isinstance(found[name], list) or not all(map(is_positive, found[name])):
                raise self.refuse(f"{key}.{name} is {shown(found[name])}; it must be a list of numbers above 0")
        return found

    def rope(self) -> float:
        """The base of the rotary frequencies, of whichever of its two places names it."""
        older, newer = map(self.scaling, ROPE_KEYS)
        told = [
            (found.get("rope_type") or found.get("type"), *map(found.get, (*ROPE_NUMBERS, *ROPE_LISTS)))
            for found in (older, newer)
        ]
        if all(kind for kind, *_ in told) and told[0] != told[1]:
            raise self.refuse("rope_scaling and rope_parameters tell two scalings, and readers take either; keep one")
        # transformers 5 writes rope_parameters, earlier versions a key of the top level.
        above, nested = self.content.get("rope_theta"), newer.get("rope_theta")
        if above is not None and nested is not None and above != nested:
            raise self.refuse(
                f"rope_theta is {shown(above)} and rope_parameters.rope_theta {shown(nested)}, and engines differ in "
                "which they read; make them equal"
            )
        return self.number("rope_theta", above if nested is None else nested, DEFAULT_ROPE_THETA)


def is_positive(value: Any) -> bool:
    """Whether a value of a JSON file is a number above 0 that f32 holds."""
    return type(value) in (int, float) and 0 < value <= LARGEST_NUMBER


def architecture_of(content: Mapping[str, Any], place: Path, parameters: int) -> Architecture:
    """Numbers of the content of a config.json at place; raises BenchmarkError where one is absent or impossible."""
    read = _Reader(content, place)
    heads, hidden_size = read.count("num_attention_heads"), read.count("hidden_size")
    if content.get("head_dim") is None and hidden_size % heads:
        raise read.refuse(f"hidden_size {hidden_size} is no multiple of num_attention_heads {heads}")
    found = Architecture(
        layers=read.count("num_hidden_layers"),
        hidden_size=hidden_size,
        intermediate_size=read.count("intermediate_size"),
        heads=heads,
        kv_heads=read.count("num_key_value_heads", heads),
        head_dim=read.count("head_dim", hidden_size // heads),
        vocab_size=read.count("vocab_size"),
        context_length=read.count("max_position_embeddings"),
        norm_epsilon=read.number("rms_norm_eps", content.get("rms_norm_eps"), DEFAULT_NORM_EPSILON),
        rope_theta=read.rope(),
        tied_embeddings=read.flag("tie_word_embeddings"),
        attention_bias=read.flag("attention_bias"),
        mlp_bias=read.flag("mlp_bias"),
        parameters=parameters,
    )
    if heads % found.kv_heads:
        raise read.refuse(f"num_attention_heads {heads} is no multiple of num_key_value_heads {found.kv_heads}")
    if found.head_dim % 2:
        raise read.refuse(f"head_dim is {found.head_dim}; the rotary embedding turns pairs and needs an even number")
    return found


def require_llama(content: Mapping[str, Any], place: Path) -> None:
    """Raise BenchmarkError unless a config.json describes an unquantised Llama."""
    kind = content.get("model_type")
    if kind != "llama":
        architectures = content.get("architectures")
        also = f" ({shown(architectures)})" if architectures else ""
        raise BenchmarkError(
            f"{place}: model_type is {shown(kind)}{also}; only 'llama' is served: name a checkpoint of a Llama"
        )
    for key in ("quantization_config", "quantization"):  # the second is what MLX writes
        if settings := content.get(key):
            method = settings.get("quant_method") if isinstance(settings, dict) else None
            raise BenchmarkError(
                f"{place}: the checkpoint is quantised ({key}{f': {shown(method)}' if method else ''}); "
                "name the model's checkpoint with f32, f16 or bf16 weights"
            )


def token_ids(content: Mapping[str, Any], key: str, place: Path) -> list[int]:
    """Ids under a key that may hold one or several, sorted; a negative one means none, as old configurations have it.

    Raises BenchmarkError where the value is anything else.
    """
    value = content.get(key)
    listed = value if isinstance(value, list) else [] if value is None else [value]
    if wrong := [entry for entry in listed if type(entry) is not int or entry > LARGEST_COUNT]:
        raise BenchmarkError(f"{place}: {key} holds {shown(wrong[0])}; it must be a token id or a list of them")
    return sorted({entry for entry in listed if entry >= 0})


def _told_ids(folder: Path, role: str) -> tuple[Path, str, list[int]]:
    """The file and key that name a role's ids, and those."""
    key = f"{role}_token_id"
    names = ("generation_config.json", "config.json")
    read = ((folder / name, optional_object(folder, name)) for name in names)
    path, content = next(((path, content) for path, content in read if content.get(key) is not None), (folder, {}))
    return path, key, token_ids(content, key, path)


def special_ids(folder: Path, role: str) -> list[int]:
    """Ids of a role such as bos, sorted; generation_config.json goes before config.json, as in transformers.

    Raises BenchmarkError as token_ids does.
    """
    return _told_ids(folder, role)[2]


def require_known_ends(folder: Path, vocab_size: int) -> None:
    """Raise BenchmarkError where an id that ends an answer is none of the model's, so that it could never come."""
    path, key, ids = _told_ids(folder, "eos")
    if unknown := [index for index in ids if index >= vocab_size]:
        raise BenchmarkError(
            f"{path}: {key} holds {unknown[0]}, while config.json has a vocab_size of {vocab_size}, so that it would "
            "never come; take both files of one checkpoint, or take the id out"
        )
