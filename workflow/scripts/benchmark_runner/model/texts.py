"""Texts of the project's own: prompts of an exact number of tokens, and those on which engines are compared."""

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


SHORT_PROMPTS: Final = (
    "Once upon a",
    "The capital of France is",
    "def fibonacci(n):\n    ",
    "SELECT name, COUNT(*) FROM orders WHERE",
    "Les énergies renouvelables sont",
    "Die Geschwindigkeit des Lichts beträgt",
    "人工知能とは",
    "1, 1, 2, 3, 5, 8, 13,",
    '{"name": "Ada", "languages": ["',
)
"""Prose, code, other languages, numbers and markup, to meet the corners of tokenizer and model; 3 tokens and more."""

_CODE: Final = '''"""A queue of fixed size: what is put in first comes out first."""


class RingBuffer:
    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self._items = [None] * capacity
        self._head = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, item: object) -> None:
        """Append an item; the oldest one makes room where the buffer is full."""
        place = (self._head + self._count) % len(self._items)
        self._items[place] = item
        if self._count == len(self._items):
            self._head = (self._head + 1) % len(self._items)
        else:
            self._count += 1

    def pop(self) -> object:
        """Remove and return the oldest item."""
        if self._count == 0:
            raise IndexError("pop from an empty buffer")
        item = self._items[self._head]
        self._items[self._head] = None
'''

_LANGUAGES: Final = (
    "English: The train leaves the station at seven in the morning and crosses the river before the sun is up.",
    "Français : Le train quitte la gare à sept heures du matin et traverse la rivière avant le lever du soleil.",
    "Deutsch: Der Zug verlässt den Bahnhof um sieben Uhr morgens und überquert den Fluss vor Sonnenaufgang.",
    "Español: El tren sale de la estación a las siete de la mañana y cruza el río antes de que salga el sol.",
    "Italiano: Il treno parte dalla stazione alle sette del mattino e attraversa il fiume prima dell'alba.",
    "Português: O comboio parte da estação às sete da manhã e atravessa o rio antes do nascer do sol.",
    "Polski: Pociąg odjeżdża ze stacji o siódmej rano i przejeżdża przez rzekę przed wschodem słońca.",
    "Русский: Поезд отправляется со станции в семь часов утра и пересекает реку до восхода солнца.",  # noqa: RUF001  letters of their own alphabet
    "Ελληνικά: Το τρένο φεύγει από τον σταθμό στις επτά το πρωί και περνά το ποτάμι πριν την ανατολή.",  # noqa: RUF001  letters of their own alphabet
    "日本語：列車は朝七時に駅を出発し、日の出前に川を渡ります。",  # noqa: RUF001  letters of their own alphabet
    "中文：火车早上七点离开车站，在日出之前过河。",  # noqa: RUF001  letters of their own alphabet
    "English: The boat",
)

_NAMES: Final = ("Ada", "Bruno", "Chen", "Dalia", "Emil", "Fatou", "Goran")
_THINGS: Final = ("apples", "nails", "candles", "ropes", "lamps")
_LEDGER_LINES: Final = 80
"""Makes about 1,500 tokens of a vocabulary that spells numbers digit by digit."""


def _ledger() -> str:
    """A list whose end can be told only by one who has read its beginning: windows and positions show there."""
    lines = [
        f"Line {number}: {_NAMES[number * 5 % len(_NAMES)]} bought {number * 37 % 89 + 2} "
        f"{_THINGS[number * 3 % len(_THINGS)]} on day {number * 11 % 31 + 1}.\n"
        for number in range(1, _LEDGER_LINES + 1)
    ]
    return f"The ledger:\n{''.join(lines)}The ledger once more:\n{lines[0]}{lines[1]}Line 3:"


LONG_PROMPTS: Final = (_CODE, "\n".join(_LANGUAGES), _ledger())
"""Left out where the model's context is too short for them."""

DEFAULT_PROMPTS: Final = SHORT_PROMPTS + LONG_PROMPTS
"""A dozen of 3 to 1,500 tokens."""
