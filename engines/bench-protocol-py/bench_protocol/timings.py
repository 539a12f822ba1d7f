"""Ids and times of one request, kept in lists that are allocated before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_protocol.spec import Case


class Timings:
    """Where an engine puts each generated id; takes the time itself."""

    __slots__ = ("_limit", "_now_ns", "_stop_ids", "count", "logits", "margins", "token_ids", "token_ns")

    def __init__(self, case: Case, now_ns: Callable[[], int], *, with_logits: bool = False) -> None:
        """Allocate for all tokens that the case may yield; with_logits where the spec has a logits_path."""
        self._limit = case.max_new_tokens
        self._now_ns = now_ns
        self._stop_ids = frozenset() if case.ignore_eos else frozenset(case.eos_ids)
        self.count = 0
        self.token_ids = [0] * case.max_new_tokens
        self.token_ns = [0] * case.max_new_tokens
        self.margins: list[float | None] = [None] * case.max_new_tokens
        self.logits: list[bytes] | None = [] if with_logits else None

    def push(self, token_id: int, margin: float | None = None) -> bool:
        """Take an id that the host knows now; returns whether another is wanted.

        margin is the top-1 minus the top-2 logit, where options.margins asks for it.
        """
        count = self.count
        self.token_ns[count] = self._now_ns()
        self.token_ids[count] = token_id
        self.margins[count] = margin
        self.count = count + 1
        return count + 1 < self._limit and token_id not in self._stop_ids

    @property
    def wants_logits(self) -> bool:
        """Whether the launch asks for logits, whose times mean nothing."""
        return self.logits is not None

    def push_logits(self, logits: bytes) -> None:
        """Keep the logits [vocabulary] behind a token, as 32-bit little-endian numbers, where they are asked for."""
        if self.logits is not None:
            self.logits.append(logits)

    @property
    def finish(self) -> str | None:
        """Why the request has ended: eos or length; None while another id is wanted."""
        if self.count and self.token_ids[self.count - 1] in self._stop_ids:
            return "eos"
        return "length" if self.count == self._limit else None
