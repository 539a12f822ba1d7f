"""Two scripted campaigns that are compared, and launch values whose answer is known."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from finished import make_environment
from records import make_raw_data, run_analysis, write_inputs
from scripted_launch import ScriptedEngine, ScriptedWorkload

WORKLOADS: Final = (ScriptedWorkload(),)

EFFECTS: Final = np.array([-1.1, -0.8, -0.5, -0.2, -0.1, 0.1, 0.2, 0.5, 0.8, 1.1])
"""Launch effects in units of their standard deviation, symmetric about 0."""


def launch_values(typical: float, sd: float = 0.002, n: int = 10, turn: float = 0.0) -> npt.NDArray[np.float64]:
    """Values of n launches about a typical one; turn moves them by a part of sd, so that two samples share no value."""
    return typical * np.exp(sd * (EFFECTS[:n] + turn))


def engine(name: str = "candle", itl_ms: float = 10.0, **options: Any) -> ScriptedEngine:
    return ScriptedEngine(name, itl_ms=itl_ms, **{"launch_spread": 0.003, **options})


def write_campaign(
    folder: Path,
    engines: Sequence[ScriptedEngine],
    *,
    workloads: Sequence[ScriptedWorkload] = WORKLOADS,
    environment: Mapping[str, Any] | None = None,
    edit: Callable[[dict[str, dict[str, Any]]], object] | None = None,
    seed: int = 1,
    launches: int = 10,
) -> list[str]:
    """Write a results folder; edit changes raw data before it is written. Returns the flags that name its files."""
    raw, plan = make_raw_data(engines, workloads, output_dir=str(folder), seed=seed, launches=launches)
    if edit:
        edit(raw)
    write_inputs(folder, engines, raw, plan)
    run_analysis(folder, engines, plan)
    (folder / "environment.json").write_text(json.dumps(environment or make_environment()))
    names = [one.name for one in engines]
    word = folder.name
    return [
        *(f"--{word}", str(folder)),
        *(f"--{word}-plan", str(folder / "plan.json")),
        *(f"--{word}-environment", str(folder / "environment.json")),
        *(f"--{word}-statistics", str(folder / "analysis/statistical_summary.json")),
        *(f"--{word}-iterations", str(folder / "analysis/iterations.parquet")),
        *(f"--{word}-raw", *(str(folder / f"raw_data/{name}.json") for name in names)),
        *(f"--{word}-fidelity", *(str(folder / f"fidelity/{name}.json") for name in names)),
    ]
