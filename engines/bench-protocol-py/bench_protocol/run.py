"""From the command line to the last event."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from bench_protocol.events import EventLog
from bench_protocol.failure import AdapterError, BadSpecError, EngineError, EngineMemoryError
from bench_protocol.logits import LogitsFile
from bench_protocol.refusals import refuse
from bench_protocol.spec import PROTOCOL, Spec, read_spec
from bench_protocol.timings import Timings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from bench_protocol.engine import Engine

USAGE = "usage: <adapter> --spec spec.json --events events.jsonl"


def _parse(argv: Sequence[str]) -> tuple[Path, Path]:
    # argparse costs more to import than the rest of this package.
    values = dict(zip(argv[::2], argv[1::2], strict=False))
    if len(argv) != 4 or values.keys() != {"--spec", "--events"}:
        raise BadSpecError(USAGE)
    return Path(values["--spec"]), Path(values["--events"])


def _say(words: object) -> None:
    """A line on stderr, in any encoding; where nobody can take it, the events still tell."""
    with contextlib.suppress(OSError):
        os.write(2, f"{words}\n".encode(errors="backslashreplace"))


def _open_standard_descriptors() -> None:
    """Those that were closed lead to nowhere: else the events file took their place, and words went into it."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # there is none, nobody reads, it was closed
            stream.flush()


def _report_uncaught(events: EventLog) -> None:
    """Have an uncaught exception written as an error event, whatever it is."""

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, traceback)
        if issubclass(kind, Exception):  # not the user's Ctrl-C, which is no failure of the engine
            wrapped = EngineMemoryError if issubclass(kind, MemoryError) else EngineError
            events.error(wrapped(f"{kind.__name__}: {error}"))
            _leave(EngineError.exit_status)

    sys.excepthook = hook


def _greet(engine: Engine, path: Path, events: EventLog) -> Spec:
    """Write hello, whatever is wrong with the spec; raises what is wrong afterwards."""
    problem: AdapterError | None = None
    spec: Spec | None = None
    options: dict[str, Any] = {}
    try:
        spec = read_spec(path)
        options = spec.options
    except BadSpecError as error:
        problem = error
    try:
        engine.configure(options)
    except AdapterError as error:
        problem = problem or error
    description = engine.describe()
    events.hello(description, PROTOCOL if spec is None else spec.protocol)
    if spec is None or problem is not None:
        raise problem or BadSpecError(f"{path} holds no spec")
    refuse(spec, description.capabilities)
    engine.refuse(spec)
    return spec


def _run_round(
    engine: Engine, spec: Spec, events: EventLog, logits: LogitsFile | None, *, index: int, warmup: bool
) -> None:
    for number, case in enumerate(spec.cases):
        engine.reset()
        timings = Timings(case, engine.now_ns, with_logits=logits is not None)
        start_ns = engine.now_ns()
        engine.generate(case, case.sampling.seed + index, timings)
        end_ns = engine.now_ns()
        if timings.finish is None:
            raise EngineError(f"the engine stopped after {timings.count} of {case.max_new_tokens} tokens")
        if logits is not None:
            logits.append(timings.logits or [], timings.count)
        events.iteration(index=index, warmup=warmup, case=number, start_ns=start_ns, end_ns=end_ns, timings=timings)


def _serve(engine: Engine, path: Path, events: EventLog) -> None:
    spec = _greet(engine, path, events)
    logits = LogitsFile(spec.logits_path) if spec.logits_path is not None else None
    events.load_start(engine.now_ns())
    loaded = engine.load(spec)
    # What loading left behind stays: the collector need not look through it while tokens are timed.
    gc.collect()
    gc.freeze()
    events.load_end(engine.now_ns(), loaded, engine.batching if spec.stages else None)
    if spec.stages:
        from bench_protocol.batched import run_stages  # needs numpy, which few adapters have

        run_stages(engine, spec, events)
    for warmup, rounds in ((True, spec.warmup_iterations), (False, spec.iterations)):
        for index in range(rounds):
            _run_round(engine, spec, events, logits, index=index, warmup=warmup)
    engine.close()
    events.done()


def _leave(status: int) -> NoReturn:
    """End at once: what libraries do and print while Python takes itself apart is no part of a launch."""
    _flush()
    os._exit(status)


def run(engine: Engine, argv: Sequence[str]) -> NoReturn:
    """Serve one launch, then end the process with the exit status of docs/protocol.md.

    argv lacks the program's name.
    """
    _open_standard_descriptors()
    try:
        spec_path, events_path = _parse(argv)
        events = EventLog(events_path)
    except (BadSpecError, OSError) as error:
        _say(error)
        _leave(BadSpecError.exit_status)
    # Libraries print; the protocol wants an empty stdout, and the runner keeps stderr.
    _flush()
    os.dup2(2, 1)
    _report_uncaught(events)
    try:
        _serve(engine, spec_path, events)
    except AdapterError as error:
        _say(f"{error.kind}: {error}")
        events.error(error)
        _leave(error.exit_status)
    _leave(0)
