"""A launch's requests under load as columns, which the tables are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any, Final

import numpy as np

from benchmark_runner.arrays import BoolArray, FloatArray, IntArray

_NUMBERS: Final = {
    "index": "number",
    "case": "case",
    "start_ns": "scheduled_ns",
    "sent_ns": "start_ns",
    "end_ns": "end_ns",
    "shared_chunks": "shared_chunks",
}
"""Columns by the field of the event that they hold."""


@dataclass(frozen=True)
class Requests:
    """A value a request; chunk_ns and chunk_tokens hold those of one after the other.

    The names are those of Iterations where they mean the same: index is the number within the stage, start_ns the time
    from which latency counts (scheduled_ns), and whatever was not measured counts as warm-up.
    """

    index: IntArray
    case: IntArray
    start_ns: IntArray
    sent_ns: IntArray
    taken_up_ns: IntArray
    """When an engine in its own process took it up, or a client had handed it to the kernel; -1 where neither did."""
    end_ns: IntArray
    shared_chunks: IntArray
    warmup: BoolArray
    ok: BoolArray
    status: Sequence[str]
    finish: Sequence[str | None]
    tokens: IntArray
    """Generated: the ids; where none are told what the server counts; of what did not end, what came."""
    prompt_tokens: IntArray
    """By the server's count; 0 where it tells none."""
    cached_tokens: IntArray
    """By the server's count; -1 where it tells none."""
    chunk_counts: IntArray
    chunk_ns: IntArray
    chunk_tokens: IntArray

    def __len__(self) -> int:
        return len(self.index)

    def those(self, which: BoolArray) -> Requests:
        """The requests for which it holds."""
        chunks, places = np.repeat(which, self.chunk_counts), np.flatnonzero(which).tolist()
        kept: dict[str, Any] = {}
        for field in fields(self):
            values = getattr(self, field.name)
            if field.name in ("chunk_ns", "chunk_tokens"):
                kept[field.name] = values[chunks]
            else:
                kept[field.name] = values[which] if isinstance(values, np.ndarray) else [values[one] for one in places]
        return Requests(**kept)


def _tokens(request: Mapping[str, Any]) -> int:
    came: int = sum(request["chunk_tokens"])
    told: int | None = len(request["token_ids"] or ()) or request["completion_tokens"]
    return told or came if request["status"] == "ok" else came


def read_requests(requests: Sequence[Mapping[str, Any]]) -> Requests:
    """The columns of requests that soundness has found right."""

    def whole(values: Sequence[int]) -> IntArray:
        return np.array(values, dtype=np.int64)

    return Requests(
        **{column: whole([one[field] for one in requests]) for column, field in _NUMBERS.items()},
        taken_up_ns=whole([-1 if one["written_ns"] is None else one["written_ns"] for one in requests]),
        warmup=np.array([one["phase"] != "measured" for one in requests], dtype=np.bool_),
        ok=np.array([one["status"] == "ok" for one in requests], dtype=np.bool_),
        status=[one["status"] for one in requests],
        finish=[one["finish"] for one in requests],
        tokens=whole([_tokens(one) for one in requests]),
        prompt_tokens=whole([one["prompt_tokens"] or 0 for one in requests]),
        cached_tokens=whole([-1 if one["cached_tokens"] is None else one["cached_tokens"] for one in requests]),
        chunk_counts=whole([len(one["chunk_ns"]) for one in requests]),
        chunk_ns=whole(list(chain.from_iterable(one["chunk_ns"] for one in requests))),
        chunk_tokens=whole(list(chain.from_iterable(one["chunk_tokens"] for one in requests))),
    )


def _tokens_of_chunks(requests: Requests) -> FloatArray:
    """Tokens of each chunk: a request's tokens spread as its chunks tell."""
    told = np.zeros(len(requests))
    of = np.repeat(np.arange(len(requests)), requests.chunk_counts)
    np.add.at(told, of, requests.chunk_tokens)
    return requests.chunk_tokens * (requests.tokens / np.maximum(told, 1))[of]


def mean_in_flight(requests: Requests, start_ns: int, end_ns: int, pause_ns: int) -> float:
    """Requests in flight within a window, on average over its time; a pause behind an answer keeps its place."""
    within = np.minimum(requests.end_ns + pause_ns, end_ns) - np.maximum(requests.start_ns, start_ns)
    return float(np.sum(np.maximum(within, 0))) / (end_ns - start_ns) if end_ns > start_ns else 0.0


def output_tokens(requests: Requests, start_ns: int, end_ns: int) -> float:
    """Tokens that were generated within a window, by the time of the chunks, whatever became of their requests."""
    within = (requests.chunk_ns > start_ns) & (requests.chunk_ns <= end_ns)
    return float(np.sum(_tokens_of_chunks(requests)[within]))
