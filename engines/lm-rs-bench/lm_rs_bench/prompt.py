"""From a case's token ids to the line that lm.rs is given, and to the ids that lm.rs makes of it.

lm.rs takes a line of text and puts it into a chat template of its own, which holds the date of the day.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from bench_protocol import BadSpecError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

    from lm_rs_bench.vocabulary import Vocabulary

BEGIN: Final = 128_000
HEADER_START: Final = 128_006
HEADER_END: Final = 128_007
TURN_END: Final = 128_009
TWO_LINES: Final = 271
SYSTEM: Final = [BEGIN, HEADER_START, 9125, HEADER_END, TWO_LINES]
KNOWLEDGE: Final = [38766, 1303, 33025, 2696, 25, 6790, 220, 2366, 18, 198, 15724, 2696, 25, 220]
"""Cutting Knowledge Date: December 2023, a new line, Today Date: and a space."""
USER: Final = [HEADER_START, 882, HEADER_END, TWO_LINES]
ASSISTANT: Final = [TURN_END, HEADER_START, 78191, HEADER_END, TWO_LINES]
"""Ids that are part of lm.rs's program, whatever the tokenizer; in Llama 3's they are these words."""

DATE_IDS: Final = 12
"""More than any tokenizer of Llama 3's kind takes for a date (chosen)."""

WHITE_SPACE: Final = "".join(
    map(
        chr,
        (*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000),
    )
)
"""What Rust's trim removes: the property White_Space. Python's strip takes U+001C to U+001F too."""


def today() -> str:
    """The date as lm.rs writes it in the zone UTC."""
    return time.strftime("%d %b %Y", time.gmtime())


def turn_ids(vocabulary: Vocabulary, line: str, date: str) -> list[int]:
    """Ids that lm.rs computes on for the first line after its start."""
    system = [*SYSTEM, *KNOWLEDGE, *vocabulary.encode(date), TWO_LINES, TURN_END]
    return [*system, *vocabulary.encode(line.strip(WHITE_SPACE), USER), *ASSISTANT]


def _after_system(ids: list[int]) -> list[int]:
    """What follows the system part of a chat prompt, which must say what lm.rs says itself, whatever the date."""
    start = [*SYSTEM, *KNOWLEDGE]
    if ids[: len(start)] == start:
        for length in range(1, DATE_IDS + 1):
            end = len(start) + length
            if ids[end : end + 2] == [TWO_LINES, TURN_END]:
                return ids[end + 2 :]
    raise UnsupportedError("the prompt has a system message of its own; lm.rs writes its own")


def spoken_ids(ids: list[int]) -> list[int]:
    """The part of a prompt that a user would type: all of a plain text, or the only user message of a chat prompt."""
    if ids[: len(SYSTEM)] == SYSTEM:
        ids = _after_system(ids)
    elif ids[:1] == [BEGIN]:
        ids = ids[1:]
    if ids[: len(USER)] == USER and ids[-len(ASSISTANT) :] == ASSISTANT:
        return ids[len(USER) : -len(ASSISTANT)]
    return ids


class Speller:
    """Spells ids by a byte-level tokenizer.json."""

    def __init__(self, tokenizer: dict[str, Any]) -> None:
        """Take the content of the file; raises BadSpecError where it holds no vocabulary."""
        try:
            self._tokens = {int(token_id): token for token, token_id in tokenizer["model"]["vocab"].items()}
            self._special = {int(token["id"]) for token in tokenizer.get("added_tokens", [])}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadSpecError(f"tokenizer.json holds no vocabulary ({error!r}); download the model again") from error
        printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
        others = [byte for byte in range(256) if byte not in printable]
        self._bytes = {chr(byte): byte for byte in printable}
        self._bytes |= {chr(256 + index): byte for index, byte in enumerate(others)}

    def spell(self, ids: list[int]) -> str:
        """Text of ids; raises UnsupportedError where they spell none exactly."""
        raw = bytearray()
        for token_id in ids:
            if token_id in self._special or token_id not in self._tokens:
                raise UnsupportedError(f"the prompt holds id {token_id}, which is no text, and lm.rs takes text alone")
            try:
                raw += bytes(self._bytes[character] for character in self._tokens[token_id])
            except KeyError as error:
                raise UnsupportedError(f"tokenizer.json is not byte-level: id {token_id} holds {error}") from error
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnsupportedError("the prompt ends within a character, and lm.rs takes text alone") from error


def read_speller(path: Path) -> Speller:
    """Speller from tokenizer.json; raises BadSpecError where it cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadSpecError(f"{path} cannot be read: {error}") from error
    return Speller(content)


def line_of(speller: Speller, prompt_ids: list[int]) -> str:
    """The line to give to lm.rs; raises UnsupportedError for a prompt that cannot be given as one."""
    line = speller.spell(spoken_ids(prompt_ids))
    if "\n" in line:
        raise UnsupportedError("the prompt has more than one line, and lm.rs answers each line by itself")
    if not line.strip(WHITE_SPACE):
        raise UnsupportedError("the prompt is blank, and lm.rs ends at a blank line")
    return line
