"""Sends the requests of a stage and keeps what comes back as bytes with the time at which the kernel received them.

One thread, one epoll, one connection a request. Within the loop nothing is parsed but the end of a response; requests
are bytes before it starts. There are no retries and no cap on connections but the process's own.
"""

from __future__ import annotations

import errno
import gc
import os
import resource
import select
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from benchmark_runner.load.connection import Exchange, Flight, Target, TlsFlight, clock, stamped_socket
from benchmark_runner.load.stages import Stage
from benchmark_runner.units import NS_PER_S

SPIN_NS: Final = 200_000
"""Chosen: so long before a request is due a client with a core of its own waits without sleeping."""
GATHER_NS: Final = 200_000
"""Chosen: where something was read less long ago, the client sleeps so long and reads what has come meanwhile together.
The kernel stamps each when it comes, and to wake for each costs more than to read it."""
MANY: Final = 32
"""Chosen: requests in flight from which on that is done. Fewer cost little, and the request that follows the end of
another in a closed loop leaves the later for it."""
BEST_NICE: Final = -20
MS_NS: Final = 1_000_000
MAX_WAIT_MS: Final = 1000
STEP_NS: Final = 50_000
"""Chosen: what the realtime clock may move against the monotonic one within a stage for its stamps to be believed."""
FOREVER_NS: Final = 1 << 62
NO_MORE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
"""Errors of a machine that has no further connection to give."""


class Ran(NamedTuple):
    """What a stage did."""

    exchanges: list[Exchange]
    """In order of number."""
    start_ns: int
    end_ns: int
    cpu_seconds: float
    sockets_max: int


