"""Items made by a thread while their predecessors are used."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from benchmark_runner.records.read_ahead import read_ahead


def test_all_items_come_in_order() -> None:
    assert list(read_ahead(iter([3, None, 1, 2]))) == [3, None, 1, 2]
    assert list(read_ahead(iter([]))) == []


def test_the_next_item_is_made_while_one_is_used_and_no_further_one() -> None:
    made = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    ahead = read_ahead(items())
    assert next(ahead) == 0
    assert made[1].wait(timeout=60)
    assert not made[2].is_set()
    ahead.close()


def test_an_error_reaches_the_user_in_its_turn() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    ahead = read_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="broken"):
        next(ahead)
