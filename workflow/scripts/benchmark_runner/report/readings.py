"""What the monitor saw during one launch of each engine, as data for the page to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmark_runner.display import BYTES_PER_MB
from benchmark_runner.records.samples import samples_of
from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.report.pairs import rounded
from benchmark_runner.units import NS_PER_MS

READINGS: Final[Mapping[str, tuple[str, float]]] = {
    "engine_rss_bytes": ("memory, MB", 1 / BYTES_PER_MB),
    "engine_cpu_percent": ("CPU, % of a core", 1.0),
    "gpu_utilization_percent": ("GPU utilisation, %", 1.0),
    "gpu_memory_used_bytes": ("GPU memory, MB", 1 / BYTES_PER_MB),
    "gpu_power_watts": ("GPU power, W", 1.0),
}
"""Words and factor of each reading that is drawn."""
MOST_SAMPLES: Final = 200  # of a launch; of a longer one the largest of every few is drawn, and the page says so


def readings(inputs: ReportInputs) -> dict[str, Any]:
    """{readings: [[name, words]], launches}: the launch of each first request, where its samples are there.

    A launch is {engine, workload, block, load, measured, series}; load and measured are [begin_ms, end_ms] since its
    first sample, series holds [ms, value] by the name of the reading.
    """
    places = {engine["name"]: place for place, engine in enumerate(inputs.engines)}
    measured_ns = {_launch(one): one["measured_ns"] for one in inputs.first_requests}
    drawn = [record for record in inputs.records if record["status"] == "ok" and _launch(record) in measured_ns]
    launches, seen = [], samples_of(inputs.samples, [_launch(record) for record in drawn], READINGS)
    for record in drawn:
        if not (samples := seen[_launch(record)]):
            continue
        origin_ns, load = samples[0]["time_ns"], record["load"]
        launches.append(
            {
                "engine": places[record["engine"]],
                "workload": record["workload"],
                "block": record["block"],
                "load": _since([load["start_ns"], load["end_ns"]], origin_ns),
                "measured": _since(measured_ns[_launch(record)], origin_ns),
                "series": _series(samples, origin_ns),
            }
        )
    found = {name for launch in launches for name in launch["series"]}
    launches.sort(key=lambda launch: launch["engine"])
    return {"readings": [[name, READINGS[name][0]] for name in READINGS if name in found], "launches": launches}


def _launch(one: Document) -> tuple[str, str, int]:
    return one["engine"], one["workload"], one["block"]


def _since(times_ns: Sequence[int], origin_ns: int) -> list[float]:
    return [round((time - origin_ns) / NS_PER_MS, 1) for time in times_ns]


def _series(samples: Sequence[Document], origin_ns: int) -> dict[str, list[list[float | None]]]:
    every = max(1, -(-len(samples) // MOST_SAMPLES))
    series: dict[str, list[list[float | None]]] = {}
    for name, (_, factor) in READINGS.items():
        for begin in range(0, len(samples), every):
            known = [one for one in samples[begin : begin + every] if one.get(name) is not None]
            if known:
                largest = max(known, key=lambda one: one[name])
                moment = (largest["time_ns"] - origin_ns) / NS_PER_MS
                series.setdefault(name, []).append([round(moment, 1), rounded(largest[name] * factor)])
    return series
