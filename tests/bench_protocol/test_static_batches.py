"""Batches that are decoded to their end: who is in one, and what waiting for it costs, by a clock of the tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bench_protocol import Case, EngineError
from bench_protocol.batched import StaticBatches
from bench_protocol.stage import Request
from served_level import (
    PREFILL_NS,
    STEP_NS,
    VOCABULARY,
    Metronome,
    events_of,
    most_in_flight,
    of_phase,
    open_spec,
    spec_of,
)


class Ensemble(StaticBatches):
    """Answers with the prompt's last id plus one, plus two …; a batch takes 30 ns and 10 for each further token."""

    def __init__(self) -> None:
        self.time_ns = 1000

    now_ns = Metronome.now_ns
    wait_until = Metronome.wait_until
    configure = Metronome.configure
    describe = Metronome.describe
    load = Metronome.load
    generate = Metronome.generate

    def reset(self) -> None: ...

    def decode(self, case: Case, batch: Sequence[Request], push: Callable[[Request, int], bool]) -> None:
        wanting, step = list(batch), 0
        while wanting:
            step += 1
            self.time_ns += STEP_NS if step > 1 else PREFILL_NS
            wanting = [one for one in wanting if push(one, (case.prompts[one.number][-1] + step) % VOCABULARY)]


def test_static_batches_begin_when_the_one_before_has_ended_and_waiting_counts(tmp_path: Path) -> None:
    events = events_of(Ensemble(), open_spec(20, requests=4, warmup_requests=0), tmp_path)
    first, second, third, *_ = events[:-1]
    # The first is alone from 1000 to 1050; those of 1020 and 1040 then begin together.
    assert (first["written_ns"], first["chunk_ns"]) == (1000, [1030, 1040, 1050])
    assert [one["scheduled_ns"] for one in (second, third)] == [1020, 1040]
    assert [one["written_ns"] for one in (second, third)] == [1050, 1050]
    assert second["chunk_ns"] == third["chunk_ns"] == [1080, 1090, 1100]


def test_a_closed_loop_of_static_batches_counts_from_the_end_of_the_request_before(tmp_path: Path) -> None:
    """Of two the first ends a step earlier: what follows it waits that step for the batch to end."""
    each = [2, 3] * 20
    events = events_of(Ensemble(), spec_of({"warmup_requests": 0}, max_new_tokens_each=each), tmp_path)
    first, second, third, fourth = of_phase(events, "measured")
    assert (first["end_ns"], second["end_ns"]) == (1040, 1050)
    assert (third["scheduled_ns"], fourth["scheduled_ns"]) == (1040, 1050)
    assert third["written_ns"] == fourth["written_ns"] == 1050
    assert {most_in_flight(events[:-1], at) for at in range(1000, events[-1]["window_end_ns"])} == {2}


class OfOneLength(Ensemble):
    """Decodes only prompts that are as long as the first's together."""

    def joins(self, case: Case, first: Request, other: Request) -> bool:
        return len(case.prompts[first.prompt]) == len(case.prompts[other.prompt])


def test_who_may_not_join_the_first_waits_for_the_batch_after_it(tmp_path: Path) -> None:
    content = spec_of({"concurrency": 4, "warmup_requests": 0}, prompts=4)
    content["cases"][0]["prompts"] = [[1, 3], [1, 1, 4], [1, 5], [1, 1, 6]]
    first, second, third, fourth = events_of(OfOneLength(), content, tmp_path)[:4]
    assert [one["written_ns"] for one in (first, third)] == [1000, 1000]
    assert [one["written_ns"] for one in (second, fourth)] == [1050, 1050]
    assert {one["written_ns"] for one in events_of(Ensemble(), content, tmp_path / "all")[:4]} == {1000}


class GivesUp(Ensemble):
    """Leaves a batch before its requests have ended."""

    def decode(self, case: Case, batch: Sequence[Request], push: Callable[[Request, int], bool]) -> None:
        push(batch[0], case.prompts[batch[0].number][-1])


def test_a_batch_that_is_left_before_its_requests_ended_is_an_error_and_no_endless_level(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="stopped before 2 of 2 requests ended"):
        events_of(GivesUp(), spec_of({}), tmp_path)
