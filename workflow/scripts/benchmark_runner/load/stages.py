"""Which request is sent when: a closed or an open loop, apart from sockets and clocks, which the client brings.

A stage is asked for the time of its next request (next_ns), gives that request (take) and is told of each end (ended)
until it is over. Requests are numbered in the order in which they are sent: warm-up, measured, fillers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from benchmark_runner.units import NS_PER_S

WARMUP: Final = "warmup"
MEASURED: Final = "measured"
FILLER: Final = "filler"


class Planned(NamedTuple):
    """A request to send now."""

    number: int
    phase: str
    scheduled_ns: int
    after: int | None
    """The request whose slot it takes; None in an open loop and for the first of a slot."""
    prompt: int
    """Which of the case's prompts it sends."""


class Stage(ABC):
    """What both loops share: numbers, phases, and when all is over."""

    def __init__(self, load: Mapping[str, Any], prompts: int) -> None:
        """Load is the section of a spec's case; prompts is how many requests can be sent at most."""
        self._warmup: int = load["warmup_requests"]
        self._requests: int | None = load["requests"]
        self._duration_ns = round((load["duration_seconds"] or 0) * NS_PER_S)
        self.pause_ns = round(load.get("think_seconds", 0) * NS_PER_S)
        """Between the end of a request and the next one in its slot."""
        self._prompts = prompts
        self._sent = 0
        self._owed: set[int] = set()
        self._stopped: str | None = None
        self.first_ns: int | None = None
        """When the first measured request was to be sent."""
        self.last_ns: int | None = None
        """When the last measured one was."""
        self._measured = 0
        self._all_sent = False

    @property
    def ended_by(self) -> str:
        """What ended it, in the words of the protocol; for when it is over."""
        if self._stopped is not None:
            return self._stopped
        if self._exhausted and not self._all_sent:
            return "prompts"
        return "requests" if self._requests is not None else "duration"

    @property
    def over(self) -> bool:
        """Whether all measured requests have been sent and have ended, or none can be sent any more."""
        return not self._owed and (self._all_sent or (self._exhausted and not self._waits))

    @property
    def _exhausted(self) -> bool:
        return self._sent == self._prompts

    @property
    @abstractmethod
    def _waits(self) -> bool:
        """Whether requests are in flight without which the stage is not over."""

    @abstractmethod
    def next_ns(self, now_ns: int) -> int | None:
        """When to send the next request, which in a closed loop is now; None as long as none is to be sent.

        An open loop's schedule begins with the first call.
        """

    @abstractmethod
    def take(self, now_ns: int) -> Planned | None:
        """The request that next_ns told to be due by now; None where it told another moment."""

    @abstractmethod
    def ended(self, number: int) -> None:
        """A request has ended, however it did."""

    def _number(self, at_ns: int) -> tuple[int, str]:
        number = self._sent
        self._sent += 1
        if number < self._warmup:
            return number, WARMUP
        if self._all_sent:
            return number, FILLER
        self.first_ns = at_ns if self.first_ns is None else self.first_ns
        self.last_ns = at_ns
        self._measured += 1
        self._owed.add(number)
        self._all_sent = self._measured == self._requests
        return number, MEASURED

    def _look_at(self, at_ns: int) -> None:
        """Nothing that is sent from here on is measured where the duration is over."""
        if self._requests is None and self.first_ns is not None and at_ns - self.first_ns >= self._duration_ns:
            self._all_sent = True

    def stop(self, why: str) -> None:
        """Send nothing more."""
        self._prompts, self._stopped = self._sent, why

    def _lacks_prompt(self) -> bool:
        """Whether a request is due and no prompt is left for it."""
        if self._exhausted and self._stopped is None:
            self.stop("fillers" if self._all_sent else "prompts")
        return self._exhausted


class ClosedLoop(Stage):
    """Keeps N requests in flight: warm-up fills the slots and hands them over undrained; fillers keep them full."""

    def __init__(self, load: Mapping[str, Any], prompts: int) -> None:
        super().__init__(load, prompts)
        self._slots: deque[int | None] = deque([None] * load["concurrency"])
        self._concurrency: int = load["concurrency"]

    @property
    def _waits(self) -> bool:
        return len(self._slots) < self._concurrency

    def next_ns(self, now_ns: int) -> int | None:
        """Now, where a slot is free."""
        self._look_at(self._slot_due_ns(now_ns) if self._slots else now_ns)
        if not self._slots or self.over:
            return None
        due_ns = self._slot_due_ns(now_ns)
        return None if due_ns <= now_ns and self._lacks_prompt() else due_ns

    def _slot_due_ns(self, now_ns: int) -> int:
        """When the slot that has been free for longest may send."""
        return now_ns

    def take(self, now_ns: int) -> Planned | None:
        """The next request, in the slot that has been free for longest."""
        return self._send(now_ns)

    def _send(self, now_ns: int) -> Planned:
        after = self._slots.popleft()
        number, phase = self._number(now_ns)
        return Planned(number, phase, now_ns, after, number)

    def ended(self, number: int) -> None:
        """Its slot is free."""
        self._slots.append(number)
        self._owed.discard(number)


