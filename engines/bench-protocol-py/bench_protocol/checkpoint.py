"""A model's folder in the Hugging Face layout, for engines that leave reading it to their adapter.

The workflow examines such a folder as a whole before anything is built. What is refused here is what an engine whose
Llama is the plain one would compute differently in silence. The crate bench-protocol has the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bench_protocol.failure import BadSpecError, UnsupportedError
from bench_protocol.refusals import require_files, require_known_ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench_protocol.spec import Spec

WEIGHTS_SUFFIX: Final = ".safetensors"
INDEX_SUFFIX: Final = ".safetensors.index.json"

DEFAULT_ROPE_THETA: Final = 10_000.0
DEFAULT_NORM_EPSILON: Final = 1e-6
"""What transformers takes where config.json names none."""

PLAIN: Final[Mapping[str, Any]] = {
    "model_type": "llama",
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "quantization_config": None,
}
"""What a plain Llama has under keys that change the computation; a key may be absent."""


def read_object(path: Path) -> dict[str, Any]:
    """JSON object of a file of the model; raises BadSpecError where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadSpecError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise BadSpecError(f"{path} holds no JSON object")
    return content


def weight_files(model_dir: Path, weights: str) -> list[str]:
    """Names of the files that hold the weights, an index first.

    Raises UnsupportedError for a format other than safetensors, BadSpecError where a file is not there.
    """
    if not weights.endswith((WEIGHTS_SUFFIX, INDEX_SUFFIX)):
        raise UnsupportedError(f"weights {weights!r} are asked for; this adapter opens safetensors")
    require_files(model_dir, [weights])
    if not weights.endswith(INDEX_SUFFIX):
        return [weights]
    places = read_object(model_dir / weights).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise BadSpecError(f"{model_dir / weights} has no weight_map")
    shards = sorted({str(place) for place in places.values()})
    require_files(model_dir, shards)
    return [weights, *shards]


class Llama3Scaling(NamedTuple):
    """The rotary scaling of kind llama3."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position_embeddings: int


class LlamaConfig(NamedTuple):
    """Shape and constants of a Llama, as transformers' LlamaConfig names and defaults them."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_theta: float
    rope_scaling: Llama3Scaling | None
    max_position_embeddings: int
    tie_word_embeddings: bool

    @classmethod
    def read(cls, spec: Spec) -> LlamaConfig:
        """Read config.json in the spec's model_dir and hold the spec against it.

        Raises UnsupportedError for a model that a plain Llama would compute differently and a context longer than the
        model's, BadSpecError for an id outside the vocabulary and a file that cannot be read.
        """
        path = Path(spec.model_dir) / "config.json"
        config = parse(read_object(path), str(path))
        if spec.max_seq_len > config.max_position_embeddings:
            raise UnsupportedError(
                f"max_seq_len is {spec.max_seq_len}, the model's context is {config.max_position_embeddings}"
            )
        require_known_ids(spec.cases, config.vocab_size)
        return config

    def require_derived_head_width(self, engine: str) -> None:
        """Raise UnsupportedError for a head width that the engine would compute differently: it derives it."""
        derived = self.hidden_size // self.num_attention_heads
        if self.head_dim != derived:
            raise UnsupportedError(
                f"config.json: head_dim is {self.head_dim}, {engine} computes hidden_size / num_attention_heads = "
                f"{derived}"
            )


def _scaling(content: Mapping[str, Any], where: str) -> Llama3Scaling | None:
    # transformers 5 writes it under rope_parameters, older versions the kind under type.
    found = content.get("rope_scaling") or content.get("rope_parameters") or {}
    kind = found.get("rope_type") or found.get("type") or "default"
    if kind == "default":
        return None
    if kind != "llama3":
        raise UnsupportedError(f"{where}: rope scaling is {kind}, this engine's Llama computes default or llama3")
    return Llama3Scaling(*(found[key] for key in Llama3Scaling._fields))


def parse(content: Mapping[str, Any], where: str) -> LlamaConfig:
    """Numbers of a config.json's content; raises UnsupportedError as LlamaConfig.read does."""
    for key, wanted in PLAIN.items():
        if (found := content.get(key)) not in (None, wanted):
            raise UnsupportedError(f"{where}: {key} is {found!r}, this engine's Llama computes {wanted!r}")
    try:
        heads, hidden_size = content["num_attention_heads"], content["hidden_size"]
        theta = content.get("rope_theta") or (content.get("rope_parameters") or {}).get("rope_theta")
        return LlamaConfig(
            vocab_size=content["vocab_size"],
            hidden_size=hidden_size,
            intermediate_size=content["intermediate_size"],
            num_hidden_layers=content["num_hidden_layers"],
            num_attention_heads=heads,
            num_key_value_heads=content.get("num_key_value_heads") or heads,
            head_dim=content.get("head_dim") or hidden_size // heads,
            rms_norm_eps=content.get("rms_norm_eps", DEFAULT_NORM_EPSILON),
            rope_theta=theta or DEFAULT_ROPE_THETA,
            rope_scaling=_scaling(content, where),
            max_position_embeddings=content["max_position_embeddings"],
            tie_word_embeddings=bool(content.get("tie_word_embeddings")),
        )
    except (KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise UnsupportedError(f"{where}: {error!r}") from error
