"""tokenizer.bin: the text of each id, and the ids that lm.rs makes of a text."""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from bench_protocol import BadSpecError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

HEADER: Final = struct.Struct("<4I")
ENTRY: Final = struct.Struct("<fI")

LINE_PROMPT: Final = b"You: "
"""What lm.rs prints when it waits for a line."""

LOWEST_SCORE: Final = -1e10
"""lm.rs joins two ids only to an entry of a higher score."""

BYTE_OFFSET: Final = 3
"""A character without an entry becomes ids, a byte each plus this (right for Llama 2, kept for all models)."""

BYTE_ENTRY_LENGTH: Final = len("<0xNN>")


class BrokenFileError(Exception):
    """A tokenizer.bin from whose output no ids could be told; says why."""


class Vocabulary(NamedTuple):
    """Entries of the file, by id."""

    texts: list[bytes]
    scores: list[float]
    id_by_text: dict[bytes, int]
    eos_id: int

    def encode(self, text: str, before: list[int] | None = None) -> list[int]:
        """Ids that lm.rs makes of a text behind the ids before, which take part in the joining.

        Characters first, then over and over the leftmost pair of the highest score whose texts together are an entry.
        """
        ids = list(before or [])
        for character in text:
            raw = character.encode()
            known = self.id_by_text.get(raw)
            ids += [known] if known is not None else [byte + BYTE_OFFSET for byte in raw]
        joined = [self._joined(left, right) for left, right in itertools.pairwise(ids)]
        while joined:
            # max gives the first of equals, which is the leftmost.
            best = max(range(len(joined)), key=lambda index: joined[index][0])
            score, joined_id = joined[best]
            if score <= LOWEST_SCORE:
                break
            ids[best : best + 2] = [joined_id]
            del joined[best]
            if best:
                joined[best - 1] = self._joined(ids[best - 1], joined_id)
            if best < len(joined):
                joined[best] = self._joined(joined_id, ids[best + 1])
        return ids

    def _joined(self, left: int, right: int) -> tuple[float, int]:
        """Score and id of the entry that two ids spell together; LOWEST_SCORE where there is none."""
        found = self.id_by_text.get(self.texts[left] + self.texts[right])
        return (LOWEST_SCORE, 0) if found is None else (self.scores[found], found)


def _require_tellable(texts: list[bytes], eos_id: int) -> None:
    """Raise BrokenFileError unless each id but eos_id is printed in one write that no other id makes."""
    seen: dict[bytes, int] = {}
    for token_id, text in enumerate(texts):
        if not text or b"\n" in text or text == LINE_PROMPT:
            raise BrokenFileError(f"the text of id {token_id}, {text!r}, could not be told from lm.rs's own words")
        if text.startswith(b"<0x") and text.endswith(b">") and len(text) == BYTE_ENTRY_LENGTH:
            raise BrokenFileError(f"lm.rs prints another text than {text!r} for id {token_id}")
        if text in seen:
            raise BrokenFileError(f"ids {seen[text]} and {token_id} have one text, {text!r}")
        seen[text] = token_id
    if eos_id != len(texts) - 1:
        raise BrokenFileError(f"the end of a sequence is id {eos_id}, not the entry behind all others")


def parse_vocabulary(content: bytes) -> Vocabulary:
    """Vocabulary from the file's content; raises BrokenFileError where it is cut short or its ids cannot be told."""
    texts: list[bytes] = []
    scores: list[float] = []
    try:
        count, _, _, eos_id = HEADER.unpack_from(content)
        offset = HEADER.size
        for _ in range(count):
            score, length = ENTRY.unpack_from(content, offset)
            offset += ENTRY.size + length
            text = content[offset - length : offset]
            text.decode()
            texts.append(text)
            scores.append(score)
    except (struct.error, UnicodeDecodeError) as error:
        raise BrokenFileError(f"entry {len(texts)}: {error}") from error
    if offset != len(content):
        raise BrokenFileError(f"{len(content)} bytes where {count} entries take {offset}")
    _require_tellable(texts, eos_id)
    return Vocabulary(texts, scores, {text: token_id for token_id, text in enumerate(texts)}, eos_id)


def read_vocabulary(path: Path, vocab_size: int) -> Vocabulary:
    """Vocabulary of a model of vocab_size ids; raises UnsupportedError for a file that another program made."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadSpecError(f"{path} cannot be read: {error.strerror}") from error
    try:
        vocabulary = parse_vocabulary(content)
        if vocabulary.eos_id != vocab_size:
            raise BrokenFileError(
                f"it has {vocabulary.eos_id} ids and one to end a sequence; the model has {vocab_size}"
            )
    except BrokenFileError as error:
        raise UnsupportedError(f"{path}: {error}; delete its folder and run again, which makes it anew") from error
    return vocabulary
