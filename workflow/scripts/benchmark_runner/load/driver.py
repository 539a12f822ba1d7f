"""Speaks the adapter protocol for an engine that is a server: asks it over HTTP and writes the events."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.jsonio import read_json
from benchmark_runner.load.asking import Asked, Asking, read, request_event, with_its_end
from benchmark_runner.load.client import Client, Ran, raise_limits
from benchmark_runner.load.clocks import Clocks
from benchmark_runner.load.connection import clock, key_problem, target_of, without_key
from benchmark_runner.load.stages import MEASURED, OpenLoop, Stage, stage_of
from benchmark_runner.load.texts import TextError, Texts
from benchmark_runner.protocol.events import expected_rounds
from benchmark_runner.protocol.spec import PROTOCOL, of_request
from benchmark_runner.schemas import first_violation
from benchmark_runner.units import NS_PER_S

STATUS: Final[Mapping[str, int]] = {"unsupported": 3, "bad_spec": 2, "internal": 1}
READY_EVERY_SECONDS: Final = 0.05
"""Chosen: so often a server that does not answer yet is asked again."""
LAST_TRY_NS: Final = 1_000_000_000
"""Chosen: what a server has at least for its last word."""


class DriverError(BenchmarkError):
    """Why the driver ends without done; kind is that of its error event."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class EventLog:
    """Appends events to a file; the key that opens the server is in none of them."""

    def __init__(self, path: Path, key: str | None) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._key = key

    def write(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Write events, each on a line."""
        told = ({**event, **self._words_of(event)} for event in events)
        lines = "".join(json.dumps(event, separators=(",", ":"), allow_nan=False) + "\n" for event in told)
        left = memoryview(lines.encode())
        while left:
            left = left[os.write(self._file, left) :]

    def _words_of(self, event: Mapping[str, Any]) -> dict[str, str]:
        """What of an event may be in the server's words."""
        return {name: without_key(event[name], self._key) for name in ("error", "message", "model") if event.get(name)}


def check_spec(path: Path) -> dict[str, Any]:
    """The spec; raises DriverError where it is none that the protocol has."""
    try:
        spec = read_json(path)
    except BenchmarkError as error:
        raise DriverError("bad_spec", str(error)) from error
    if (found := first_violation("spec", spec)) is not None:
        raise DriverError("bad_spec", found)
    return dict(spec)


def refuse(spec: Mapping[str, Any], server: Mapping[str, Any]) -> None:
    """Raise DriverError for the first thing that the spec asks for and the server cannot do."""
    can = server["capabilities"]
    loads = [spec["load"]] if "load" in spec else [case["load"] for case in spec["cases"]]
    asked: list[tuple[str, bool]] = [
        (f"device {spec['device']}", spec["device"].partition(":")[0] in can["devices"]),
        (f"dtype {spec['dtype']}", spec["dtype"] in can["dtypes"]),
        *((f"load.mode {load['mode']}", load["mode"] in can["load_modes"]) for load in loads),
        *((f"load.concurrency {n}", n <= can["max_concurrency"]) for load in loads if (n := load.get("concurrency"))),
        (f"options {', '.join(spec['options'])}", spec["options"].keys() <= set(server.get("options", ()))),
        *((f"{name} {value!r:.40}", isinstance(value, bool)) for name, value in spec["options"].items()),
        ("logits_path", spec.get("logits_path") is None),
    ]
    for index, case in enumerate(spec["cases"]):
        sampling, where = case["sampling"], f"cases[{index}]: "
        drawn = sampling["temperature"] > 0
        asked += [
            (f"{where}sampling temperature", not drawn or "temperature" in can["sampling"]),
            (f"{where}sampling top_p", not drawn or sampling["top_p"] == 1 or "top_p" in can["sampling"]),
            (f"{where}ignore_eos", not case["ignore_eos"] or can["ignore_eos"]),
            (f"{where}forced_ids", "forced_ids" not in case),
        ]
    for what, possible in asked:
        if not possible:
            raise DriverError("unsupported", f"{server['engine']} is asked for what it cannot do: {what}")


def wait_ready(asking: Asking, case: Mapping[str, Any], timeout_seconds: float) -> int:
    """When the first token of a request had come; raises DriverError where none does in time, or never will.

    Nothing but this is tried again: a server that loads refuses connections, or says that it is busy.
    """
    give_up_ns = clock() + round(timeout_seconds * NS_PER_S)
    while True:
        asked = asking.one_token(case, max(give_up_ns - clock(), LAST_TRY_NS))
        answer = asked.answer
        if answer.chunk_ns or answer.finish is not None:  # a token without text may be in no event
            return answer.chunk_ns[0] if answer.chunk_ns else asked.exchange.end_ns
        state = f"{answer.status}{f', {answer.error}' if answer.error else ''}"
        if answer.status not in {"refused", "cut", "timeout"}:
            raise DriverError("internal", f"the server does not answer a request of one token: {state}")
        if clock() >= give_up_ns:
            raise DriverError("internal", f"no token within {timeout_seconds:g} s; the server's last answer: {state}")
        time.sleep(READY_EVERY_SECONDS)


def run_rounds(spec: Mapping[str, Any], asking: Asking, events: EventLog) -> None:
    """Requests one by one, as protocol 1 has them; raises BenchmarkError where one fails."""
    for warmup, index, number in expected_rounds(spec):
        case = spec["cases"][number]
        asked = asking.ask(case, case["prompt_ids"], index)
        try:
            timed = asking.timed(asked, case, index)
        except BenchmarkError as error:
            kind = "unsupported" if isinstance(error, TextError) else "internal"
            raise DriverError(kind, f"iteration {index} of case {number}: {error}") from error
        if len(timed.token_ids) != sum(asked.answer.chunk_tokens):
            told = f"{len(timed.token_ids)} tokens, {sum(asked.answer.chunk_tokens)} with times of their own"
            print(f"case {number}, iteration {index}: {told}", file=sys.stderr)
        event: dict[str, Any] = {"event": "iteration", "index": index, "warmup": warmup, "case": number}
        event |= asking.other_model(asked.answer)
        if asking.texts is not None:
            used = asking.texts.ids_of(asking.texts.of_prompt(case["prompt_ids"]))
            event |= {"used_prompt_ids": used} if used != case["prompt_ids"] else {}
        start_ns, end_ns = asked.exchange.start_ns, max(asked.exchange.end_ns, *timed.token_ns[-1:])
        events.write([{**event, "start_ns": start_ns, **timed._asdict(), "end_ns": end_ns}])


def send_lags_ns(ran: Ran, pause_ns: int = 0) -> list[int]:
    """How much later than it should have been each request was sent, rising.

    That is its schedule in an open loop, and in a closed one the end of the request before it in its slot and a pause.
    """
    ends = {exchange.planned.number: exchange.end_ns for exchange in ran.exchanges}
    lags = []
    for exchange in ran.exchanges:
        planned = exchange.planned
        due_ns = planned.scheduled_ns if planned.after is None else ends[planned.after] + pause_ns
        lags.append(max(exchange.start_ns - due_ns, 0))
    return sorted(lags)


def stage_event(case: int, stage: Stage, ran: Ran) -> dict[str, Any]:
    """The event of a level that has ended, with its window: the measured requests, or arrivals."""
    measured = [exchange for exchange in ran.exchanges if exchange.planned.phase == MEASURED]
    start_ns, end_ns = stage.first_ns or ran.end_ns, ran.end_ns
    if isinstance(stage, OpenLoop):
        end_ns = stage.window_end_ns or ran.end_ns
    elif measured:
        end_ns = max(exchange.end_ns for exchange in measured)
    lags_ns = send_lags_ns(ran, stage.pause_ns)
    return {
        "event": "stage",
        "case": case,
        "start_ns": ran.start_ns,
        "end_ns": ran.end_ns,
        "window_start_ns": start_ns,
        "window_end_ns": end_ns,
        "ended": stage.ended_by,
        "client_cpu_seconds": ran.cpu_seconds,
        "send_lag_p50_ns": at_share(lags_ns, 0.5),
        "send_lag_p99_ns": at_share(lags_ns, 0.99),
        "sockets_max": ran.sockets_max,
    }


def at_share(rising: Sequence[int], share: float) -> int:
    """The value below which that share lies; 0 of none."""
    return rising[int(share * (len(rising) - 1))] if rising else 0


def settle(asking: Asking, case: Mapping[str, Any], timeout_seconds: float) -> None:
    """Wait until the server answers a request of one token: it goes on with what fillers left for a step or more, which
    the next level would wait for. Whether it answers well is for the next level to tell."""
    asking.one_token(case, round(timeout_seconds * NS_PER_S))


def run_stages(spec: Mapping[str, Any], asking: Asking, client: Client, clocks: Clocks, events: EventLog) -> None:
    """The levels of protocol 2 in the spec's order; what becomes of a request is written, and fails nothing."""
    for number in spec["stages"]:
        case = spec["cases"][number]
        load = case["load"]
        asked = [of_request(case, index) for index in range(len(case["prompts"]))]
        requests = [asking.request(one, case["prompts"][index], index) for index, one in enumerate(asked)]
        stage = stage_of(load, len(requests))
        before = clocks.counters()
        ran = client.run(stage, requests, round(load["timeout_seconds"] * NS_PER_S))
        after = clocks.counters()
        came = []
        for exchange in ran.exchanges:
            place = exchange.planned.prompt
            answer = read(exchange, asked[place], asking.sent_tokens(case["prompts"][place]))
            came.append(Asked(exchange, with_its_end(answer, asked[place], exchange.end_ns)))
        told = [request_event(number, load, one) | asking.other_model(one.answer) for one in came]
        own = clocks.told(before, after, came)
        events.write([*told, {**stage_event(number, stage, ran), **({"own_clock": own} if own else {})}])
        settle(asking, case, load["timeout_seconds"])


def key_of(server: Mapping[str, Any]) -> str | None:
    """The key that opens the server, from the variable that server.json names; raises DriverError where it is unset."""
    name = server.get("api_key_env")
    if name is None:
        return None
    if (problem := key_problem(name)) is not None:
        raise DriverError("unsupported", problem)
    return os.environ[name]


def serve(spec: Mapping[str, Any], server: Mapping[str, Any], events: EventLog, *, own_core: bool) -> None:
    """From the check of the spec to the last event; raises BenchmarkError."""
    refuse(spec, server)
    # One that ran already was started by nobody: then it begins with the first question.
    events.write([{"event": "load_start", "time_ns": server.get("started_ns") or clock()}])
    target = target_of(server["base_url"])
    limits = raise_limits()
    with closing(Client(target, own_core)) as client:
        key = key_of(server)
        texts = None if server["ids"]["in"] else Texts(Path(spec["model_dir"]))
        asking = Asking(server, target, client, key, texts)
        ready_ns = wait_ready(asking, spec["cases"][0], server["ready_timeout_seconds"])
        print(f"load client: {', '.join([*limits, client.priority])}", file=sys.stderr)
        events.write([{"event": "load_end", "time_ns": ready_ns, **server["load"]}])
        if spec["protocol"] == PROTOCOL:
            run_rounds(spec, asking, events)
        else:
            run_stages(spec, asking, client, Clocks(server), events)
    events.write([{"event": "done"}])


def main(argv: Sequence[str]) -> int:
    """Run a spec against a server; 0, or the exit status that docs/protocol.md gives an error."""
    parser = argparse.ArgumentParser(prog="benchmark_runner.load.driver", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True, help="spec.json of protocol 1 or 2")
    parser.add_argument("--events", type=Path, required=True, help="events are appended to it")
    parser.add_argument("--server", type=Path, required=True, help="server.json: where the server is, how it is asked")
    parser.add_argument("--cores", help="cores that are this process's own, as 2,3; absent: it shares what it has")
    arguments = parser.parse_args(argv)
    if arguments.cores:
        os.sched_setaffinity(0, {int(core) for core in arguments.cores.split(",")})
    server = read_json(arguments.server)
    key = os.environ.get(server.get("api_key_env") or "")
    events = EventLog(arguments.events, key)
    try:
        greet_and_serve(arguments.spec, server, events, own_core=bool(arguments.cores))
    except BenchmarkError as error:
        kind = error.kind if isinstance(error, DriverError) else "internal"
        events.write([{"event": "error", "kind": kind, "message": str(error)}])
        return STATUS[kind]
    return 0


def greet_and_serve(path: Path, server: Mapping[str, Any], events: EventLog, *, own_core: bool) -> None:
    """Write hello, whatever is wrong with the spec, and go on; raises BenchmarkError."""
    problem, spec = None, {}
    try:
        spec = check_spec(path)
    except DriverError as error:
        problem = error
    hello = {name: server[name] for name in ("engine", "version", "build", "capabilities")}
    events.write([{"event": "hello", "protocol": spec.get("protocol", PROTOCOL), **hello}])
    if problem is not None:
        raise problem
    serve(spec, server, events, own_core=own_core)


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
