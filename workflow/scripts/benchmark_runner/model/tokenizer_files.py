"""tokenizer.json of a byte-level tokenizer, and its companions from what a GGUF file of the SmolLM family holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError

CONTROL_TOKEN: Final = 3
"""tokenizer.ggml.token_type of special tokens (gguf.TokenType.CONTROL)."""


def _require_smollm(content: dict[str, Any]) -> None:
    kind = (content.get("tokenizer.ggml.model"), content.get("tokenizer.ggml.pre"))
    if kind != ("gpt2", "smollm"):
        raise BenchmarkError(f"the GGUF file's tokenizer is {kind}; only ('gpt2', 'smollm') can be converted")


def _special_ids(content: dict[str, Any]) -> list[int]:
    return [index for index, kind in enumerate(content["tokenizer.ggml.token_type"]) if kind == CONTROL_TOKEN]


def _added_token(text: str) -> dict[str, Any]:
    return {
        "content": text,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }


def byte_level_tokenizer(
    vocabulary: Mapping[str, int], merges: Sequence[Any], special: Mapping[int, str]
) -> dict[str, Any]:
    """tokenizer.json: byte-level BPE with the special tokens by id; digits are split one by one before."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": index, **_added_token(text)} for index, text in special.items()],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
        },
        "post_processor": None,
        "decoder": byte_level | {"add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": dict(vocabulary),
            "merges": list(merges),
        },
    }


def tokenizer(content: dict[str, Any]) -> dict[str, Any]:
    """tokenizer.json of the file; it splits digits as the model was trained."""
    _require_smollm(content)
    tokens: list[str] = content["tokenizer.ggml.tokens"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    special = {index: tokens[index] for index in _special_ids(content)}
    return byte_level_tokenizer(vocabulary, content["tokenizer.ggml.merges"], special)


def tokenizer_config(content: dict[str, Any]) -> dict[str, Any]:
    """tokenizer_config.json: the special tokens' names and the chat template."""
    tokens: list[str] = content["tokenizer.ggml.tokens"]

    def token(role: str) -> str:
        return tokens[int(content[f"tokenizer.ggml.{role}_token_id"])]

    return {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": {str(index): _added_token(tokens[index]) for index in _special_ids(content)},
        "bos_token": token("bos"),
        "chat_template": content["tokenizer.chat_template"],
        "clean_up_tokenization_spaces": False,
        "eos_token": token("eos"),
        "model_max_length": int(content["llama.context_length"]),
        "pad_token": token("padding"),
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": token("unknown"),
    }


def generation_config(content: dict[str, Any]) -> dict[str, Any]:
    """generation_config.json: the ids that begin, end and pad a sequence."""
    return {
        "_from_model_config": True,
        "bos_token_id": int(content["tokenizer.ggml.bos_token_id"]),
        "eos_token_id": int(content["tokenizer.ggml.eos_token_id"]),
        "pad_token_id": int(content["tokenizer.ggml.padding_token_id"]),
    }
