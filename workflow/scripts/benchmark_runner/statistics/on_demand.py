"""Values that are made when they are asked for: of most pairs nobody asks for most tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

Name = TypeVar("Name")
Value = TypeVar("Value")


class OnDemand(Mapping[Name, Value]):
    """Values by name, each made once."""

    def __init__(self, makers: Mapping[Name, Callable[[], Value]]) -> None:
        self._makers = makers
        self._made: dict[Name, Value] = {}

    def __getitem__(self, name: Name) -> Value:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[Name]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)
