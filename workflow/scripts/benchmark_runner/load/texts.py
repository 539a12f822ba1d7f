"""Prompts and answers as text, for servers whose interface takes no token ids or tells none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer

from benchmark_runner.errors import BenchmarkError

GREETING: Final = "Hello"
"""What is said to learn whether such a server answers."""


class TextError(BenchmarkError):
    """Text of which the model's own tokenizer makes other ids than are needed; the server may be in order."""


class Texts:
    """The model's own tokenizer between ids and the text that such a server is sent."""

    def __init__(self, model_dir: Path) -> None:
        """Open tokenizer.json of the model's folder; raises BenchmarkError where it cannot be read."""
        path = model_dir / "tokenizer.json"
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises nothing narrower
            raise BenchmarkError(f"{path} cannot be read as a tokenizer ({error}); download it again") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

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
