"""The texts on which engines are compared with the reference when the configuration names none."""

from __future__ import annotations

from typing import Final

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
