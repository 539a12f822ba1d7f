"""The tokenizer of a Hugging Face folder as a GGUF file's vocabulary: the text and kind of each id.

llama.cpp is given ids and gives ids back, so that its own splitting of text is never used; the vocabulary is there
because it will not load a model without one, and because ids must mean what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gguf import GGUFWriter, TokenType

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model.checkpoint import eos_ids, optional_object
from benchmark_runner.model.formats import CannotConvertError

UNKNOWN_SCORE: Final = -1000.0
"""What convert_hf_to_gguf.py writes where a vocabulary has merges instead of scores."""

DIGITS_IN_THREES: Final = r"\p{N}{1,3}"
"""Part of the pattern by which Llama 3 splits text, and few others."""

SPECIAL_KEYS: Final = ("bos", "unk", "pad")


def _pre_tokenizers(tokenizer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = tokenizer.get("pre_tokenizer") or {}
    return list(found.get("pretokenizers", [found]))


def splitting(tokenizer: Mapping[str, Any]) -> str:
    """llama.cpp's name for how text is split before the merges; `default` where none fits."""
    parts = _pre_tokenizers(tokenizer)
    if DIGITS_IN_THREES in str(parts):
        return "llama-bpe"
    return "smollm" if any(part.get("type") == "Digits" for part in parts) else "default"


def _kind(text: str, special: bool, byte_fallback: bool) -> TokenType:
    if special:
        return TokenType.CONTROL
    if byte_fallback and len(text) == len("<0x00>") and text.startswith("<0x") and text.endswith(">"):
        return TokenType.BYTE
    return TokenType.NORMAL


def vocabulary(tokenizer: Mapping[str, Any], vocab_size: int) -> tuple[list[str], list[TokenType]]:
    """Text and kind of each of vocab_size ids; ids without a token become unused ones.

    Raises BenchmarkError where the tokenizer has ids that the model has not.
    """
    texts: list[str | None] = [None] * vocab_size
    kinds = [TokenType.UNUSED] * vocab_size
    model = tokenizer["model"]
    added = {int(entry["id"]): entry for entry in tokenizer.get("added_tokens", [])}
    entries = {int(index): text for text, index in model["vocab"].items()}
    entries |= {index: entry["content"] for index, entry in added.items()}
    if entries and max(entries) >= vocab_size:
        raise BenchmarkError(
            f"tokenizer.json has id {max(entries)} but config.json a vocab_size of {vocab_size}; "
            "the files do not belong together"
        )
    for index, text in entries.items():
        texts[index] = text
        special = index in added and bool(added[index].get("special"))
        kinds[index] = _kind(text, special, bool(model.get("byte_fallback")))
    unknown = model.get("unk_token")
    if unknown in model["vocab"]:
        kinds[int(model["vocab"][unknown])] = TokenType.UNKNOWN
    return [f"[PAD{index}]" if text is None else text for index, text in enumerate(texts)], kinds


def _merge(entry: str | list[str]) -> str:
    return entry if isinstance(entry, str) else " ".join(entry)


def _special_ids(source: Path, tokenizer: Mapping[str, Any]) -> dict[str, int]:
    """Ids of the special tokens that the folder names, by llama.cpp's word for them."""
    files = [optional_object(source, name) for name in ("generation_config.json", "config.json")]
    found: dict[str, int] = {}
    for key in SPECIAL_KEYS:
        value = next((file[f"{key}_token_id"] for file in files if file.get(f"{key}_token_id") is not None), None)
        if value is not None:
            found[key] = int(value)
    if ends := eos_ids(source):
        found["eos"] = ends[0]
    unknown = tokenizer["model"].get("unk_token")
    if "unk" not in found and unknown in tokenizer["model"]["vocab"]:
        found["unk"] = int(tokenizer["model"]["vocab"][unknown])
    return found


def add_tokenizer(writer: GGUFWriter, source: Path, vocab_size: int) -> None:
    """Write the vocabulary of the folder source; raises CannotConvertError for one that is no byte-pair encoding."""
    tokenizer = optional_object(source, "tokenizer.json")
    kind = tokenizer.get("model", {}).get("type")
    if kind != "BPE":
        raise CannotConvertError(
            f"tokenizer.json holds a {kind} model; only byte-pair encodings (BPE) are written to GGUF",
            "measure this engine on another model, or leave it out",
        )
    texts, kinds = vocabulary(tokenizer, vocab_size)
    model = tokenizer["model"]
    if model.get("byte_fallback"):
        writer.add_tokenizer_model("llama")
        writer.add_token_scores([UNKNOWN_SCORE] * vocab_size)
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(splitting(tokenizer))
        writer.add_token_merges([_merge(entry) for entry in model.get("merges", [])])
    writer.add_token_list(texts)
    writer.add_token_types(kinds)
    adders = {
        "bos": writer.add_bos_token_id,
        "eos": writer.add_eos_token_id,
        "unk": writer.add_unk_token_id,
        "pad": writer.add_pad_token_id,
    }
    for name, index in _special_ids(source, tokenizer).items():
        adders[name](index)
    writer.add_add_bos_token(False)
