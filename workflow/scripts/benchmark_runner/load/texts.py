"""Prompts and answers as text, for servers whose interface takes no token ids or tells none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.protocol.lines import each_key_once

GREETING: Final = "Hello"
"""What is said to learn whether such a server answers."""


class TextError(BenchmarkError):
    """Text of which the model's own tokenizer makes other ids than are needed; the server may be in order."""


def open_tokenizer(model_dir: Path) -> Tokenizer:
    """The tokenizer of a model's folder; raises BenchmarkError where tokenizer.json is none, or holds a key twice."""
    path = model_dir / "tokenizer.json"
    try:
        text = path.read_text(encoding="utf-8")
        json.loads(text, object_pairs_hook=each_key_once)  # of a token with two ids readers take either
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # tokenizers raises nothing narrower
        raise BenchmarkError(f"{path} cannot be read as a tokenizer ({error}); download it again") from error
    # It may hold both from training; here the text is what is asked for, whole.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


class Texts:
    """The model's own tokenizer between ids and the text that such a server is sent."""

    def __init__(self, model_dir: Path) -> None:
        """Raises BenchmarkError as open_tokenizer."""
        self._tokenizer = open_tokenizer(model_dir)

    def of_prompt(self, ids: Sequence[int]) -> str:
        """The text of a prompt, without the beginning that the tokenizer itself puts before each text."""
        text = self._decoded(ids)
        return self._decoded(ids[1:]) if len(ids) > 1 and self.ids_of(text)[:2] == [ids[0], ids[0]] else text

    def ids_of(self, text: str) -> list[int]:
        """The ids that the tokenizer makes of a prompt's text."""
        return list(self._tokenizer.encode(text).ids)

    def ids_behind(self, prompt: str, answer: str) -> list[int]:
        """The ids of an answer behind its prompt; raises TextError where the two grow together into another id."""
        before, whole = self.ids_of(prompt), self.ids_of(prompt + answer)
        if whole[: len(before)] != before:
            raise TextError("the first text of its answer changes the last id of the prompt, so its ids are not known")
        return whole[len(before) :]

    def _decoded(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))
