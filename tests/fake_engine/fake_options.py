"""What the fake engine can be told, checked; delays are milliseconds, all keys may be left out.

load_ms, prefill_ms       Delay of loading, and of a request's first token.
token_ms                  Delay of each further token: a number, or a list whose last entry goes on.
warmup_factor             Factor on the delays of warm-up rounds.
per_launch_factor         List of factors on all delays, by launch.block from 1; begins again after its end.
per_iteration_factor      List of factors on the delays of measured rounds, by index; begins again after its end.
jitter                    {relative, seed}: each delay times 1 + relative * u; u is uniform in [-1, 1), drawn from seed
                          and block.
clock                     measured: times are read off the clock. scripted: the engine really waits, but reports
                          exactly start + delays, so that results can be foretold to the nanosecond.
busy                      Wait by spinning all the time, which uses one core.
tokens                    Ids that a greedy request yields, begun again after their end.
eos_at                    Number of the token, from 1, that is the case's first EOS id.
margins, margin           Report margins; their value: a number, or a list whose last entry goes on.
capabilities              Entries that replace those of hello.
loaded                    Entries that replace those of load_end.
crash_at                  A point and either signal (name) or exit_code.
hang_at                   A point at which the engine stops for good.
error_at                  A point with kind and message of an error event.
raise_at                  A point at which a Python exception that nobody catches is raised.
partial_line              Text left at the end of the events file without a newline, before a crash.
allocate_bytes            Memory taken and touched while loading.
linger                    {seconds, new_session}: a child process that outlives the engine.
stdout                    Text for the stdout that an adapter must leave empty.
ignore_sigterm            Whether SIGTERM is ignored.

A point is {stage: start|load|generate, iteration, token, block, workload}: start is before load_start; iteration counts
requests from 0, warm-ups included; token counts from 0 within one; without block or workload it holds in each launch.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, NamedTuple

from bench_protocol import (
    AdapterError,
    BadSpecError,
    Capabilities,
    EngineError,
    EngineMemoryError,
    Launch,
    Loaded,
    UnsupportedError,
    require_known_options,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NS_PER_MS = 1_000_000
KINDS = {kind.kind: kind for kind in (UnsupportedError, BadSpecError, EngineMemoryError, EngineError)}
DEFAULT_TOKENS = (101, 102, 103, 104, 105, 106, 107)


class Place(NamedTuple):
    """Where in its work an engine is."""

    stage: str
    iteration: int = 0
    token: int = 0


class Point(NamedTuple):
    """Where something is to happen."""

    place: Place
    block: int | None
    workload: str | None

    def is_at(self, place: Place, launch: Launch) -> bool:
        """Whether it is to happen in this place of this launch."""
        if self.block is not None and self.block != launch.block:
            return False
        if self.workload is not None and self.workload != launch.workload:
            return False
        return self.place == place


class Crash(NamedTuple):
    """How the engine dies at a point: by a signal's number or with an exit code."""

    point: Point
    signal: int | None
    exit_code: int


class Failing(NamedTuple):
    """Which error event is written at a point."""

    point: Point
    error: AdapterError


class Jitter(NamedTuple):
    """Random part of each delay."""

    relative: float
    seed: int


class Linger(NamedTuple):
    """A child that outlives the engine."""

    seconds: float
    new_session: bool


class FakeOptions(NamedTuple):
    """All options with their defaults."""

    load_ms: float = 0.0
    prefill_ms: float = 0.0
    token_ms: tuple[float, ...] = (0.0,)
    warmup_factor: float = 1.0
    per_launch_factor: tuple[float, ...] = (1.0,)
    per_iteration_factor: tuple[float, ...] = (1.0,)
    jitter: Jitter = Jitter(0.0, 0)
    clock: str = "measured"
    busy: bool = False
    tokens: tuple[int, ...] = DEFAULT_TOKENS
    eos_at: int | None = None
    margins: bool = False
    margin: tuple[float, ...] = (1.0,)
    capabilities: dict[str, Any] = {}  # noqa: RUF012  a NamedTuple's default, never changed
    loaded: dict[str, Any] = {}  # noqa: RUF012  as above
    crash_at: Crash | None = None
    hang_at: Point | None = None
    error_at: Failing | None = None
    raise_at: Point | None = None
    partial_line: str = ""
    allocate_bytes: int = 0
    linger: Linger | None = None
    stdout: str = ""
    ignore_sigterm: bool = False


def _bad(name: str, value: Any, wanted: str) -> UnsupportedError:
    return UnsupportedError(f"option {name} is {value!r}; it must be {wanted}")


