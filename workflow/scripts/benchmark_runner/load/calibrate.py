"""What the load client itself adds to the times that it tells, against the stub of known delays (load/stub.py).

The stub tells when each token left it, so that its own lateness is not taken for the client's.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import pairwise
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.load.asking import read
from benchmark_runner.load.client import Client, Ran, raise_limits
from benchmark_runner.load.connection import Exchange, Target, request_bytes, target_of
from benchmark_runner.load.driver import at_share, send_lags_ns
from benchmark_runner.load.schedule import with_arrivals
from benchmark_runner.load.stages import MEASURED, stage_of
from benchmark_runner.load.wire import read_response
from benchmark_runner.processes.engine import python_command
from benchmark_runner.units import MS_PER_S, NS_PER_MS, NS_PER_S

TTFT_MS: Final = 50.0
GAP_MS: Final = 5.0
TOKENS: Final = 40
ANSWER_SECONDS: Final = (TTFT_MS + (TOKENS - 1) * GAP_MS) / MS_PER_S
"""A quarter of a second (chosen)."""
TIMEOUT_NS: Final = 30 * 10**9

Figures = dict[str, float]


def most_streams(plan: Mapping[str, Any]) -> int:
    """The most requests in flight of a plan's levels of load; an open loop counts as if an answer took a second.

    0 where nothing is under load.
    """
    loads = [case["load"] for workload in plan["workloads"] for case in workload["cases"] if "load" in case]
    rates = [-(-load.get("requests_per_second", 1) // 1) for load in loads]
    return max((load.get("concurrency", int(rate)) for load, rate in zip(loads, rates, strict=True)), default=0)


@contextmanager
def stub_at(cores: Sequence[int], *arguments: str) -> Iterator[Target]:
    """A stub on these cores, as a process of its own that ends with the block."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)  # which it inherits
    command = [*python_command("benchmark_runner.load.stub"), "--stamps", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            os.sched_setaffinity(0, own)
            assert process.stdout is not None
            yield target_of(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.terminate()


def requests_for(target: Target, number: int, tokens: int = TOKENS) -> list[bytes]:
    """So many requests, each of another prompt."""
    keys = {"max_tokens": tokens, "stream": True}
    bodies = (json.dumps({"prompt": [1, place], **keys}).encode() for place in range(number))
    return [request_bytes(target, "/v1/completions", body) for body in bodies]


def calibrate(
    streams: int, seconds: float, *, stub_cores: Sequence[int], client_cores: Sequence[int]
) -> dict[str, Any]:
    """The client's error with so many streams, for so many seconds in a closed loop and again in an open one.

    Raises BenchmarkError where requests fail, which the stub gives no cause for.
    """
    size = {"requests": None, "duration_seconds": seconds, "warmup_requests": streams}
    closed = {"mode": "closed", "concurrency": streams, **size}
    rate = streams / ANSWER_SECONDS
    arriving = {
        "mode": "open",
        "requests_per_second": rate,
        "arrivals": "poisson",
        "burstiness": 1.0,
        "seed": 0,
        **size,
    }
    # The stub has priority: what held it up between its clock and its send would be taken for the client's.
    delays = f"--ttft-ms={TTFT_MS}", f"--gap-ms={GAP_MS}", "--priority"
    with stub_at(stub_cores, *delays) as target, closing(Client(target)) as client:
        raise_limits()
        os.sched_setaffinity(0, client_cores)
        requests = requests_for(target, 4 * streams + round(4 * seconds * rate))
        ran, sent = (
            client.run(stage_of(with_arrivals(load, len(requests)), len(requests)), requests, TIMEOUT_NS)
            for load in (closed, arriving)
        )
    return {
        "streams": streams,
        **errors_of(ran),
        "send_lag_ms": in_ms(send_lags_ns(sent)),
        "client_cpu_percent": 100 * ran.cpu_seconds / ((ran.end_ns - ran.start_ns) / NS_PER_S),
        "seconds": seconds,
    }


def errors_of(ran: Ran, tokens: int = TOKENS) -> dict[str, Any]:
    """Errors of the measured requests of a stage against a stub with stamps; raises BenchmarkError for failures."""
    measured = [exchange for exchange in ran.exchanges if exchange.planned.phase == MEASURED]
    answers = [read(exchange, {"max_new_tokens": tokens}) for exchange in measured]
    if failed := [answer for answer in answers if answer.status != "ok"]:
        what = f"{len(failed)} of {len(answers)} requests to the stub: {failed[0].status}, {failed[0].error}"
        raise BenchmarkError(f"the load client could not be calibrated ({what}); lower the highest level of load")
    starts, gaps = [], []
    for exchange, answer in zip(measured, answers, strict=True):
        late = [came - left for came, left in zip(answer.chunk_ns, sent_ns(exchange), strict=True)]
        written_ns = exchange.written_ns or exchange.start_ns
        starts.append(written_ns - exchange.planned.scheduled_ns + late[0])
        gaps += [abs(after - before) for before, after in pairwise(late)]
    chunks = sum(len(answer.chunk_ns) for answer in answers)
    return {
        "ttft_bias_ms": in_ms(sorted(starts)),
        "gap_error_ms": in_ms(sorted(gaps)),
        "shared_share": sum(answer.shared_chunks for answer in answers) / chunks,
        "stamp": "kernel" if all(exchange.stamp == "kernel" for exchange in measured) else "user",
        "events": chunks,
    }


def sent_ns(exchange: Exchange) -> list[int]:
    """When the stub sent each token, by its own word."""
    events = read_response(exchange.pieces, closed=False).events
    return [json.loads(event.payload)["sent_ns"] for event in events if b"sent_ns" in event.payload]


def in_ms(rising_ns: Sequence[int]) -> Figures:
    """Median and p99, unit: ms."""
    return {name: at_share(rising_ns, share) / NS_PER_MS for name, share in (("p50", 0.5), ("p99", 0.99))}
