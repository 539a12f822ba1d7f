"""Whether a record's iterations are plainly what the schema asks for, told in bulk.

jsonschema takes microseconds for each token of each iteration; a million iterations of a hundred tokens would take
many minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

from benchmark_runner.schemas import require_valid

_REQUIRED: Final = frozenset({"index", "warmup", "case", "start_ns", "token_ids", "token_ns", "end_ns", "finish"})
_NUMBERS: Final = ("index", "case", "start_ns", "end_ns")
_LISTS: Final = ("token_ids", "token_ns")
_FINISH: Final = frozenset({"length", "eos"})


def _are_counts(values: Sequence[int]) -> bool:
    """Whether all are whole numbers from 0 on; True and 1.0 are left to the schema."""
    return not values or (set(map(type, values)) == {int} and min(values) >= 0)


def _is_plain(iteration: Any) -> bool:
    return isinstance(iteration, dict) and iteration.keys() == _REQUIRED


def are_plainly_sound(iterations: Any) -> bool:
    """Whether all iterations surely keep the schema; False leaves the word to it (optional fields, odd numbers)."""
    if not isinstance(iterations, list) or not all(map(_is_plain, iterations)):
        return False
    if not all(isinstance(one[name], list) for one in iterations for name in _LISTS):
        return False
    return (
        all(_are_counts([one[name] for one in iterations]) for name in _NUMBERS)
        and all(_are_counts(list(chain.from_iterable(one[name] for one in iterations))) for name in _LISTS)
        and all(type(one["warmup"]) is bool for one in iterations)
        and all(isinstance(one["finish"], str) and one["finish"] in _FINISH for one in iterations)
    )


def require_valid_record(record: Mapping[str, Any], where: str) -> None:
    """As require_valid("record", …), the iterations in bulk where that is enough; raises BenchmarkError."""
    plain = isinstance(record, dict) and are_plainly_sound(record.get("iterations"))
    require_valid("record", {**record, "iterations": []} if plain else record, where)