def _number(name: str, value: Any) -> float:
    if type(value) not in (int, float) or value < 0:
        raise _bad(name, value, "a number of at least 0")
    return float(value)


def _integer(name: str, value: Any) -> int:
    if type(value) is not int or value < 0:
        raise _bad(name, value, "an integer of at least 0")
    return int(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _bad(name, value, "true or false")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _bad(name, value, "a text")
    return value


def _list(name: str, value: Any, item: Callable[[str, Any], Any]) -> tuple[Any, ...]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise _bad(name, value, "a list of at least one entry")
    return tuple(item(name, entry) for entry in values)


def _object(name: str, value: Any, keys: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or not value.keys() <= keys:
        raise _bad(name, value, f"an object with the keys {', '.join(sorted(keys))}")
    return value


POINT_KEYS = {"stage", "iteration", "token", "block", "workload"}
STAGES = ("start", "load", "generate")


def _point(name: str, value: dict[str, Any]) -> Point:
    stage = value.get("stage", "generate")
    if stage not in STAGES:
        raise _bad(f"{name}.stage", stage, f"one of {', '.join(STAGES)}")
    place = Place(stage, _integer(name, value.get("iteration", 0)), _integer(name, value.get("token", 0)))
    block = _integer(name, value["block"]) if "block" in value else None
    return Point(place, block, _text(name, value["workload"]) if "workload" in value else None)


def _crash(name: str, value: Any) -> Crash:
    content = _object(name, value, POINT_KEYS | {"signal", "exit_code"})
    if ("signal" in content) == ("exit_code" in content):
        raise _bad(name, value, "given either signal or exit_code")
    number = None
    if "signal" in content:
        number = getattr(signal, _text(name, content["signal"]), None)
        if not isinstance(number, signal.Signals):
            raise _bad(f"{name}.signal", content["signal"], "a signal's name, such as SIGKILL")
    return Crash(_point(name, content), number, _integer(name, content.get("exit_code", 0)))


def _failing(name: str, value: Any) -> Failing:
    content = _object(name, value, POINT_KEYS | {"kind", "message"})
    kind = content.get("kind", "internal")
    if kind not in KINDS:
        raise _bad(f"{name}.kind", kind, f"one of {', '.join(KINDS)}")
    message = _text(name, content.get("message", "scripted failure"))
    return Failing(_point(name, content), KINDS[kind](message))


def _plain_point(name: str, value: Any) -> Point:
    return _point(name, _object(name, value, POINT_KEYS))


def _jitter(name: str, value: Any) -> Jitter:
    content = _object(name, value, {"relative", "seed"})
    relative = _number(name, content.get("relative", 0))
    if relative > 1:
        raise _bad(f"{name}.relative", relative, "at most 1")
    return Jitter(relative, _integer(name, content.get("seed", 0)))


def _linger(name: str, value: Any) -> Linger:
    content = _object(name, value, {"seconds", "new_session"})
    return Linger(_number(name, content.get("seconds", 60)), _flag(name, content.get("new_session", False)))


def _clock(name: str, value: Any) -> str:
    if value not in ("measured", "scripted"):
        raise _bad(name, value, "measured or scripted")
    return str(value)


CAPABILITY_NAMES = set(Capabilities._fields)
LOADED_NAMES = set(Loaded._fields)

READERS: dict[str, Callable[[str, Any], Any]] = {
    "load_ms": _number,
    "prefill_ms": _number,
    "token_ms": lambda name, value: _list(name, value, _number),
    "warmup_factor": _number,
    "per_launch_factor": lambda name, value: _list(name, value, _number),
    "per_iteration_factor": lambda name, value: _list(name, value, _number),
    "jitter": _jitter,
    "clock": _clock,
    "busy": _flag,
    "tokens": lambda name, value: _list(name, value, _integer),
    "eos_at": _integer,
    "margins": _flag,
    "margin": lambda name, value: _list(name, value, _number),
    "capabilities": lambda name, value: _object(name, value, CAPABILITY_NAMES),
    "loaded": lambda name, value: _object(name, value, LOADED_NAMES),
    "crash_at": _crash,
    "hang_at": _plain_point,
    "error_at": _failing,
    "raise_at": _plain_point,
    "partial_line": _text,
    "allocate_bytes": _integer,
    "linger": _linger,
    "stdout": _text,
    "ignore_sigterm": _flag,
}


def read_options(options: dict[str, Any]) -> FakeOptions:
    """Options of the spec; raises UnsupportedError naming the option and what it may be."""
    require_known_options(options, READERS)
    return FakeOptions(**{name: READERS[name](name, value) for name, value in options.items()})
