"""A launch's iterations judged and read in bulk, without a Python object for each token.

Such objects, and jsonschema's look at each, would take minutes and gigabytes for a million iterations of a hundred
tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import simdjson

from benchmark_runner.arrays import BoolArray, IntArray

_FIELDS: Final = ["index", "warmup", "case", "start_ns", "token_ids", "token_ns", "end_ns", "finish"]
"""What every iteration has, in the order in which it is written."""

_NUMBERS: Final = {"index": 31, "case": 31, "start_ns": 63, "end_ns": 63}
"""Bits that each may take: the table keeps no more."""
_LISTS: Final = ("token_ids", "token_ns")
_FINISHES: Final = frozenset({"length", "eos"})
_BYTES_EACH: Final = 8


@dataclass(frozen=True)
class Iterations:
    """What the table of iterations is made of, a value an iteration; token_ns holds those of one after the other."""

    index: IntArray
    warmup: BoolArray
    case: IntArray
    start_ns: IntArray
    end_ns: IntArray
    finish: Sequence[str]
    token_counts: IntArray
    token_ns: IntArray
    own_prompt_counts: IntArray
    """Length of the prompt that the engine computed on where it says so (used_prompt_ids); 0: the one of the spec."""

    def __len__(self) -> int:
        return len(self.index)


def _are_whole(column: Sequence[Any], bits: int) -> bool:
    """Whether all are whole numbers from 0 on of so many bits; True and 1.0 are left to the schema."""
    return set(map(type, column)) == {int} and min(column) >= 0 and max(column) < 1 << bits


def _joined(lists: Sequence[Any]) -> tuple[IntArray, list[int]] | None:
    """Lists of whole numbers from 0 on that 63 bits hold, one after the other, and their lengths; None where one is
    another.
    """
    try:
        content = b"".join([one.as_buffer(of_type="u") for one in lists])
        lengths = [len(one) for one in lists]
    except (AttributeError, TypeError, ValueError):  # no list, or one of something else
        return None
    numbers = np.frombuffer(content, dtype=np.int64)
    # What needs the 64th bit is negative here.
    return (numbers, lengths) if len(numbers) == sum(lengths) and (not len(numbers) or numbers.min() >= 0) else None


def read_plain(iterations: Any, brackets: int) -> tuple[Iterations, IntArray] | None:
    """Columns and token ids of what was parsed, where it is a list of iterations that surely keep the record's schema.

    brackets says how many lists its text opens. None leaves the word to the schema: optional fields, another order,
    odd numbers, what is no iteration.
    """
    if not isinstance(iterations, simdjson.Array):
        return None
    items: list[Any] = list(iterations)
    if not all(isinstance(one, simdjson.Object) and list(one) == _FIELDS for one in items):
        return None
    columns = {name: [one[name] for one in items] for name in _FIELDS}
    if items and not (
        all(_are_whole(columns[name], bits) for name, bits in _NUMBERS.items())
        and set(map(type, columns["warmup"])) == {bool}
        and set(map(type, columns["finish"])) == {str}
        and _FINISHES.issuperset(columns["finish"])
        # as_buffer takes [[1]] for [1]: so no list but all of them and the two of each iteration.
        and brackets == 1 + len(_LISTS) * len(items)
    ):
        return None
    ids, times = (_joined(columns[name]) for name in _LISTS)
    if ids is None or times is None or ids[1] != times[1]:
        return None
    return _of_columns(columns, times[1], times[0], [0] * len(items)), ids[0]


def _of_columns(
    columns: Mapping[str, Sequence[Any]], counts: Sequence[int], times: IntArray, own_prompts: Sequence[int]
) -> Iterations:
    whole = {name: np.array(columns[name], dtype=np.int64) for name in _NUMBERS}
    return Iterations(
        **whole,
        warmup=np.array(columns["warmup"], dtype=np.bool_),
        finish=columns["finish"],
        token_counts=np.array(counts, dtype=np.int64),
        token_ns=times,
        own_prompt_counts=np.array(own_prompts, dtype=np.int64),
    )


def _numbers(numbers: Any) -> bytes | memoryview:
    """A list of whole numbers as the bytes of an array of int64."""
    try:
        return memoryview(numbers.as_buffer(of_type="i"))
    except TypeError:  # 5.0 among them, as older records may hold it
        return np.array(numbers.as_list(), dtype=np.int64).tobytes()


def read_iterations(iterations: Iterable[Any]) -> Iterations:
    """The columns of parsed iterations that keep the record's schema."""
    items: Sequence[Any] = list(iterations)
    times = [_numbers(one["token_ns"]) for one in items]
    columns = {name: [one[name] for one in items] for name in _FIELDS if name not in _LISTS}
    counts = [len(one) // _BYTES_EACH for one in times]
    own = [len(one["used_prompt_ids"]) if "used_prompt_ids" in one else 0 for one in items]
    return _of_columns(columns, counts, np.frombuffer(b"".join(times), dtype=np.int64), own)


def read_ids(iterations: Iterable[Any]) -> IntArray:
    """The token ids of parsed iterations that keep the record's schema, one after the other."""
    return np.frombuffer(b"".join(_numbers(one["token_ids"]) for one in iterations), dtype=np.int64)
