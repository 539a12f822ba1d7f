"""A launch's iterations judged and read in bulk, without a Python object for each token.

Such objects, and jsonschema's look at each, would take minutes and gigabytes for a million iterations of a hundred
tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import simdjson

_FIELDS: Final = ["index", "warmup", "case", "start_ns", "token_ids", "token_ns", "end_ns", "finish"]
"""What every iteration has, in the order in which it is written."""

_NUMBERS: Final = ("index", "case", "start_ns", "end_ns")
_LISTS: Final = ("token_ids", "token_ns")
_FINISHES: Final = frozenset({"length", "eos"})
_BYTES_EACH: Final = 8

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Iterations:
    """What the table of iterations is made of, a value an iteration; token_ns holds those of one after the other."""

    index: IntArray
    warmup: npt.NDArray[np.bool_]
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


def _are_counts(numbers: Any) -> bool:
    """Whether this is a list of whole numbers from 0 on that 64 bits hold."""
    if not isinstance(numbers, simdjson.Array):
        return False
    try:
        return memoryview(numbers.as_buffer(of_type="u")).nbytes == _BYTES_EACH * len(numbers)
    except (TypeError, ValueError):
        return False


def _are_whole(column: Sequence[Any]) -> bool:
    """Whether all are whole numbers from 0 on; True and 1.0 are left to the schema."""
    return set(map(type, column)) == {int} and min(column) >= 0


def are_plainly_sound(iterations: Any, brackets: int) -> bool:
    """Whether what was parsed is a list of iterations that surely keep the record's schema.

    brackets says how many lists its text opens. False leaves the word to the schema: optional fields, another order,
    odd numbers, what is no iteration.
    """
    if not isinstance(iterations, simdjson.Array):
        return False
    items: list[Any] = list(iterations)
    if not all(isinstance(one, simdjson.Object) and list(one) == _FIELDS for one in items):
        return False
    return not items or (
        all(_are_whole([one[name] for one in items]) for name in _NUMBERS)
        and {type(one["warmup"]) for one in items} == {bool}
        and {type(one["finish"]) for one in items} == {str}
        and _FINISHES.issuperset(one["finish"] for one in items)
        and all(_are_counts(one[name]) for name in _LISTS for one in items)
        # as_buffer takes [[1]] for [1]: so no list but all of them and the two of each iteration.
        and brackets == 1 + len(_LISTS) * len(items)
    )


def _numbers(numbers: Any) -> bytes | memoryview:
    """A list of whole numbers as the bytes of an array of int64."""
    try:
        return memoryview(numbers.as_buffer(of_type="i"))
    except TypeError:  # 5.0 among them, which the schema takes for a whole number
        return np.array(numbers.as_list(), dtype=np.int64).tobytes()


def read_iterations(iterations: Iterable[Any]) -> Iterations:
    """The columns of parsed iterations that keep the record's schema."""
    items: Sequence[Any] = list(iterations)
    times = [_numbers(one["token_ns"]) for one in items]

    def column(name: str) -> IntArray:
        return np.array([one[name] for one in items], dtype=np.int64)

    return Iterations(
        index=column("index"),
        warmup=np.array([one["warmup"] for one in items], dtype=np.bool_),
        case=column("case"),
        start_ns=column("start_ns"),
        end_ns=column("end_ns"),
        finish=[one["finish"] for one in items],
        token_counts=np.array([len(one) for one in times], dtype=np.int64) // _BYTES_EACH,
        token_ns=np.frombuffer(b"".join(times), dtype=np.int64),
        own_prompt_counts=np.array(
            [len(one["used_prompt_ids"]) if "used_prompt_ids" in one else 0 for one in items], dtype=np.int64
        ),
    )
