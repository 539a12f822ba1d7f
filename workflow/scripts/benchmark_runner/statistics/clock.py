"""Steps of the clock as the times themselves show them: the largest that all times of a cell are whole multiples of.

A clock that advances in steps rounds every time to them. What lies below a step is not known, so engines are not called
equal by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from benchmark_runner.arrays import FloatArray
from benchmark_runner.statistics.wording import EQUIVALENCE_MARGIN
from benchmark_runner.units import NS_PER_MS

STAMPED: Final = ("e2e_ms", "ttft_ms", "itl_ms")
"""Metrics whose values are differences of two readings of the clock; all others are computed from several."""

COARSE: Final = EQUIVALENCE_MARGIN / 10
"""Chosen: steps below a tenth of the margin, relative to the time, change no verdict."""


def step_ns(launches: Iterable[FloatArray], step: int = 0) -> int:
    """Greatest common divisor (ns) of the times (ms) of some launches and of a step known before; 0 where there is
    none."""
    for times in launches:
        if step == 1:
            break
        whole = np.rint(times * NS_PER_MS).astype(np.int64)
        step = math.gcd(step, int(np.gcd.reduce(whole))) if len(whole) else step
    return step


def span_ms(metric: str, described: Mapping[str, Mapping[str, Any]]) -> float | None:
    """The time between two readings of the clock that a metric rests on; None where there is none. described are the
    metrics of a cell by name."""
    whole, first = (described[name]["median"] for name in ("e2e_ms", "ttft_ms"))
    spans = {
        "e2e_ms": whole,
        "total_tokens_per_s": whole,
        "ttft_ms": first,
        "prefill_tokens_per_s": first,
        "itl_ms": described["itl_ms"]["median"],
        "tpot_ms": None if whole is None or first is None else whole - first,
    }
    spans["decode_tokens_per_s"] = spans["tpot_ms"]
    span = spans.get(metric)
    return float(span) if span and span > 0.0 else None


def resolution(metric: str, described: Mapping[str, Mapping[str, Any]], step: int) -> float:
    """The step over the time that a metric rests on, 0 where that is too fine to matter or not known; described are the
    metrics of a cell by name."""
    span = span_ms(metric, described)
    share = 0.0 if span is None else step / NS_PER_MS / span
    return share if share >= COARSE else 0.0
