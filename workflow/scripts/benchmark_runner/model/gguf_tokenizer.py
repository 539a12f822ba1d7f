"""The tokenizer of a Hugging Face folder as a GGUF file's vocabulary: the text and kind of each id.

llama.cpp is given ids and gives ids back, so that its own splitting of text is never used; the vocabulary is there
because it will not load a model without one, and because ids must mean what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gguf import GGUFWriter, TokenType

from benchmark_runner.model.bpe_vocabulary import REMEDY, BpeVocabulary, read_vocabulary
from benchmark_runner.model.formats import CannotConvertError
from benchmark_runner.model.llama_config import optional_object, special_ids

UNKNOWN_SCORE: Final = -1000.0
"""What convert_hf_to_gguf.py writes where a vocabulary has merges instead of scores."""

DIGITS_IN_THREES: Final = r"\p{N}{1,3}"
"""Part of the pattern by which Llama 3 splits text, and few others."""

SPECIAL_ROLES: Final = ("bos", "unk", "pad", "eos")


def _pre_tokenizers(tokenizer: Mapping[str, Any]) -> list[Any]:
    found = tokenizer.get("pre_tokenizer")
    parts = found.get("pretokenizers", [found]) if isinstance(found, dict) else []
    return parts if isinstance(parts, list) else []


def splitting(tokenizer: Mapping[str, Any]) -> str:
    """llama.cpp's name for how text is split before the merges; `default` where none fits."""
    parts = _pre_tokenizers(tokenizer)
    if DIGITS_IN_THREES in str(parts):
        return "llama-bpe"
    return "smollm" if any(isinstance(part, dict) and part.get("type") == "Digits" for part in parts) else "default"


def _kind(text: str, special: bool, byte_fallback: bool) -> TokenType:
    if special:
        return TokenType.CONTROL
    if byte_fallback and len(text) == len("<0x00>") and text.startswith("<0x") and text.endswith(">"):
        return TokenType.BYTE
    return TokenType.NORMAL


def vocabulary(read: BpeVocabulary, vocab_size: int) -> tuple[list[str], list[TokenType]]:
    """Text and kind of each of vocab_size ids; ids without a token become unused ones."""
    texts = [f"[PAD{index}]" for index in range(vocab_size)]
    kinds = [TokenType.UNUSED] * vocab_size
    for index, text in read.texts.items():
        texts[index], kinds[index] = text, _kind(text, index in read.special, read.byte_fallback)
    if read.unknown is not None:
        kinds[read.unknown] = TokenType.UNKNOWN
    return texts, kinds


def _special_ids(source: Path, read: BpeVocabulary, vocab_size: int) -> dict[str, int]:
    """Ids of the special tokens that the folder names, by llama.cpp's word for them."""
    found = {role: ids[0] for role in SPECIAL_ROLES if (ids := special_ids(source, role))}
    for role, index in found.items():
        if index >= vocab_size:
            raise CannotConvertError(
                f"{role}_token_id is {index}, while config.json has a vocab_size of {vocab_size}", REMEDY
            )
    return found if read.unknown is None else found | {"unk": found.get("unk", read.unknown)}


def add_tokenizer(writer: GGUFWriter, source: Path, vocab_size: int) -> None:
    """Write the vocabulary of the folder source; raises CannotConvertError for one that cannot be written."""
    tokenizer = optional_object(source, "tokenizer.json")
    read = read_vocabulary(tokenizer, vocab_size)
    if read.byte_fallback:
        writer.add_tokenizer_model("llama")
        writer.add_token_scores([UNKNOWN_SCORE] * vocab_size)
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(splitting(tokenizer))
        writer.add_token_merges([" ".join(merge) for merge in read.merges])
    texts, kinds = vocabulary(read, vocab_size)
    writer.add_token_list(texts)
    writer.add_token_types(kinds)
    adders = {
        "bos": writer.add_bos_token_id,
        "eos": writer.add_eos_token_id,
        "unk": writer.add_unk_token_id,
        "pad": writer.add_pad_token_id,
    }
    for name, index in _special_ids(source, read, vocab_size).items():
        adders[name](index)
    writer.add_add_bos_token(False)