class Conversations(ClosedLoop):
    """A closed loop of which each slot holds a conversation: its next turn is sent a pause after the answer.

    The first conversations begin at turns spread over the slots, so that not all are at the same turn together.
    """

    def __init__(self, load: Mapping[str, Any], prompts: int) -> None:
        super().__init__(load, prompts)
        self._turns: int = load["turns"]
        self._begun, self._all = 0, prompts // self._turns
        self._sent_prompt: dict[int | None, int] = {}
        self._answered: list[int] = []
        self._due_ns: dict[int | None, int] = {}

    @property
    def _exhausted(self) -> bool:
        return self._stopped is not None

    def _lacks_prompt(self) -> bool:
        if self._stopped is None and self._next_prompt() is None:
            self.stop("fillers" if self._all_sent else "prompts")
        return self._exhausted

    def _slot_due_ns(self, now_ns: int) -> int:
        return self._due_ns.get(self._slots[0], now_ns)

    def _next_prompt(self) -> int | None:
        """What the slot that has been free for longest sends; None where no conversation is left for it."""
        before = self._sent_prompt.get(self._slots[0])
        if before is not None and (before + 1) % self._turns:
            return before + 1
        if self._begun == self._all:
            return None
        first = self._begun * self._turns
        return first + (self._begun * self._turns // self._concurrency if before is None else 0)

    def next_ns(self, now_ns: int) -> int | None:
        """When the pause of the slot that waits for longest is over."""
        self._due_ns |= dict.fromkeys(self._answered, now_ns + self.pause_ns)
        self._answered.clear()
        return super().next_ns(now_ns)

    def take(self, now_ns: int) -> Planned | None:
        """The next turn in the slot that has waited for longest; it counts from the end of its pause."""
        prompt, due_ns = self._next_prompt(), self._slot_due_ns(now_ns)
        if prompt is None or due_ns > now_ns:
            return None
        planned = self._send(due_ns)
        is_first = planned.after is None or not prompt % self._turns
        self._begun += is_first
        self._sent_prompt[planned.number] = prompt
        return planned._replace(prompt=prompt)

    def ended(self, number: int) -> None:
        """Its slot is free after the pause, which begins now."""
        super().ended(number)
        self._answered.append(number)


class OpenLoop(Stage):
    """Sends by a schedule, whatever becomes of the requests before; fillers arrive on until the measured have ended."""

    def __init__(self, load: Mapping[str, Any], prompts: int) -> None:
        super().__init__(load, prompts)
        self._arrivals = iter(load["arrivals_ns"])
        # What a plan tells of a trace is the mean of all of it, which its measured part need not have.
        self._rate: float | None = None if load["arrivals"] == "trace" else load["requests_per_second"]
        self._start_ns: int | None = None
        self._next_ns: int | None = None
        self._beyond_ns: int | None = None
        self._now_ns = 0
        self._in_flight = 0

    @property
    def window_end_ns(self) -> int:
        """Where the measured arrivals end, 0 before the first; the stage lasts so long at least.

        Of a duration that is the first arrival that is measured no more: a mean gap after the last one would be too
        early, since the gap in which a duration ends is longer than others. Of a number it is that mean gap.
        """
        if self.first_ns is None or self.last_ns is None:
            return 0
        if self._beyond_ns is not None:
            return self._beyond_ns
        gaps = max(self._measured - 1, 1)
        return self.last_ns + round(NS_PER_S / self._rate if self._rate else (self.last_ns - self.first_ns) / gaps)

    @property
    def over(self) -> bool:
        """Whether, besides, the window is."""
        return super().over and self._now_ns >= self.window_end_ns

    @property
    def _waits(self) -> bool:
        return self._in_flight > 0

    def next_ns(self, now_ns: int) -> int | None:
        """The next arrival, or the end of the window where that is all that is waited for."""
        self._now_ns = now_ns
        if self._start_ns is None:
            self._start_ns = now_ns
            self._advance()
        if self.over:
            return None
        due_ns = self._next_ns
        if due_ns is not None and due_ns <= now_ns and self._lacks_prompt():
            due_ns = self._next_ns = None
        if not super().over:
            return due_ns
        return self.window_end_ns if due_ns is None else min(due_ns, self.window_end_ns)

    def _advance(self) -> None:
        offset_ns = next(self._arrivals, None)
        self._next_ns = None if offset_ns is None or self._start_ns is None else self._start_ns + offset_ns

    def take(self, now_ns: int) -> Planned | None:
        """The request that arrives; it counts from its arrival, not from now."""
        if self._next_ns is None or self._next_ns > now_ns:
            return None
        at_ns = self._next_ns
        self._advance()
        number, phase = self._number(at_ns)
        planned = Planned(number, phase, at_ns, None, number)
        self._in_flight += 1
        if self._next_ns is None:  # the trace has ended
            self._all_sent = True
        else:
            was_measured = not self._all_sent
            self._look_at(self._next_ns)
            if was_measured and self._all_sent:
                self._beyond_ns = self._next_ns
            self._stop_fillers(self._next_ns)
        return planned

    def _stop_fillers(self, at_ns: int) -> None:
        """Fillers arrive at most for as long again as the measured requests did."""
        if self._all_sent and self.first_ns is not None and self.last_ns is not None:
            length_ns = self._duration_ns or self.last_ns - self.first_ns
            if at_ns > self.last_ns + length_ns:
                self._next_ns = None

    def ended(self, number: int) -> None:
        """One less is in flight."""
        self._in_flight -= 1
        self._owed.discard(number)


def stage_of(load: Mapping[str, Any], prompts: int) -> Stage:
    """The loop that a case's load asks for, as the spec has it."""
    if load["mode"] == "open":
        return OpenLoop(load, prompts)
    return (Conversations if "turns" in load else ClosedLoop)(load, prompts)
