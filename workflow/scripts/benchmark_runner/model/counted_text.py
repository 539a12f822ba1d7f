"""Texts of an exact number of tokens, the same on each machine: prompts of the kind tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from benchmark_runner.errors import BenchmarkError

STORY: Final = (
    "the river ran along a low hill and past an old mill where two men kept their boats for the summer "
    "each morning they took one out on the water with bread cheese and some coffee to look for fish "
    "people in town said that no fish had been seen there in years but they did not mind at all "
    "it was good to sit in the sun and talk of work of home and of what they would do next year "
    "when winter came the ice was thick and children from the school went over it on their way"
)
"""Short words that vocabularies of English hold whole; written for this purpose."""

WORDS: Final = tuple(STORY.split())

STEP: Final = 37
"""Words are taken this many places apart, prime to their number, so that each comes once in a round."""

SHIFT: Final = 11
"""Places by which each round over the words begins later, so that rounds differ."""

FILLERS: Final = (" a", " and", ".", " 1", "\n", "a")
"""Pieces tried, in this order, to fill up the last tokens when one more word would be too many."""


FILLED_UP: Final = 64
"""Fillers tried: more than the tokens of the longest word, which is what lacks at most."""


def _text(words: int) -> str:
    places = (position * STEP + position // len(WORDS) * SHIFT for position in range(words))
    return " ".join(WORDS[place % len(WORDS)] for place in places)


def text_of(count: int, encode: Callable[[str], list[int]]) -> str:
    """A text that encode turns into exactly count ids; raises BenchmarkError where none is found."""
    low, high = 0, count  # words; a word takes at least one token
    while low < high:
        middle = (low + high + 1) // 2
        if len(encode(_text(middle))) <= count:
            low = middle
        else:
            high = middle - 1
    start = _text(low)
    for filler in FILLERS:
        text = start
        for _ in range(FILLED_UP):
            if len(encode(text)) >= count:
                break
            text += filler
        if len(encode(text)) == count:
            return text
    raise BenchmarkError(f"no text of exactly {count} tokens was found for this tokenizer; use another number")