def realtime_offset_ns() -> tuple[int, int]:
    """CLOCK_REALTIME less CLOCK_MONOTONIC, by the tightest of many brackets, and how wide that is; unit: ns."""
    brackets = []
    for _ in range(50):
        before, realtime, after = clock(), time.time_ns(), clock()
        brackets.append((after - before, realtime - (before + after) // 2))
    width, offset = min(brackets)
    return offset, width


def raise_descriptors() -> int:
    """As many descriptors as this process is allowed."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def raise_limits() -> list[str]:
    """As many descriptors and as good a nice value as this process is allowed; gives what it has in words."""
    words = [f"{raise_descriptors()} descriptors"]
    try:
        os.setpriority(os.PRIO_PROCESS, 0, BEST_NICE)
    except OSError as error:
        return [*words, f"no nice {BEST_NICE} ({error.strerror})"]
    return [*words, f"nice {BEST_NICE}"]


def take_real_time() -> str:
    """Go before all processes of ordinary priority, where that is allowed; gives what came of it in words."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError as error:
        return f"no real-time priority ({error.strerror})"
    return "real-time priority"


@contextmanager
def _undisturbed() -> Iterator[str]:
    """Real-time priority where it may be had, and no collector, which would stop the loop for long once much is kept.

    Only meanwhile: what is done between stages may wait for others. Gives what it has in words.
    """
    before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    gc.disable()
    try:
        yield take_real_time()
    finally:
        os.sched_setscheduler(0, before, parameters)
        gc.enable()


class Client:
    """Runs stages against one target."""

    def __init__(self, target: Target, own_core: bool = False) -> None:
        """own_core says that nothing else computes on this process's core, so that it may wait without sleeping."""
        self.target = target
        self.priority = "no stage was run"
        """That of the last stage, in words."""
        self._spin_ns = SPIN_NS if own_core else 0
        self._flight_of = TlsFlight if target.tls else Flight
        self._epoll = select.epoll()
        self._flights: dict[int, Flight] = {}
        self._unsent: set[int] = set()
        """Those whose request has not left yet."""
        # The kernel stamps nothing before some socket has asked for it, and begins a little after that.
        self._asks = stamped_socket(target.family)

    def close(self) -> None:
        """Leave what it holds of the system."""
        self._asks.close()
        self._epoll.close()

    def run(self, stage: Stage, requests: Sequence[bytes], timeout_ns: int = FOREVER_NS) -> Ran:
        """Run a stage to its end and cancel its fillers; a request ends timeout_ns after it was sent at the latest."""
        self._done: list[Exchange] = []
        self._requests, self._timeout_ns = requests, timeout_ns
        self._sockets_max, self._heard_ns, self._stamped = 0, clock(), False
        offset_ns, _ = realtime_offset_ns()
        with _undisturbed() as self.priority:
            start_ns, cpu = clock(), time.process_time()
            try:
                self._loop(stage)
            finally:
                self._cancel()
            end_ns, cpu_seconds = clock(), time.process_time() - cpu
        again_ns, width_ns = realtime_offset_ns()
        believed = abs(again_ns - offset_ns) <= STEP_NS + width_ns
        for exchange in self._done:
            exchange.settle(offset_ns if believed else None)
        self._done.sort(key=lambda exchange: exchange.planned.number)
        return Ran(self._done, start_ns, end_ns, cpu_seconds, self._sockets_max)

    def _loop(self, stage: Stage) -> None:
        while not stage.over:
            now_ns = clock()
            due_ns = stage.next_ns(now_ns)
            while due_ns is not None and due_ns <= now_ns:
                self._send(stage, now_ns)
                now_ns = clock()
                due_ns = stage.next_ns(now_ns)
            self._expire(stage, now_ns)
            if stage.over:
                return
            for descriptor, mask in self._wait(now_ns, due_ns):
                self._act(stage, self._flights[descriptor], mask)

    def _send(self, stage: Stage, now_ns: int) -> None:
        if (planned := stage.take(now_ns)) is None:
            return
        exchange = Exchange(planned, now_ns)
        try:
            flight = self._flight_of(exchange, self._requests[planned.prompt], self.target, now_ns + self._timeout_ns)
        except OSError as error:  # no descriptor
            self._refuse(stage, exchange, error)
            return
        try:
            flight.waits_for = flight.begin(self.target)
        except OSError as error:
            flight.socket.close()
            self._refuse(stage, exchange, error)
            return
        self._flights[flight.socket.fileno()] = flight
        if exchange.written_ns is None:
            self._unsent.add(flight.socket.fileno())
        self._epoll.register(flight.socket, flight.waits_for)
        self._sockets_max = max(self._sockets_max, len(self._flights))

    def _refuse(self, stage: Stage, exchange: Exchange, error: OSError) -> None:
        if error.errno in NO_MORE:
            stage.stop("limit")
        self._finish(exchange, "refused", error)
        stage.ended(exchange.planned.number)

    def _act(self, stage: Stage, flight: Flight, mask: int) -> None:
        exchange, problem = flight.exchange, None
        try:
            wanted = flight.act(mask)
        except OSError as error:
            exchange.outcome = "closed" if exchange.written_ns else "refused"
            wanted, problem, self._heard_ns = 0, error, clock()
        if flight.read_ns > self._heard_ns:
            self._heard_ns, self._stamped = flight.read_ns, flight.stamped
        if self._unsent and exchange.written_ns is not None:
            self._unsent.discard(flight.socket.fileno())
        if not wanted:
            self._drop(flight, exchange.outcome, problem)
            stage.ended(exchange.planned.number)
        elif wanted != flight.waits_for:
            flight.waits_for = wanted
            self._epoll.modify(flight.socket, wanted)

    def _drop(self, flight: Flight, outcome: str, error: OSError | None = None) -> None:
        del self._flights[flight.socket.fileno()]
        self._unsent.discard(flight.socket.fileno())
        flight.socket.close()
        self._finish(flight.exchange, outcome, error)

    def _finish(self, exchange: Exchange, outcome: str, error: OSError | None) -> None:
        exchange.end_ns, exchange.outcome = clock(), outcome
        exchange.words = str(error.strerror or error) if error else None
        self._done.append(exchange)

    def _expire(self, stage: Stage, now_ns: int) -> None:
        """End what takes too long; the stage too, where nobody was answered since the request was sent."""
        while self._flights and (flight := next(iter(self._flights.values()))).deadline_ns <= now_ns:
            self._drop(flight, "timeout")
            if flight.exchange.start_ns > self._heard_ns:
                stage.stop("timeout")
            stage.ended(flight.exchange.planned.number)

    def _wait(self, now_ns: int, due_ns: int | None) -> list[tuple[int, int]]:
        """What has happened, at the latest when a request is due or one takes too long."""
        until_ns = FOREVER_NS if due_ns is None else due_ns
        if self._flights:
            until_ns = min(until_ns, next(iter(self._flights.values())).deadline_ns)
        left_ns = until_ns - now_ns
        gathers = self._stamped and len(self._flights) >= MANY and not self._unsent
        if gathers and now_ns - self._heard_ns < GATHER_NS < left_ns - self._spin_ns:
            time.sleep(GATHER_NS / NS_PER_S)
            return self._epoll.poll(0)
        if left_ns > 3 * MS_NS:  # poll counts in milliseconds, and rounds them up
            return self._epoll.poll(min(left_ns // MS_NS - 2, MAX_WAIT_MS) / 1e3)
        if left_ns > self._spin_ns:
            select.select([self._epoll], [], [], (left_ns - self._spin_ns) / 1e9)
        return self._epoll.poll(0)

    def _cancel(self) -> None:
        """Close what is in flight when the stage is over: none of it is measured."""
        for flight in list(self._flights.values()):
            self._drop(flight, "cancelled")
