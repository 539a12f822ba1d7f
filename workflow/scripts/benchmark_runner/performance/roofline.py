"""What bounds an engine: the least time that memory or arithmetic of this machine allows, and how near it comes.

The least time of a phase is the longer of its bytes over the measured bandwidth and its operations over the measured
rate (Williams, Waterman and Patterson, Roofline, CACM 2009). Counted is what the model's numbers make necessary: for a
token all weights once and the keys and values of its context, two operations a weight; for a prompt all weights once
and two operations a weight and token, the output matrix for its last token alone. What an engine does beyond that
lowers its share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from benchmark_runner.display import percent
from benchmark_runner.model.sizes import DTYPE_BYTES, kv_values_per_token
from benchmark_runner.performance.ranking import LATENCY
from benchmark_runner.statistics.results import Cell, Json, Results

NO_CALIBRATION: Final = (
    "the limits of this machine were not measured (system.calibration_seconds: 0, or a folder of an earlier version)"
)

COUNTED: Final = (
    *("layers", "hidden_size", "heads", "kv_heads", "head_dim"),
    *("vocab_size", "tied_embeddings", "parameters"),
)
"""Numbers of a model by which its work is counted; a manifest of another version may lack some."""


class Work(NamedTuple):
    """What a phase has to read and to compute."""

    bytes: float
    flop: float


class Machine(NamedTuple):
    """What memory and cores can do at most: median, low and high of the calibration."""

    bytes_per_s: Json
    flop_per_s: Json

    def least_ms(self, work: Work, which: str = "point") -> float:
        """The shortest time for some work."""
        return float(1e3 * max(work.bytes / self.bytes_per_s[which], work.flop / self.flop_per_s[which]))

    def bound(self, work: Work) -> str:
        """What takes longer."""
        by_memory = work.bytes / self.bytes_per_s["point"] >= work.flop / self.flop_per_s["point"]
        return "memory" if by_memory else "arithmetic"


def _weights(model: Json) -> tuple[int, int]:
    """Weights that each token passes, and those of the output matrix; a table that is only looked up is none."""
    table = model["vocab_size"] * model["hidden_size"]
    stored_tables = 1 if model["tied_embeddings"] else 2
    return model["parameters"] - stored_tables * table, table


def decode_work(model: Json, context: float, weight_bytes: float, kv_bytes: float) -> Work:
    """One further token at that many tokens of context."""
    body, output = _weights(model)
    attention = 4 * model["layers"] * model["heads"] * model["head_dim"] * context
    cache = kv_values_per_token(model) * context * kv_bytes
    return Work((body + output) * weight_bytes + cache, 2 * (body + output) + attention)


def prefill_work(model: Json, tokens: float, weight_bytes: float, kv_bytes: float) -> Work:
    """The first token of an answer to that many tokens; each attends to those before it."""
    body, output = _weights(model)
    attention = 2 * model["layers"] * model["heads"] * model["head_dim"] * tokens * (tokens + 1)
    return Work(
        (body + output) * weight_bytes + kv_values_per_token(model) * tokens * kv_bytes,
        2 * body * tokens + 2 * output + attention,
    )


class Roofline:
    """Phases of all engines against the limits of the machine; manifest and calibration may be absent."""

    def __init__(self, results: Results, manifest: Json | None, calibration: Json | None) -> None:
        self._results, self._manifest, self._calibration = results, manifest, calibration
        self._settings = {
            (of["workload"], entry["setting"]): entry["values"]
            for of in results.summary["engine_settings"]
            for entry in of["settings"]
        }

    def _told(self, engine: str, workload: str, setting: str) -> Any:
        return self._settings.get((workload, setting), {}).get(engine)

    def _lacks(self, engine: str, cell: Cell) -> str | None:
        """Why nothing can be said of an engine in a test case; None where something can."""
        workload = cell.workload
        if self._results.load(engine, cell) is not None:
            return "requests in flight share the machine, and the limits are those of one request"
        entry, calibration = self._results.engines[engine], self._calibration
        if entry["threads"] is None:
            return "how many threads it had is not known"
        if self._manifest is None:
            return "no model manifest was given"
        if calibration is None:
            return NO_CALIBRATION
        if lacking := [key for key in COUNTED if self._manifest["architecture"].get(key) is None]:
            return f"the manifest does not tell {lacking[0]} of the model, by which its work is counted"
        dtype, cache_bytes = self._told(engine, workload, "weights_dtype"), calibration["last_level_cache_bytes"] or 0
        weights_bytes = self._manifest["architecture"]["parameters"] * DTYPE_BYTES.get(dtype, 0)
        reasons = {
            f"it computed on {entry['device'] or 'no device'}; the calibration measured the processor's cores": (
                entry["device"] != "cpu"
            ),
            f"it had {entry['threads']} threads, the calibration {calibration['threads']}": (
                entry["threads"] != calibration["threads"]
            ),
            f"how many bytes a weight of type {dtype or 'unknown'} takes is not known": not weights_bytes,
            "the weights fit into the processor's caches, so that memory does not bound them": (
                weights_bytes <= cache_bytes
            ),
        }
        return next((reason for reason, holds in reasons.items() if holds), None)

    def _phase(self, engine: str, cell: Cell, phase: str) -> dict[str, Any]:
        metric = {"prefill": "ttft_ms", "decode": "tpot_ms"}[phase]
        took, done = self._results.estimate(engine, cell, metric), self._results.work(engine, cell)
        reason = self._lacks(engine, cell)
        if reason is None and (took is None or not took["point"] or done is None):
            reason = self._results.metric(engine, cell, metric)["reason"] or "no time was measured"
        none = dict.fromkeys(("bytes", "flop", "least_ms", "bound", "share_of_roofline"))
        if reason is not None or took is None or done is None or self._manifest is None or self._calibration is None:
            return {"ms": took["point"] if took else None, **none, "reason": reason}
        machine = Machine(self._calibration["bandwidth_bytes_per_s"], self._calibration["flop_per_s"])
        weights = DTYPE_BYTES[self._told(engine, cell.workload, "weights_dtype")]
        kv = DTYPE_BYTES.get(self._told(engine, cell.workload, "kv_cache_dtype"), weights)
        model, prompt, answer = self._manifest["architecture"], done.prompt, done.answer
        if phase == "prefill":
            work = prefill_work(model, prompt, weights, kv)
        else:
            work = decode_work(model, prompt + answer / 2, weights, kv)
        return {
            "ms": took["point"],
            **work._asdict(),
            "least_ms": machine.least_ms(work),
            "bound": machine.bound(work),
            "share_of_roofline": {
                "point": machine.least_ms(work) / took["point"],
                "low": machine.least_ms(work, "high") / took["high"] if took["high"] else None,
                "high": machine.least_ms(work, "low") / took["low"] if took["low"] else None,
            },
            "reason": None,
        }

    def bottlenecks(self, load_ms: Mapping[str, float | None]) -> Iterator[dict[str, Any]]:
        """Each measured engine in each test case: what takes longest, and phase by phase what bounds it.

        `longest` is of a request to a loaded engine, `longest_cold` of the first answer of a fresh process.
        """
        cells = dict.fromkeys(
            Cell(one["workload"], one["case"]) for one in self._results.summary["cells"] if one["case"] is not None
        )
        for engine in self._results.engines:
            for cell in cells:
                whole, first = (self._results.point(engine, cell, metric) for metric in (LATENCY, "ttft_ms"))
                if whole is None or first is None:
                    continue
                parts = {"prefill": first, "decode": max(0.0, whole - first)}
                cold = parts | {"load": load_ms[engine] or 0.0}
                phases = {phase: self._phase(engine, cell, phase) for phase in parts}
                longest = max(parts, key=lambda name: parts[name])
                yield {
                    "engine": engine,
                    **asdict(cell),
                    "longest": longest,
                    "longest_cold": max(cold, key=lambda name: cold[name]),
                    **phases,
                    "sentence": _sentence(longest, phases[longest]),
                }


def _sentence(name: str, phase: Json) -> str:
    begin = f"Most of a request is {name}"
    if phase["share_of_roofline"] is None:
        return f"{begin}; what bounds it is not known: {phase['reason']}."
    share, by = phase["share_of_roofline"], phase["bound"]
    rate = "memory bandwidth" if by == "memory" else "arithmetic rate"
    span = "" if None in share.values() else f" ({percent(share['low'])} to {percent(share['high'])})"
    if share["point"] > 1.0:  # nothing is faster than its limit: the limit was measured too low
        beyond = (
            f"it is faster than the {rate} that the calibration measured allows, {percent(share['point'])}{span} of it"
        )
        return f"{begin}; {beyond}, so the machine was slower during the calibration, and what bounds it is not known."
    reached = f"it reaches {percent(share['point'])}{span} of the speed that the {rate} measured on this machine allows"
    # Below half, the engine spends more time on something else than its limit asks for.
    if share["point"] < 0.5:
        return f"{begin}, which neither memory nor arithmetic limits: {reached}, and is further from the other limit."
    return f"{begin}, which {by} limits: {reached}."
