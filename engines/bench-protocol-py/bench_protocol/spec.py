"""What one launch asks of an adapter: workflow/schemas/spec.schema.yaml as types."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from bench_protocol.failure import BadSpecError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PROTOCOL: Final = 1
"""Version of the protocol in which requests come one after the other."""

LOAD_PROTOCOL: Final = 2
"""Version in which each case has a load."""

OPEN_PLACES: Final = 16
"""Sequences that are decoded at once in an open loop, which sets no number (docs/protocol.md)."""

DTYPES: Final = ("f32", "f16", "bf16")


class Sampling(NamedTuple):
    """How a token is chosen from the logits."""

    temperature: float
    """0 is greedy."""
    top_p: float
    """1 switches nucleus sampling off."""
    seed: int
    """Round n of a case draws with seed + n."""

    @property
    def is_greedy(self) -> bool:
        """Whether the highest logit is taken, so that neither top_p nor seed has an effect."""
        return self.temperature == 0


class CaseLoad(NamedTuple):
    """How the requests of a case arrive, in protocol 2."""

    mode: str
    """closed: a request starts when one before it has ended; open: at its own time."""
    places: int
    """Sequences that are decoded at once at most: in a closed loop the requests in flight."""
    requests: int | None
    """Measured requests; None where a duration says how many."""
    duration_seconds: float | None
    warmup_requests: int
    timeout_seconds: float
    arrivals_ns: Sequence[int] = ()
    """When the requests of an open loop are due, from the level's start, and the one behind them; empty in a closed."""
    requests_per_second: float | None = None
    """Mean rate of an open loop; None in a closed one, and of a trace, whose measured part need not have it."""
    turns: int | None = None
    """Requests of a conversation, of which each place holds one; None where each request stands alone."""
    think_seconds: float = 0.0
    """Between an answer and the next turn."""


class Case(NamedTuple):
    """One test case of the workload."""

    prompt_ids: list[int]
    max_new_tokens: int
    ignore_eos: bool
    eos_ids: list[int]
    sampling: Sampling
    forced_ids: list[int] | None = None
    """Ids fed back in place of the chosen ones, one a token; None without teacher forcing."""
    load: CaseLoad | None = None
    """None in protocol 1."""
    prompts: Sequence[list[int]] = ()
    """Prompt of each request of a case with load."""
    max_new_tokens_each: Sequence[int] = ()
    """Tokens to generate for each of them; empty where all are asked for max_new_tokens."""

    def limit(self, place: int) -> int:
        """Tokens to generate for the request with prompt `place`."""
        return self.max_new_tokens_each[place] if self.max_new_tokens_each else self.max_new_tokens

    def fed(self, step: int, chosen: int) -> int:
        """The id that is fed back at a step, where the engine chose this one."""
        return chosen if self.forced_ids is None else self.forced_ids[step]


class Launch(NamedTuple):
    """Names of a launch, for the adapter's log only."""

    engine: str | None
    workload: str | None
    block: int | None


class Load(NamedTuple):
    """How requests arrive."""

    mode: str
    concurrency: int


ONE_AT_A_TIME: Final = Load("closed", 1)


class Spec(NamedTuple):
    """The file behind --spec."""

    launch: Launch
    model_dir: str
    weights: str
    dtype: str
    device: str
    """cpu or cuda:N."""
    threads: int
    max_seq_len: int
    """Capacity of the KV cache, unit: tokens."""
    cases: list[Case]
    warmup_iterations: int
    iterations: int
    load: Load
    options: dict[str, Any]
    logits_path: str | None = None
    """File to which the logits behind each token are appended; None where nobody asks for them."""
    protocol: int = PROTOCOL
    stages: Sequence[int] = ()
    """Cases in the order in which their loads run; empty in protocol 1."""

    @property
    def places(self) -> int:
        """Sequences that are decoded at once at most."""
        return max(case.load.places if case.load else 1 for case in self.cases)


