"""Requests in flight together, for an engine that decodes several sequences in one step (protocol 2, closed loop).

A request that ends hands its place to the next at once. Those that begin together are read together, between two steps
of the others, whose tokens wait meanwhile: what users of such an engine see.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal

from bench_protocol.decode import choose
from bench_protocol.engine import Engine
from bench_protocol.failure import EngineError
from bench_protocol.splitmix import random_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bench_protocol.decode import Logits
    from bench_protocol.events import EventLog
    from bench_protocol.spec import Case, CaseLoad, Spec

NS_PER_S = 1_000_000_000

Phase = Literal["warmup", "measured", "filler"]


class BatchedEngine(Engine):
    """An engine with several places for sequences, numbered from 0."""

    @abstractmethod
    def prefill(self, places: Sequence[int], prompts: Sequence[Sequence[int]]) -> Logits:
        """Put a prompt into each of these empty places; logits [places, vocabulary] that follow them."""

    @abstractmethod
    def step(self, places: Sequence[int], ids: Sequence[int]) -> Logits:
        """Put an id behind each of these sequences; logits [places, vocabulary] that follow them."""

    @abstractmethod
    def release(self, place: int) -> None:
        """Empty a place."""


class _Request:
    """One request: what became of it."""

    def __init__(self, case: Case, number: int, phase: Phase, place: int, start_ns: int) -> None:
        self.number, self.phase, self.place, self.start_ns = number, phase, place, start_ns
        self.end_ns = start_ns
        self.token_ids: list[int] = []
        self.token_ns: list[int] = []
        self.finish: str | None = None
        self.status = "cancelled"
        self._case, self._limit = case, case.limit(number)
        self._draw = random_numbers(case.sampling.seed + number)

    def take(self, logits: Logits, now_ns: Callable[[], int]) -> None:
        """Choose the next token."""
        chosen = choose(logits, self._case.sampling, self._draw)
        self.end_ns = now_ns()
        self.token_ids.append(chosen)
        self.token_ns.append(self.end_ns)
        if not self._case.ignore_eos and chosen in self._case.eos_ids:
            self.finish = "eos"
        elif len(self.token_ids) == self._limit:
            self.finish = "length"
        if self.finish is not None:
            self.status = "ok"

    def event(self, case: int, prompt_tokens: int) -> dict[str, Any]:
        """As the protocol writes it."""
        return {
            "case": case,
            "number": self.number,
            "phase": self.phase,
            "scheduled_ns": self.start_ns,
            "start_ns": self.start_ns,
            "written_ns": self.start_ns,
            "chunk_ns": self.token_ns,
            "chunk_tokens": [1] * len(self.token_ns),
            "token_ids": self.token_ids,
            "stamp": "engine",
            "shared_chunks": 0,
            "prompt_tokens": prompt_tokens,
            "completion_tokens": len(self.token_ids),
            "cached_tokens": 0,
            "end_ns": self.end_ns,
            "finish": self.finish,
            "status": self.status,
            "error": None,
        }


class _Stage:
    """One level of a closed loop, from its first request to the last."""

    def __init__(self, engine: BatchedEngine, case: Case, load: CaseLoad) -> None:
        self._engine, self._case, self._load = engine, case, load
        self._now_ns = engine.now_ns
        self._free = list(range(load.concurrency))
        self._active: list[_Request] = []
        self.requests: list[_Request] = []
        self.window_start_ns: int | None = None
        self.ended = "requests" if load.requests is not None else "duration"

    def _next_phase(self, now_ns: int) -> Phase:
        if len(self.requests) < self._load.warmup_requests:
            return "warmup"
        if self._load.duration_seconds is not None:
            begun_ns = now_ns if self.window_start_ns is None else self.window_start_ns
            return "measured" if now_ns < begun_ns + self._load.duration_seconds * NS_PER_S else "filler"
        done = len(self.requests) - self._load.warmup_requests
        return "measured" if done < (self._load.requests or 0) else "filler"

    def _is_over(self) -> bool:
        """Whether all that counts has ended and only fillers are in flight."""
        return self._next_phase(self._now_ns()) == "filler" and all(one.phase == "filler" for one in self._active)

    def _begin(self) -> list[_Request]:
        """A request for each free place, all of one instant."""
        start_ns, begun = self._now_ns(), []
        while self._free:
            if len(self.requests) == len(self._case.prompts):
                self.ended = "prompts"
                break
            phase = self._next_phase(start_ns)
            if phase == "measured" and self.window_start_ns is None:
                self.window_start_ns = start_ns
            request = _Request(self._case, len(self.requests), phase, self._free.pop(0), start_ns)
            self.requests.append(request)
            begun.append(request)
        self._active += begun
        return begun

    def _take(self, requests: Iterable[_Request], logits: Logits) -> None:
        for request, row in zip(requests, logits, strict=True):
            request.take(row, self._now_ns)
        limit_ns = self._now_ns() - round(self._load.timeout_seconds * NS_PER_S)
        for request in list(self._active):
            if request.finish is None and request.start_ns < limit_ns:
                request.status, request.end_ns = "timeout", self._now_ns()
            elif request.finish is None:
                continue
            self._leave(request)

    def _leave(self, request: _Request) -> None:
        self._engine.release(request.place)
        self._active.remove(request)
        self._free.append(request.place)

    def run(self) -> None:
        """Until the last measured request has ended; what fills the other places then is cancelled."""
        while not self._is_over():
            if begun := self._begin():
                prompts = [self._case.prompts[one.number] for one in begun]
                self._take(begun, self._engine.prefill([one.place for one in begun], prompts))
            elif not self._active:
                return
            if going := list(self._active):
                ids = [one.token_ids[-1] for one in going]
                self._take(going, self._engine.step([one.place for one in going], ids))
        for request in list(self._active):
            request.end_ns = self._now_ns()
            self._leave(request)


def run_stage(engine: BatchedEngine, number: int, case: Case, events: EventLog) -> None:
    """Run one level and write its requests and then its stage; raises EngineError where nothing was measured."""
    if case.load is None:
        raise EngineError(f"cases[{number}] has no load")
    engine.reset()
    start_ns = engine.now_ns()
    stage = _Stage(engine, case, case.load)
    stage.run()
    end_ns = engine.now_ns()
    measured = [one for one in stage.requests if one.phase == "measured"]
    if not measured:
        raise EngineError(f"cases[{number}]: the prompts ran out before a request was measured")
    for request in stage.requests:
        events.request(request.event(number, len(case.prompts[request.number])))
    events.stage(
        case=number,
        start_ns=start_ns,
        end_ns=end_ns,
        window_start_ns=measured[0].start_ns,
        window_end_ns=max(one.end_ns for one in measured),
        ended=stage.ended,
        # No client takes part, and nothing is sent.
        client_cpu_seconds=0.0,
        send_lag_p50_ns=0,
        send_lag_p99_ns=0,
        sockets_max=case.load.concurrency,
    )


def run_stages(engine: Engine, spec: Spec, events: EventLog) -> None:
    """All levels in the spec's order."""
    if not isinstance(engine, BatchedEngine):
        raise EngineError("this engine serves one request at a time")
    for number in spec.stages:
        run_stage(engine, number, spec.cases[number], events)
