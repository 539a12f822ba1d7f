"""hardware_requirements: the memory that the model and its requests take, and the smallest machines that hold it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmark_runner.business.inputs import BusinessInputs
from benchmark_runner.business.prices import BYTES_PER_GB, AgedPrice, Entry
from benchmark_runner.model.sizes import DTYPE_BYTES, kv_values_per_token
from benchmark_runner.statistics.results import Cell

BYTES_PER_GIB: Final = 1 << 30
IN_FLIGHT: Final = (1, 8, 64)  # for how many requests machines are looked up
MACHINES_SHOWN: Final = 3
CACHE_SOURCE: Final = (
    "2 x layers x key-value heads x head size x bytes of the engine's number type, from model/manifest.json; an engine "
    "may keep its cache in another type"
)
NEED_SOURCE: Final = "an estimate: measured peak + cache of the context and requests beyond the measured ones"


def hardware_requirements(inputs: BusinessInputs, ages: dict[str, AgedPrice]) -> list[dict[str, Any]]:
    """Memory of each engine, measured where it was and computed from the model's numbers where it says so."""
    return [_of_engine(inputs, engine, ages) for engine in inputs.engines]


def _of_engine(inputs: BusinessInputs, engine: dict[str, Any], ages: dict[str, AgedPrice]) -> dict[str, Any]:
    name, model = engine["name"], inputs.manifest.get("architecture")
    dtype = next((one["dtype"] for one in inputs.plan["engines"] if one["name"] == name), None)
    cache = kv_values_per_token(model) * DTYPE_BYTES[dtype] if model and dtype in DTYPE_BYTES else None
    ram, vram = (highest(inputs, name, metric) for metric in ("peak_rss_bytes", "peak_vram_bytes"))
    measured = vram if on_gpu(engine) else ram
    longest = _longest(inputs, name)
    return {
        "engine": name,
        "weights": {"bytes": inputs.manifest["weights_bytes"], "dtype": inputs.manifest.get("weights_dtype")},
        "kv_cache": {
            "bytes_per_token": cache,
            "bytes_per_request": {} if cache is None else {str(n): cache * n for n in _contexts(model, longest)},
            "dtype": dtype,
            "source": CACHE_SOURCE,
            "reason": None if cache is not None else "the manifest or the plan does not hold the numbers of the cache",
        },
        "peak_ram_bytes": ram,
        "peak_vram_bytes": vram,
        "measured_tokens": longest,
        "machines": [] if None in (measured, cache, longest) else _machines(inputs, engine, ages, measured, cache),
        "machines_source": NEED_SOURCE,
        "reason": None if measured else engine["reason"] or "its peak memory was not measured",
    }


def on_gpu(engine: Mapping[str, Any]) -> bool:
    """Whether its launches computed on a GPU."""
    return (engine["device"] or "cpu").startswith("cuda")


def highest(inputs: BusinessInputs, engine: str, metric: str) -> dict[str, Any] | None:
    """The largest estimate of any workload, {point, low, high, workload}; None where nothing was measured."""
    results = inputs.results
    found = [
        estimate | {"workload": cell["workload"]}
        for cell in inputs.statistics["cells"]
        if cell["engine"] == engine and metric in cell["metrics"]
        if (estimate := results.estimate(engine, Cell(cell["workload"], cell["case"]), metric)) is not None
    ]
    return max(found, key=lambda estimate: float(estimate["point"]), default=None)


def _longest(inputs: BusinessInputs, engine: str) -> int | None:
    """Tokens of prompt and answer of the longest request that was measured."""
    totals = [
        round(cell["prompt_tokens"] + cell["answer_tokens"])
        for cell in inputs.statistics["cells"]
        if cell["engine"] == engine and cell["case"] is not None and cell["prompt_tokens"] is not None
    ]
    return max(totals, default=None)


def _contexts(model: dict[str, Any] | None, longest: int | None) -> list[int]:
    full = None if model is None else model["context_length"]
    return sorted({int(n) for n in (longest, full) if n})


def _machines(
    inputs: BusinessInputs, engine: dict[str, Any], ages: dict[str, AgedPrice], measured: Any, cache: Any
) -> list[dict[str, Any]]:
    """For each context and number of requests in flight what is needed, and the smallest machines that have it."""
    longest = _longest(inputs, engine["name"]) or 0
    base = measured["high"] or measured["point"]
    rows = []
    for context in _contexts(inputs.manifest["architecture"], longest):
        for requests in IN_FLIGHT:
            need = base + cache * max(0, context * requests - longest)
            fits = [(size, one) for one in inputs.catalogue.entries if (size := _size(one, on_gpu(engine))) >= need]
            fits.sort(key=lambda pair: (pair[0], pair[1].usd_per_hour or 0.0))
            shown = [_machine(one, size, ages[one.id]) for size, one in fits[:MACHINES_SHOWN]]
            row = {"context_tokens": context, "requests_in_flight": requests, "need_bytes": round(need)}
            kind = "GPU" if on_gpu(engine) else "CPU"
            none = f"no {kind} machine of the catalogue has as much memory: add one to it"
            rows.append(row | {"smallest": shown, "reason": None if shown else none})
    return rows


def _size(entry: Entry, gpu: bool) -> float:
    """Memory of one GPU, or of a machine without one; 0 for the other kind and where it is not known; unit: bytes."""
    if gpu:
        return 0.0 if entry.gpu is None else min(entry.gpu["count"], 1) * entry.gpu["vram_gb"] * BYTES_PER_GB
    return 0.0 if entry.gpu is not None or not entry.cpu["ram_gib"] else entry.cpu["ram_gib"] * BYTES_PER_GIB


def _machine(entry: Entry, size: float, age: AgedPrice) -> dict[str, Any]:
    return {
        "price_id": entry.id,
        "memory_bytes": round(size),
        "usd_per_hour": age.usd_per_hour,
        "price_state": age.state,
        "as_of": entry.as_of.isoformat(),
        "note": age.note,
    }
