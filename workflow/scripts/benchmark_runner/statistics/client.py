"""What the load client and the requests themselves take from a cell's certainty: the client's own error as each
campaign measures it, what it could not keep up with, and requests that failed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Final, NamedTuple

from benchmark_runner.display import plural
from benchmark_runner.statistics.cautions import caution
from benchmark_runner.statistics.clock import span_ms
from benchmark_runner.statistics.inputs import Measurements
from benchmark_runner.statistics.level_figures import level_figures
from benchmark_runner.statistics.levels import errors_words, in_place, level_of, load_words, parts_of_place, unit_of
from benchmark_runner.statistics.samples import CellKey
from benchmark_runner.statistics.stages import Stage, Stages

MOST_LAG: Final = 0.01
"""Of the median time to first token: p99 of the send lag above which latencies hold the client's own delay."""

MOST_SHARED: Final = 0.01
"""Share of chunks that shared one receive stamp."""

MOST_CLIENT_CPU: Final = 80.0
"""Per cent of one core."""

LEAST_ACHIEVED: Final = 0.95
"""Of the requests a second that the schedule of an open load asks for within the window, as they were drawn."""

_ERRORS_OF: Final = {
    "e2e_ms": ("ttft_bias_ms", "gap_error_ms"),
    "total_tokens_per_s": ("ttft_bias_ms", "gap_error_ms"),
    "ttft_ms": ("ttft_bias_ms",),
    "prefill_tokens_per_s": ("ttft_bias_ms",),
    "itl_ms": ("gap_error_ms",),
    "tpot_ms": ("gap_error_ms",),
    "decode_tokens_per_s": ("gap_error_ms",),
}
"""The client's errors, of which the larger is in the time that a metric rests on, by name in load_calibration.json."""


class Gate(NamedTuple):
    """One thing that marks cells: words with {seen}, and what helps."""

    words: str
    remedy: str


GATES: Final[Mapping[str, Gate]] = {
    "client_late": Gate(
        "requests left late: p99 of the send lag is more than 1 % of the median time to first token",
        "Keep the engine off one core (system.cpu_affinity), so that the client has it, or lower the level",
    ),
    "client_shared_stamps": Gate(
        "more than 1 % of the chunks shared a receive stamp with others, so their gaps are not exact",
        "Keep the engine off one core (system.cpu_affinity), so that the client has it; read TPOT instead of gaps",
    ),
    "client_busy": Gate(
        "the client used more than 80 % of a core, so it may have been the limit",
        "Lower the level, or run the client on another machine",
    ),
    "rate_not_reached": Gate(
        "less than 95 % of the asked requests a second were sent",
        "Lower the rate; read these times as those of the rate achieved",
    ),
    "failed_requests": Gate(
        "requests failed; their times are left out and they miss the limits",
        "See the statuses in the launch's record and server.log; an engine that fails more than 1 % cannot win",
    ),
}


def gates(rows: Iterable[Stage], ttft_ms: float | None) -> list[str]:
    """Names of the gates that any launch of a cell meets; ttft_ms is its median time to first token."""
    found = set()
    for row in rows:
        lag, shared, cpu = row["send_lag_p99_ms"], row["shared_share"], row["client_cpu_percent"]
        due, achieved = row["due_requests_per_s"], row["achieved_requests_per_s"]
        is_open = row["asked_requests_per_s"] is not None
        held = {
            "client_late": lag is not None and ttft_ms is not None and lag > MOST_LAG * ttft_ms,
            "client_shared_stamps": shared is not None and shared > MOST_SHARED,
            "client_busy": cpu is not None and cpu > MOST_CLIENT_CPU,
            "rate_not_reached": is_open and None not in (due, achieved) and achieved < LEAST_ACHIEVED * due,
            "failed_requests": row["failed"] > 0,
        }
        found |= {name for name, is_met in held.items() if is_met}
    return [name for name in GATES if name in found]


def own_clock(rows: Iterable[Stage]) -> dict[str, Any]:
    """Entry `own_clock` of a cell: what the server's own clock says of each quantity, the client's word and the
    difference, as means of the launches that tell both; of those that tell the server's where none tells both, and no
    entry where no launch tells any."""
    told: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        for one in row.get("own_clock") or ():
            told.setdefault(one["name"], []).append(one)

    def mean(found: Sequence[Mapping[str, Any]], side: str) -> float | None:
        values = [one[side] for one in found]
        return None if None in values else fmean(values)

    described = []
    for name, every in told.items():
        found = [one for one in every if one["ours"] is not None] or every
        ours, theirs = mean(found, "ours"), fmean(one["theirs"] for one in found)
        entry = {"name": name, "ours": ours, "theirs": theirs, "difference": None if ours is None else ours - theirs}
        described.append({**entry, **{side: mean(found, side) for side in ("ours_count", "theirs_count")}})
    return {"own_clock": described} if described else {}


