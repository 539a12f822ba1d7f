"""One level of load for an engine that is its own client: who comes when, who waits for a place, who is decoded.

The engine brings the tokens and the clock, and asks between two steps. In a closed loop a request comes when the one
before it has ended, in an open one at its own time; all else is the same for both.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal

from bench_protocol.failure import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench_protocol.spec import Case

NS_PER_S: Final = 1_000_000_000

LACKING: Final = ("prompts", "fillers")
"""Endings of a level whose prompts have run out: nobody comes any more."""

Phase = Literal["warmup", "measured", "filler"]


class Request:
    """One request: what became of it."""

    def __init__(self, number: int, phase: Phase, due_ns: int, prompt: int, limit: int) -> None:
        self.number, self.phase, self.due_ns, self.limit = number, phase, due_ns, limit
        self.prompt = prompt
        """Which of the case's prompts it has."""
        self.place = -1
        """Where it is decoded, from 0."""
        self.taken_ns: int | None = None
        """When it got that place."""
        self.end_ns = due_ns
        self.token_ids: list[int] = []
        self.token_ns: list[int] = []
        self.finish: str | None = None
        self.status = "cancelled"

    def event(self, case: int, prompt_tokens: int) -> dict[str, Any]:
        """As the protocol writes it."""
        return {
            "case": case,
            "number": self.number,
            "phase": self.phase,
            "scheduled_ns": self.due_ns,
            "start_ns": self.due_ns,
            "written_ns": self.taken_ns,
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


class Stage:
    """A level from its first request to the last."""

    def __init__(self, case: Case, now_ns: Callable[[], int]) -> None:
        """Begin now; raises EngineError for a case without load."""
        if case.load is None:
            raise EngineError("the case has no load")
        self.case, self.load = case, case.load
        self._now_ns = now_ns
        self._start_ns = now_ns()
        self._timeout_ns = round(self.load.timeout_seconds * NS_PER_S)
        self._duration_ns = round((self.load.duration_seconds or 0) * NS_PER_S)
        offsets = self.load.arrivals_ns or [0] * self.load.places
        self._due = deque(self._start_ns + offset for offset in offsets)
        self._before: deque[Request | None] = deque([None] * self.load.places)
        """Of conversations the requests behind which the next ones come, in the order of due."""
        self._pause_ns = round(self.load.think_seconds * NS_PER_S)
        self._begun = 0
        self._free = list(range(self.load.places))
        self._waiting: deque[Request] = deque()
        self._active: list[Request] = []
        self._beyond_ns: int | None = None
        self._most = 0
        self.requests: list[Request] = []
        self._measured: list[Request] = []
        self._ended = "requests" if self.load.requests is not None else "duration"

    def _phase(self, at_ns: int) -> Phase:
        """Of the next request, if it comes then."""
        if len(self.requests) < self.load.warmup_requests:
            return "warmup"
        if self.load.requests is not None:
            return "measured" if len(self._measured) < self.load.requests else "filler"
        begun_ns = self._measured[0].due_ns if self._measured else at_ns
        return "measured" if at_ns - begun_ns < self._duration_ns else "filler"

    def _arrive(self, by_ns: int) -> None:
        """Whoever is due by then."""
        while self._due and self._due[0] <= by_ns:
            prompt = self._next_prompt()
            if prompt is None:
                self._ended = "fillers" if self._phase(self._due[0]) == "filler" else "prompts"
                self._due.clear()
                return
            due_ns = self._due.popleft()
            request = Request(len(self.requests), self._phase(due_ns), due_ns, prompt, self.case.limit(prompt))
            self.requests.append(request)
            self._waiting.append(request)
            if request.phase == "measured":
                self._measured.append(request)
            if self.load.arrivals_ns and self._measured and self._due:
                self._look_at(self._due[0])
        self._most = max(self._most, len(self._waiting) + len(self._active))

    def _next_prompt(self) -> int | None:
        """Of the request that is due; None where none is left. The first conversations begin at turns that are spread
        over the places, so that not all are at the same turn together."""
        turns, prompts = self.load.turns, len(self.case.prompts)
        if turns is None:
            return len(self.requests) if len(self.requests) < prompts else None
        before = self._before.popleft()
        if before is not None and (before.prompt + 1) % turns:
            return before.prompt + 1
        first = self._begun * turns
        if first + turns > prompts:
            return None
        self._begun += 1
        return first + (first // self.load.places if before is None else 0)

    def _look_at(self, next_ns: int) -> None:
        """An open loop's next arrival: it may end the window, or come too late for a filler, which arrive for as long
        again as the measured requests did at most."""
        if self._phase(next_ns) != "filler":
            return
        if self._beyond_ns is None:
            self._beyond_ns = next_ns
        first_ns, last_ns = self._measured[0].due_ns, self._measured[-1].due_ns
        if next_ns > last_ns + (self._duration_ns or last_ns - first_ns):
            self._due.clear()

    def _window_end_ns(self) -> int:
        """Of a closed loop the end of the last measured request; of an open one that of the measured arrivals: where a
        duration ends them the next arrival, else a mean gap behind the last."""
        if not self._measured:
            return 0
        if not self.load.arrivals_ns:
            return max(one.end_ns for one in self._measured)
        if self.load.requests is None and self._beyond_ns is not None:
            return self._beyond_ns
        first_ns, last_ns = self._measured[0].due_ns, self._measured[-1].due_ns
        rate = self.load.requests_per_second
        return last_ns + round(NS_PER_S / rate if rate else (last_ns - first_ns) / max(len(self._measured) - 1, 1))

    def over(self) -> bool:
        """Whether all that counts has ended; whoever has come until then, or by now, is taken in first."""
        if not self._is_over():
            self._arrive(self._now_ns())
        elif self._measured:
            self._arrive(max(one.end_ns for one in self._measured) - 1)
        return self._is_over()

    def _is_over(self) -> bool:
        flying = [*self._waiting, *self._active]
        if any(one.phase == "measured" for one in flying):
            return False
        upcoming_ns = self._due[0] if self._due else self._now_ns()
        none_left = not self._due and not flying
        return (none_left or self._phase(upcoming_ns) == "filler") and self._now_ns() >= self._window_end_ns()

    def begin(self, joins: Callable[[Request, Request], bool] = lambda _first, _other: True) -> list[Request]:
        """The first that waits and those that may join it, in order, as far as there are places; they have them from
        now on.

        Who has waited for too long is given up, place or not.
        """
        now_ns = self._now_ns()
        while self._waiting and now_ns - self._waiting[0].due_ns > self._timeout_ns:
            self._end(self._waiting.popleft(), "timeout", now_ns)
        joining = (one for one in self._waiting if joins(self._waiting[0], one))
        begun = list(islice(joining, len(self._free)))  # who waits beyond that is not looked at in every step
        for request in begun:
            self._waiting.remove(request)
            request.place, request.taken_ns = self._free.pop(0), now_ns
        self._active += begun
        return begun

    @property
    def active(self) -> list[Request]:
        """Those that have places, in the order in which they got them."""
        return list(self._active)

    def next_ns(self) -> int:
        """What is to be waited for where nobody is here: the next request, or the end of the window."""
        end_ns = self._window_end_ns()
        if not self._due or self._phase(self._due[0]) == "filler":
            return min([end_ns, *self._due])
        return self._due[0]

    def push(self, request: Request, chosen: int) -> bool:
        """Its next token, known now; returns whether it wants another, else its place is free."""
        now_ns = self._now_ns()
        request.token_ids.append(chosen)
        request.token_ns.append(now_ns)
        if not self.case.ignore_eos and chosen in self.case.eos_ids:
            request.finish = "eos"
        elif len(request.token_ids) == request.limit:
            request.finish = "length"
        elif now_ns - request.due_ns <= self._timeout_ns:
            return True
        self._leave(request, "timeout" if request.finish is None else "ok", now_ns)
        return False

    def cancel(self) -> list[Request]:
        """End what is left, none of it measured; returns those that had places."""
        left, now_ns = self.active, self._now_ns()
        for request in left:
            self._leave(request, "cancelled", now_ns)
        while self._waiting:
            self._end(self._waiting.popleft(), "cancelled", now_ns)
        return left

    def _leave(self, request: Request, status: str, now_ns: int) -> None:
        self._active.remove(request)
        self._free.append(request.place)
        self._end(request, status, now_ns)

    def _end(self, request: Request, status: str, now_ns: int) -> None:
        request.status, request.end_ns = status, now_ns
        if self.load.arrivals_ns or self._ended in LACKING:
            return
        self._due.append(now_ns + self._pause_ns)
        if self.load.turns is not None:
            self._before.append(request)

    def events(self, number: int) -> Iterator[dict[str, Any]]:
        """Of the level, which has just ended and is case `number`: its requests, then itself. Raises EngineError where
        nothing was measured."""
        end_ns = self._now_ns()
        if not self._measured:
            raise EngineError(f"cases[{number}]: the prompts ran out before a request was measured")
        for request in self.requests:
            turn = {} if self.load.turns is None else {"prompt": request.prompt}
            yield {"event": "request", **request.event(number, len(self.case.prompts[request.prompt])), **turn}
        yield {
            "event": "stage",
            "case": number,
            "start_ns": self._start_ns,
            "end_ns": end_ns,
            "window_start_ns": self._measured[0].due_ns,
            "window_end_ns": self._window_end_ns(),
            "ended": self._ended,
            # No client takes part, and nothing is sent.
            "client_cpu_seconds": 0.0,
            "send_lag_p50_ns": 0,
            "send_lag_p99_ns": 0,
            "sockets_max": self._most,
        }
