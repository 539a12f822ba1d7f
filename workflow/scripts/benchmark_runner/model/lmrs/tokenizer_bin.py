"""Writes tokenizer.bin from a byte-level tokenizer.json, so that lm.rs's output can be read back as token ids.

lm.rs prints text, a write a token. Here each id has a text of its own without a line's end, so that one write is one
token and its text one id. The scores are the ranks of the merges, so that lm.rs joins in the order of the model's own
tokenizer (its own exporter gives all the same score). The end of a sequence is an entry beyond the model's vocabulary,
which is never generated: the adapter ends an answer itself.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

from benchmark_runner.errors import shown
from benchmark_runner.model.bpe_vocabulary import read_vocabulary
from benchmark_runner.model.formats import CannotConvertError

HEADER: Final = struct.Struct("<4I")
"""Entries, bytes of the longest text, id of the beginning, id of the end of a sequence."""

ENTRY: Final = struct.Struct("<fI")
"""Score, bytes of the text that follows."""

NEVER_JOINED: Final = -3e10
"""Score of texts that no prompt may turn into; lm.rs looks for scores above -1e10."""

LINE_PROMPT: Final = "You: "
"""What lm.rs prints when it waits for a line; a token of this text could not be told from it."""

BYTE_ENTRY_LENGTH: Final = len("<0xNN>")
"""lm.rs prints one character for an entry of this form."""


def byte_alphabet() -> dict[str, int]:
    """Byte behind each character of a byte-level vocabulary.

    GPT-2's table: printable bytes of Latin-1 stand for themselves, the others for the characters from 256 on.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}


def placeholder(token_id: int) -> str:
    """Text for an id that has none of its own: no prompt turns into it, and it is printed in one write."""
    return f"<|id {token_id}|>"


def is_printed_whole(text: str) -> bool:
    """Whether lm.rs prints the text in one write that cannot be taken for anything else."""
    if not text or "\n" in text or text == LINE_PROMPT:
        return False
    return not (text.startswith("<0x") and text.endswith(">") and len(text.encode()) == BYTE_ENTRY_LENGTH)


def _decoded(token: str, alphabet: Mapping[str, int]) -> str | None:
    """Text of a token of the byte-level vocabulary; None for a part of a character."""
    try:
        return bytes(alphabet[character] for character in token).decode("utf-8")
    except (KeyError, UnicodeDecodeError):
        return None


def _require_byte_level(tokenizer: Mapping[str, Any]) -> None:
    decoder = tokenizer.get("decoder")
    kind = decoder.get("type") if isinstance(decoder, dict) else None
    if kind != "ByteLevel":
        raise CannotConvertError(
            f"tokenizer.json has decoder {shown(kind)}; lm.rs's file is made from a byte-level BPE",
            "measure lm.rs on a model with a tokenizer of Llama 3's kind, or leave the engine out",
        )


def entries(tokenizer: Mapping[str, Any], vocab_size: int) -> list[tuple[float, str]]:
    """Score and text of each id, and of one id more, which ends a sequence; all texts differ.

    Raises CannotConvertError for a tokenizer of another kind and as read_vocabulary does.
    """
    _require_byte_level(tokenizer)
    read, alphabet = read_vocabulary(tokenizer, vocab_size), byte_alphabet()
    ranks: dict[str, int] = {}
    for rank, (left, right) in enumerate(read.merges):
        ranks.setdefault(left + right, rank)
    found: dict[int, tuple[float, str]] = {}
    for token, token_id in read.own.items():
        text = _decoded(token, alphabet)
        if text is not None and is_printed_whole(text):
            found[token_id] = (-float(ranks[token]) if token in ranks else NEVER_JOINED, text)
    for token_id, text in read.added.items():
        if is_printed_whole(text):
            found[token_id] = (NEVER_JOINED, text)
    listed: list[tuple[float, str]] = []
    seen: set[str] = set()
    for token_id in range(vocab_size + 1):
        score, text = found.get(token_id, (NEVER_JOINED, placeholder(token_id)))
        if text in seen or token_id == vocab_size:
            score, text = NEVER_JOINED, placeholder(token_id)
        seen.add(text)
        listed.append((score, text))
    return listed


def pack_tokenizer(listed: list[tuple[float, str]], bos_id: int) -> bytes:
    """Content of tokenizer.bin; the last entry is the end of a sequence."""
    texts = [text.encode() for _, text in listed]
    parts = [HEADER.pack(len(listed), max(map(len, texts)), bos_id, len(listed) - 1)]
    for (score, _), text in zip(listed, texts, strict=True):
        parts += [ENTRY.pack(score, len(text)), text]
    return b"".join(parts)
