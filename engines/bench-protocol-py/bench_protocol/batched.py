"""Requests in flight together, for an engine that decodes several sequences in one step (protocol 2).

A place that is free goes to the next request at once (continuous batching). Those that begin together are read
together, between two steps of the others, whose tokens wait meanwhile: what users of such an engine see.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bench_protocol.decode import choose
from bench_protocol.engine import Engine
from bench_protocol.failure import EngineError
from bench_protocol.splitmix import random_numbers
from bench_protocol.stage import NS_PER_S, Request, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bench_protocol.events import EventLog
    from bench_protocol.spec import Case, Spec

SPIN_NS: Final = 200_000
"""Before a request is due the engine waits so long without sleeping (chosen)."""


class LoadEngine(Engine):
    """An engine that serves several requests at once."""

    @abstractmethod
    def serve(self, stage: Stage) -> None:
        """Serve a level until it is over."""

    def wait_until(self, time_ns: int) -> None:
        """Return at that time by now_ns."""
        while (left_ns := time_ns - self.now_ns()) > 0:
            time.sleep(max(left_ns - SPIN_NS, 0) / NS_PER_S)


class BatchedEngine(LoadEngine):
    """An engine with several places for sequences, numbered from 0, in which they begin and end by themselves."""

    batching = "continuous"

    @abstractmethod
    def prefill(self, places: Sequence[int], prompts: Sequence[Sequence[int]]) -> Iterable[Any]:
        """Put a prompt into each of these empty places; for each the logits that follow, as its chooser takes them."""

    @abstractmethod
    def step(self, places: Sequence[int], ids: Sequence[int]) -> Iterable[Any]:
        """Put an id behind each of these sequences; for each the logits that follow it."""

    @abstractmethod
    def release(self, place: int) -> None:
        """Empty a place."""

    def chooser(self, case: Case, place: int) -> Callable[[Any], int]:
        """What chooses the ids of the request with prompt `place` from logits."""
        return partial(choose, sampling=case.sampling, draw=random_numbers(case.sampling.seed + place))

    def serve(self, stage: Stage) -> None:
        """Give places away between any two steps."""
        choosers: dict[int, Callable[[Any], int]] = {}

        def take(requests: Sequence[Request], logits: Iterable[Any]) -> None:
            for request, row in zip(requests, logits, strict=True):
                if not stage.push(request, choosers[request.number](row)):
                    self.release(request.place)
                    del choosers[request.number]

        while not stage.over():
            if begun := stage.begin():
                choosers |= {one.number: self.chooser(stage.case, one.prompt) for one in begun}
                prompts = [stage.case.prompts[one.prompt] for one in begun]
                take(begun, self.prefill([one.place for one in begun], prompts))
            if going := stage.active:
                take(going, self.step([one.place for one in going], [one.token_ids[-1] for one in going]))
            elif not begun:
                self.wait_until(stage.next_ns())
        for request in stage.cancel():
            self.release(request.place)


class StaticBatches(LoadEngine):
    """An engine that decodes a batch to its end before the next begins."""

    batching = "static"

    def joins(self, case: Case, first: Request, other: Request) -> bool:  # noqa: ARG002
        """Whether a request may be decoded in one batch with the first that waits."""
        return True

    @abstractmethod
    def decode(self, case: Case, batch: Sequence[Request], push: Callable[[Request, int], bool]) -> None:
        """Decode the prompts of these requests together; push an id of a request as soon as the host knows it, until
        that says stop."""

    def serve(self, stage: Stage) -> None:
        """Give places away when all are free."""
        while not stage.over():
            if batch := stage.begin(partial(self.joins, stage.case)):
                self.decode(stage.case, batch, stage.push)
                if stage.active:
                    raise EngineError(f"the engine stopped before {len(stage.active)} of {len(batch)} requests ended")
            else:
                self.wait_until(stage.next_ns())
        stage.cancel()


def run_stages(engine: Engine, spec: Spec, events: EventLog) -> None:
    """All levels in the spec's order, each with empty caches; a level is written when it has ended."""
    if not isinstance(engine, LoadEngine):
        raise EngineError("this engine serves one request at a time")
    for number in spec.stages:
        engine.reset()
        stage = Stage(spec.cases[number], engine.now_ns)
        engine.serve(stage)
        events.level(stage.events(number))
