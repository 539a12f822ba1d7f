"""What would decide a capacity: more launches, or one campaign of other levels with its exact command."""

from __future__ import annotations

import copy
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmark_runner.campaign.parts import plan_part
from benchmark_runner.configuration.shortcuts import with_typed_overrides
from benchmark_runner.performance.answer import answer
from benchmark_runner.performance.other_levels import other_levels
from benchmark_runner.schemas import require_valid, schema, violations
from benchmark_runner.statistics.levels import Grid
from benchmark_runner.statistics.results import Results
from records import ScriptedEngine, ScriptedWorkload, write_results
from scripted_load import ScriptedLoad

LAUNCHES = 6
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any], Path]:
    """(statistics, plan, folder) of two engines that hold every level of the grid."""
    folder = tmp_path_factory.mktemp("levels")
    engines = [ScriptedEngine(name, 20.0, 10.0, slots=4, launch_spread=0.005) for name in ("torch", "server")]
    serving = ScriptedWorkload("serving", ((8, 5),), load=ScriptedLoad(concurrency=(1, 2, 4, 8), requests=8))
    slo = {"ttft_ms": 500, "tpot_ms": None, "itl_p99_ms": None, "e2e_ms": None, "share": 0.9}
    written = write_results(folder, engines, [serving], launches=LAUNCHES, analysis={"slo": slo})
    plan = plan_part(written, "analysis")  # all that the analysis is given
    return json.loads((folder / "analysis" / "statistical_summary.json").read_text()), plan, folder


def decided(
    measured: tuple[dict[str, Any], dict[str, Any], Path], *points: tuple[float, str | None], **pair: Any
) -> Any:
    """The answer where the engines hold these levels and their comparison says this."""
    statistics, plan, _ = measured
    told = copy.deepcopy(statistics)
    for row, (value, bound) in zip(told["capacity"]["engines"], points, strict=True):
        row["capacity"] |= {"point": {"value": value, "bound": bound}, "text": f"{value:g} requests in flight"}
    for one in told["capacity"]["comparisons"]:
        if one["quantity"] == "capacity":
            one |= {"verdict": "inconclusive", "higher": None, "p": 0.5, "launches_needed": None, **pair}
    return answer(Results(told), plan)


def asked(command: str) -> dict[str, Any]:
    """What a command says behind --config, as Snakemake reads it."""
    words = shlex.split(command)
    entries = dict(one.partition("=")[::2] for one in words[words.index("--config") + 1 :])
    return {key: yaml.load(value, yaml.BaseLoader) for key, value in entries.items()}


def levels_of(found: Any) -> list[float]:
    (workload,) = with_typed_overrides({}, asked(found["decide"]["command"]), schema("config"))["workloads"]
    (case,) = workload["test_cases"]
    levels: list[float] = case["load"]["concurrency"]
    return levels


def test_where_all_hold_the_last_level_the_next_step_is_higher_ones(measured: Any) -> None:
    statistics, plan, folder = measured
    found = answer(Results(statistics), plan)
    require_valid("summary", json.loads((folder / "summary.json").read_text()), "the summary")
    step = found["decide"]
    assert step["sentence"].startswith("Higher levels, 8, 16, 32 and 64 requests in flight in serving (6 launches each")
    assert step["sentence"].endswith("may tell torch from server: at the levels measured they hold as much.")
    assert levels_of(found) == [8, 16, 32, 64] and step["launches"] == LAUNCHES
    # Two engines whose launches of four levels take what the statistics say.
    seconds = sum(one["launch_seconds"]["serving"] for one in statistics["engines"])
    assert step["minutes"] == pytest.approx(seconds * LAUNCHES / 60)
    assert step["command"].startswith(f"snakemake --cores 1 --resources gpu=1 --configfile {folder}/campaign.yaml ")
    assert asked(step["command"])["output_dir"] == f"{folder}-serving-higher"


def test_the_command_is_a_configuration_that_is_measured_as_it_stands(measured: Any) -> None:
    command = answer(Results(measured[0]), measured[1])["decide"]["command"]
    base = yaml.safe_load((REPOSITORY / "config" / "serving.yaml").read_text())
    given = {key: value for key, value in asked(command).items() if key != "output_dir"}
    config = with_typed_overrides(base | {"workloads": given["workloads"]}, given, schema("config"))
    assert violations("config", config) == []
    assert config["benchmark"]["launches"] == LAUNCHES and config["benchmark"]["baseline"] == "llama_cpp_server"


def test_between_two_levels_of_which_all_hold_the_lower_the_grid_becomes_finer(measured: Any) -> None:
    found = decided(measured, (4, None), (4, None))
    assert levels_of(found) == [2, 4, 5, 6, 7, 8]
    assert found["decide"]["sentence"].startswith("Finer levels, 2, 4, 5, 6, 7 and 8 requests in flight in serving")


def test_launches_that_order_them_are_asked_for_before_other_levels(measured: Any) -> None:
    found = decided(measured, (4, None), (2, None), launches_needed=11)
    assert found["decide"]["launches"] == 11
    assert (
        "would tell torch from server in how much they hold in serving, with 80 % power" in found["decide"]["sentence"]
    )
    assert "benchmark={launches: 11}" in found["decide"]["command"]


def test_more_launches_than_are_worth_their_time_are_no_step(measured: Any) -> None:
    found = decided(measured, (4, None), (2, None), launches_needed=400)
    assert found["decide"]["sentence"].startswith("Finer levels, ")


def test_engines_that_are_told_apart_or_cannot_be_compared_need_no_other_levels(measured: Any) -> None:
    sure = {"verdict": "confirmed_faster", "higher": "torch"}
    for pair in (sure, {"verdict": "untestable", "p": None}):
        step = decided(measured, (8, ">="), (4, None), **pair)["decide"]
        assert step is None or "levels" not in step["sentence"]


@pytest.mark.parametrize(
    ("mode", "tried", "points", "wanted"),
    [
        ("closed", [1, 2, 4], [(1, "<"), (1, "<")], None),  # no request less than one
        ("closed", [4, 8], [(4, "<"), (4, "<")], [1, 2, 4]),
        ("open", [1.0, 2.0], [(1.0, "<"), (1.0, "<")], [0.125, 0.25, 0.5, 1.0]),
        ("open", [1.0, 2.0], [(2.0, ">="), (2.0, ">=")], [2.0, 4.0, 8.0, 16.0]),
        ("closed", [1, 2, 3, 4], [(2, None), (2, None)], None),  # nothing lies between 2 and 3
    ],
)
def test_levels_lie_beyond_an_end_or_between_two(
    mode: str, tried: list[float], points: list[tuple[float, str | None]], wanted: list[float] | None
) -> None:
    grid = Grid("w", None, mode, {float(level): f"c{level}" for level in tried}, "requests/s")
    held = {str(place): {"point": {"value": value, "bound": bound}} for place, (value, bound) in enumerate(points)}
    found = other_levels(grid, held, list(held))
    assert (found and list(found.levels)) == wanted