class _Reader:
    """One object of the spec; each key is taken once, and what is left over at the end is refused."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise BadSpecError(f"{where or 'the spec'} must be an object, not {value!r}")
        self._left: dict[str, Any] = dict(value)
        self._where = where

    def _name(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def _refuse(self, key: str, value: Any, wanted: str) -> NoReturn:
        raise BadSpecError(f"{self._name(key)} is {value!r}; it must be {wanted}")

    def has(self, key: str) -> bool:
        return key in self._left

    def any(self, key: str) -> Any:
        if key not in self._left:
            raise BadSpecError(f"{self._name(key)} is missing")
        return self._left.pop(key)

    def integer(self, key: str, minimum: int) -> int:
        value = self.any(key)
        if type(value) is not int or value < minimum:
            self._refuse(key, value, f"an integer of at least {minimum}")
        return int(value)

    def number(self, key: str) -> float:
        value = self.any(key)
        if type(value) not in (int, float) or not math.isfinite(value):
            self._refuse(key, value, "a finite number")
        return float(value)

    def text(self, key: str, pattern: str, wanted: str) -> str:
        value = self.any(key)
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.DOTALL):
            self._refuse(key, value, wanted)
        return str(value)

    def flag(self, key: str) -> bool:
        value = self.any(key)
        if not isinstance(value, bool):
            self._refuse(key, value, "true or false")
        return bool(value)

    def ids(self, key: str) -> list[int]:
        value = self.any(key)
        if not isinstance(value, list) or any(type(item) is not int or item < 0 for item in value):
            self._refuse(key, value, "a list of integers of at least 0")
        return list(value)

    def object(self, key: str) -> _Reader:
        return _Reader(self.any(key), self._name(key))

    def close(self) -> None:
        for key in self._left:
            raise BadSpecError(f"unknown key {self._name(key)}; another version of the protocol may have it")


def _sampling(reader: _Reader) -> Sampling:
    sampling = Sampling(reader.number("temperature"), reader.number("top_p"), reader.integer("seed", 0))
    reader.close()
    if sampling.temperature < 0:
        raise BadSpecError(f"sampling.temperature is {sampling.temperature}; it must be at least 0")
    if not 0 < sampling.top_p <= 1:
        raise BadSpecError(f"sampling.top_p is {sampling.top_p}; it must be above 0 and at most 1")
    return sampling


def _open_loop(reader: _Reader) -> tuple[list[int], float | None]:
    """Arrivals and mean rate of an open loop; what they were drawn by is not looked at."""
    arrivals_ns, rate = reader.ids("arrivals_ns"), _optional(reader, "requests_per_second")
    if not arrivals_ns or arrivals_ns != sorted(arrivals_ns):
        raise BadSpecError("load.arrivals_ns must hold times that never go back")
    for key in ("burstiness", "seed", "trace_file", "trace_sha256", "trace_start_seconds", "trace_speed"):
        if reader.has(key):
            reader.any(key)
    return arrivals_ns, None if reader.any("arrivals") == "trace" else rate


def _optional(reader: _Reader, key: str) -> float | None:
    if not reader.has(key) or (value := reader.any(key)) is None:
        return None
    if type(value) not in (int, float) or not math.isfinite(value) or value <= 0:
        raise BadSpecError(f"load.{key} is {value!r}; it must be a positive number or null")
    return float(value)


def _slots(reader: _Reader) -> int:
    """Places of an open loop."""
    return reader.integer("slots", 1) if reader.has("slots") else OPEN_PLACES


def _case_load(reader: _Reader) -> CaseLoad:
    mode = reader.text("mode", "closed|open", "closed or open")
    arrivals_ns, rate = _open_loop(reader) if mode == "open" else ([], None)
    turns = reader.integer("turns", 2) if mode == "closed" and reader.has("turns") else None
    requests = _optional(reader, "requests")
    load = CaseLoad(
        mode=mode,
        places=reader.integer("concurrency", 1) if mode == "closed" else _slots(reader),
        requests=None if requests is None else int(requests),
        duration_seconds=_optional(reader, "duration_seconds"),
        warmup_requests=reader.integer("warmup_requests", 0),
        timeout_seconds=reader.number("timeout_seconds"),
        arrivals_ns=arrivals_ns,
        requests_per_second=rate,
        turns=turns,
        think_seconds=0.0 if turns is None else reader.number("think_seconds"),
    )
    reader.close()
    if (load.requests is None) == (load.duration_seconds is None):
        raise BadSpecError("load has requests or duration_seconds, exactly one of them")
    return load


def _prompts(reader: _Reader) -> list[list[int]]:
    prompts = reader.any("prompts")
    if not isinstance(prompts, list) or not prompts:
        raise BadSpecError("prompts must be a list of at least one prompt")
    for prompt in prompts:
        if not isinstance(prompt, list) or not prompt or any(type(item) is not int or item < 0 for item in prompt):
            raise BadSpecError("prompts must be lists of integers of at least 0")
    return prompts


def _case(reader: _Reader, protocol: int) -> Case:
    with_load = protocol == LOAD_PROTOCOL
    case = Case(
        prompt_ids=reader.ids("prompt_ids"),
        max_new_tokens=reader.integer("max_new_tokens", 1),
        ignore_eos=reader.flag("ignore_eos"),
        eos_ids=reader.ids("eos_ids"),
        sampling=_sampling(reader.object("sampling")),
        forced_ids=reader.ids("forced_ids") if reader.has("forced_ids") else None,
        load=_case_load(reader.object("load")) if with_load else None,
        prompts=_prompts(reader) if with_load else (),
        max_new_tokens_each=reader.ids("max_new_tokens_each")
        if with_load and reader.has("max_new_tokens_each")
        else (),
    )
    reader.close()
    each = case.max_new_tokens_each
    if each and (len(each) != len(case.prompts) or not 1 <= min(each) <= max(each) <= case.max_new_tokens):
        raise BadSpecError("max_new_tokens_each must have a number for each prompt, from 1 to max_new_tokens")
    due = case.load.arrivals_ns if case.load else ()
    if due and not len(case.prompts) <= len(due) <= len(case.prompts) + 1:
        raise BadSpecError("load.arrivals_ns must have a time for each prompt, and at most one more")
    return case


def _stages(reader: _Reader, cases: int) -> list[int]:
    stages = reader.ids("stages")
    if sorted(stages) != list(range(cases)):
        raise BadSpecError(f"stages is {stages}; it must name each of the {cases} cases once")
    return stages


def _cases(reader: _Reader, max_seq_len: int, protocol: int) -> list[Case]:
    values = reader.any("cases")
    if not isinstance(values, list) or not values:
        raise BadSpecError("cases must be a list of at least one case")
    cases = []
    for index, value in enumerate(values):
        case = _case(_Reader(value, f"cases[{index}]"), protocol)
        needed = max(map(len, (case.prompt_ids, *case.prompts))) + case.max_new_tokens
        if not case.prompt_ids:
            raise BadSpecError(f"cases[{index}].prompt_ids is empty")
        if case.forced_ids is not None:
            _require_forcible(case, f"cases[{index}].forced_ids")
        if needed > max_seq_len:
            raise BadSpecError(f"cases[{index}] asks for {needed} tokens; max_seq_len is {max_seq_len}")
        cases.append(case)
    return cases


def _require_forcible(case: Case, name: str) -> None:
    if len(case.forced_ids or []) != case.max_new_tokens:
        raise BadSpecError(
            f"{name} has {len(case.forced_ids or [])} ids; it must have {case.max_new_tokens}, one a token"
        )
    if not case.sampling.is_greedy:
        raise BadSpecError(f"{name} needs sampling.temperature 0; it is {case.sampling.temperature}")


def _logits_path(reader: _Reader) -> str | None:
    if not reader.has("logits_path"):
        return None
    path = reader.any("logits_path")
    if path is not None and (not isinstance(path, str) or not path):
        raise BadSpecError(f"logits_path is {path!r}; it must be a path or null")
    return path


def _launch(reader: _Reader) -> Launch:
    if not reader.has("launch"):
        return Launch(None, None, None)
    names = reader.object("launch")
    launch = Launch(
        engine=names.text("engine", ".*", "a text") if names.has("engine") else None,
        workload=names.text("workload", ".*", "a text") if names.has("workload") else None,
        block=names.integer("block", 1) if names.has("block") else None,
    )
    names.close()
    return launch


def _load(reader: _Reader) -> Load:
    load = Load(reader.text("mode", ".*", "a text"), reader.integer("concurrency", 1))
    reader.close()
    return load


def parse_spec(content: Mapping[str, Any]) -> Spec:
    """Spec from JSON content; raises BadSpecError naming the key, its value and what is allowed."""
    reader = _Reader(content, "")
    # First, so that a newer spec is refused for what it is and not for one of its new keys.
    protocol = reader.any("protocol")
    if type(protocol) is not int or protocol not in (PROTOCOL, LOAD_PROTOCOL):
        raise BadSpecError(f"protocol is {protocol!r}; this adapter speaks {PROTOCOL} and {LOAD_PROTOCOL}")
    launch = _launch(reader)
    max_seq_len = reader.integer("max_seq_len", 2)
    cases = _cases(reader, max_seq_len, protocol)
    in_order = protocol == PROTOCOL
    options = reader.any("options")
    if not isinstance(options, dict):
        raise BadSpecError(f"options must be an object, not {options!r}")
    spec = Spec(
        launch=launch,
        model_dir=reader.text("model_dir", ".+", "a path"),
        weights=reader.text("weights", ".+", "a file name"),
        dtype=reader.text("dtype", "|".join(DTYPES), f"one of {', '.join(DTYPES)}"),
        device=reader.text("device", "cpu|cuda:[0-9]+", "cpu or cuda:N"),
        threads=reader.integer("threads", 1),
        max_seq_len=max_seq_len,
        cases=cases,
        warmup_iterations=reader.integer("warmup_iterations", 0) if in_order else 0,
        iterations=reader.integer("iterations", 0) if in_order else 0,
        load=_load(reader.object("load")) if in_order else ONE_AT_A_TIME,
        options=options,
        logits_path=_logits_path(reader),
        protocol=protocol,
        stages=() if in_order else _stages(reader, len(cases)),
    )
    reader.close()
    return spec


def read_spec(path: Path) -> Spec:
    """Spec from a file; raises BadSpecError naming the file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSpecError(f"{path} cannot be read: {error}") from error
    except ValueError as error:
        raise BadSpecError(f"{path} is not valid JSON: {error}") from error
    try:
        return parse_spec(content)
    except BadSpecError as error:
        raise BadSpecError(f"{path}: {error}") from error