def has_client(load: Mapping[str, Any] | None) -> bool:
    """Whether a load client took the times of a cell, so that its error is in them: an engine in its own process takes
    them itself."""
    return load is not None and load["clocked_by"] == "client"


@dataclass(frozen=True)
class Client:
    """What a campaign with load knows of its client; calibration is load_calibration.json, None where it is not
    there."""

    stages: Stages = field(default_factory=dict)
    calibration: Mapping[str, Any] | None = None

    def cell_json(self, inputs: Measurements, key: CellKey, ttft_ms: float | None) -> dict[str, Any]:
        """`load` of a cell: the level, how its requests ended in all launches together, in how many launches the
        objective was kept, who took the times, and the gates that mark it."""
        load = inputs.loads[key[1], key[2] or ""]
        rows = self._rows(inputs, key)
        measured, ok, failed = (sum(int(row[name]) for row in rows) for name in ("measured", "ok", "failed"))
        return {
            "mode": load["mode"],
            "level": level_of(load),
            "unit": unit_of(load),
            "words": load_words(load),
            "measured": measured,
            "ok": ok,
            "failed": failed,
            "error_rate": failed / measured if measured else None,
            "launches_slo_met": sum(bool(row["slo_met"]) for row in rows),
            **level_figures(rows, inputs.level),
            "clocked_by": "client" if any(row["client_cpu_percent"] for row in rows) else "engine",
            "gates": gates(rows, ttft_ms),
            **({"turns": load["turns"]} if "turns" in load else {}),
            **({"cached_tokens": cached} if (cached := sum(row["cached_tokens"] or 0 for row in rows)) else {}),
            **own_clock(rows),
        }

    def _rows(self, inputs: Measurements, key: CellKey) -> Sequence[Stage]:
        blocks = {launch.block for launch in inputs.engines[key[0]].ok(key[1])}
        return [row for row in self.stages.get((key[0], key[1], key[2] or ""), ()) if row["block"] in blocks]

    def allowance(self, metric: str, described: Iterable[Mapping[str, Mapping[str, Any]]]) -> float:
        """The client's p99 error over the smaller of the times that a metric rests on in some cells, as a logarithm; 0
        where it is not known or the metric holds none. described has the metrics of each cell by name."""
        errors = [abs(float(self.calibration[name]["p99"])) for name in _ERRORS_OF.get(metric, ()) if self.calibration]
        spans = [span for cell in described if errors and (span := span_ms(metric, cell)) is not None]
        return math.log1p(max(errors) / min(spans)) if spans else 0.0


def client_cautions(
    cells: Sequence[Mapping[str, Any]], calibration: Mapping[str, Any] | None
) -> Iterator[dict[str, Any]]:
    """Each gate with the cells that it marks; and where the client's own error is not known."""
    loaded = [cell for cell in cells if cell.get("load")]
    for name, gate in GATES.items():
        marked = [cell for cell in loaded if name in cell["load"]["gates"]]
        if not marked:
            continue
        severe = any(errors_words(cell["load"]) for cell in marked) and name == "failed_requests"
        engines = {cell["engine"] for cell in marked}
        where = "; ".join(f"{cell['engine']} in {_place(cell)}" for cell in marked)
        engine = engines.pop() if len(engines) == 1 else None
        yield caution(name, "serious" if severe else "warning", f"{gate.words} ({where})", gate.remedy, engine=engine)
    if calibration is None and any(has_client(cell["load"]) for cell in loaded):
        yield caution(
            "client_uncalibrated",
            "warning",
            "the load client was not calibrated, so its own error is not known",
            "Run the campaign again: its rule calibrate_load measures it",
        )


def _place(cell: Mapping[str, Any]) -> str:
    return in_place(parts_of_place(cell["workload"], cell["case"], cell["load"]["words"], alone=True))


def passes_cautions(inputs: Measurements) -> Iterator[dict[str, Any]]:
    """Servers that ran all the time: what their passes cannot show."""
    for name, engine in inputs.engines.items():
        if name not in inputs.not_restarted or engine.control_of is not None or not engine.ok():
            continue
        yield caution(
            "not_restarted",
            "warning",
            f"{name} already ran and was not restarted: its {plural(len(engine.ok()), 'pass')} "
            f"{'shows' if len(engine.ok()) == 1 else 'show'} how one start of it varies, and nothing on how starts "
            "differ, so no difference from it is confirmed; its device and dtype are what the configuration says of "
            "them",
            "Let the campaign start the server by itself (docs/servers.md)",
            engine=name,
        )
