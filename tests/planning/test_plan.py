"""What the plan says of itself, and what `snakemake plan` makes of it for the terminal."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.planning import forecast
from benchmark_runner.planning.minutes import NOTHING_FINISHED, Expected
from benchmark_runner.planning.plan import expected_of, findable, in_words, main, power_of, purpose
from benchmark_runner.planning.spread import Spread
from tiny_campaign import CONFIG
from tiny_model import make_tiny_model


@pytest.fixture
def arguments(tmp_path, monkeypatch, repository):
    monkeypatch.chdir(tmp_path)
    make_tiny_model(tmp_path / "models" / "tiny")
    write_json(tmp_path / "given.json", {"config": CONFIG})
    return ["--config", "given.json", "--engines-folder", str(repository / "engines")]


@pytest.fixture
def plan(arguments):
    """Content of a plan.json in the current folder."""
    assert main([*arguments, "--out", "plan.json"]) == 0
    return read_json(Path("plan.json"))


def power(**changes):
    known = {"tests": 2, "launches": 5, "fewest_launches": 5, "can_reach_significance": True, "power": 0.8}
    return known | {"smallest_detectable_ratio": 1.123, "cv": 0.04, "cv_source": "assumed", "cv_launches": 0} | changes


def test_the_smallest_difference_is_told_with_what_it_assumes():
    words = findable(power())
    assert "80 %" in words and "12.3 %" in words and "2 tests" in words and "4 % (assumed" in words


def test_a_spread_that_was_measured_here_is_told_with_its_launches():
    words = findable(power(cv=0.0123, cv_source="past records of this machine", cv_launches=12))
    assert words.endswith("if launches vary as 12 launches did on this machine before, by 1.2 %")


def test_too_few_launches_are_told_with_the_remedy():
    words = findable(power(can_reach_significance=False, launches=1))
    assert words.startswith(
        "1 launch cannot reach significance in 2 tests; 5 can: set benchmark.launches to 6, so that"
    )
    assert "untestable" in words


def test_a_design_that_finds_nothing_or_compares_nothing_says_so():
    assert "no difference up to 100 times" in findable(power(smallest_detectable_ratio=None))
    assert "no pair of engines" in findable(power(tests=0))


def test_one_engine_has_no_pair_and_still_a_plan():
    plan = {
        "engines": [
            {"name": "a", "control_of": None, "adapter": None},
            {"name": "a_control", "control_of": "a", "adapter": None},
        ],
        "workloads": [{"name": "chat", "cases": [{"name": "only"}]}],
        "campaign": {"launches": 3},
        "config": {"analysis": {"confidence_level": 0.95, "significance_test": "mann_whitney_u"}},
    }
    found = power_of(plan, None)
    assert (found["tests"], found["can_reach_significance"]) == (0, True)


def test_the_plan_takes_the_spread_of_past_records_and_what_the_first_look_may_spend(plan):
    assumed, measured = power_of(plan, None), power_of(plan, Spread(math.sqrt(2) * 0.01, 10, 2))
    assert (assumed["cv"], assumed["cv_source"], assumed["cv_launches"]) == (pytest.approx(0.04), "assumed", 0)
    assert (measured["cv"], measured["cv_launches"]) == (pytest.approx(0.01, rel=1e-3), 10)
    assert measured["smallest_detectable_ratio"] < assumed["smallest_detectable_ratio"]
    assert (assumed["alpha"], assumed["alpha_of_look"]) == (0.05, 0.04)


def test_the_plan_says_what_it_will_take(plan):
    assert plan["expected"] == {"minutes": None, "gpu_hours": 0.0, "known_launches": 0, "reason": NOTHING_FINISHED}
    # Launches of a second each: 1 s for each of the plan's on the CPU, none of a GPU.
    for row in plan["order"][:2]:
        folder = Path(row["folder"])
        folder.mkdir(parents=True)
        for name, at in (("spec.json", 1000), ("record.json", 1001)):
            (folder / name).write_text("{}")
            os.utime(folder / name, (at, at))
    found = expected_of(plan, Path(plan["config"]["benchmark"]["output_dir"]), has_gpu=False)
    assert found["minutes"] == pytest.approx(len(plan["order"]) / 60)
    assert (found["gpu_hours"], found["known_launches"]) == (0.0, 2)
    brought = expected_of(plan, Path(plan["config"]["benchmark"]["output_dir"]), has_gpu=True)
    assert brought["gpu_hours"] == pytest.approx(len(plan["order"]) / 3600)


def test_the_plan_file_is_the_same_each_time(arguments, tmp_path):
    for name in ("first.json", "second.json"):
        assert main([*arguments, "--out", name]) == 0
    assert (tmp_path / "first.json").read_bytes() == (tmp_path / "second.json").read_bytes()


def test_the_forecast_tells_launches_time_reach_and_the_first_block(plan):
    owed = {row["position"] for row in plan["order"]} - {1}
    words = forecast.in_words(plan, owed, Expected(6.0, 5.8, None, 1), {})
    assert "30 launches = 5 blocks of 3 engines (slow, fast, slow_control) x 2 workloads; 29 owed" in " ".join(
        words.split()
    )
    assert "about 6 min for all launches, 6 min for those owed, by 1 finished launch" in " ".join(words.split())
    assert findable(plan["power"]).split(",")[0] in words
    first = [row for row in plan["order"] if row["block"] == 1]
    shown = [line for line in words.splitlines() if line.endswith(("(owed)", "(there)"))]
    assert [line.split()[1:3] for line in shown] == [[row["engine"], row["workload"]] for row in first]
    assert shown[0].endswith("(there)")
    assert "4 blocks more" in words
    assert max(map(len, words.splitlines())) <= forecast.WIDTH


@pytest.mark.usefixtures("plan")
def test_a_time_that_is_not_known_has_its_reason(arguments, capsys):
    assert forecast.main(["--plan", "plan.json", *arguments]) == 0
    assert f"not known: {NOTHING_FINISHED}" in " ".join(capsys.readouterr().out.split())


def test_a_finished_campaign_owes_nothing(plan):
    words = forecast.in_words(plan, set(), Expected(6.0, 0.0, None, 30), {})
    assert "none owed" in " ".join(words.split())
    assert "for those owed" not in words


def test_a_name_of_several_lines_stays_one_on_a_terminal(plan):
    plan["campaign"]["name"] = "one\nfastest: mine"
    for words in (in_words(plan), forecast.in_words(plan, set(), Expected(6.0, 0.0, None, 30), {})):
        assert words.startswith("one\\nfastest: mine")


def test_the_two_lines_of_a_run_name_campaign_and_reach(plan):
    first, second = in_words(plan).splitlines()
    assert first.startswith("Tiny campaign: 30 launches")
    assert second.startswith("smallest difference found")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({}, "slow_control, slow a second time can find"),
        ({"slow": 12.0, "fast": 3.0}, "slow a second time: 10 s a block; cheapest is fast: 3 s a block"),
        ({"slow": 3.0, "fast": 12.0}, "slow a second time: 3 s a block, the cheapest"),
    ],
)
def test_the_forecast_names_the_control_and_what_it_costs(plan, seconds, expected):
    words = forecast.in_words(plan, set(), Expected(6.0, 0.0, None, 30), seconds)
    assert expected in " ".join(words.split())


@pytest.mark.parametrize(("wanted", "words"), [("50%", "50 % with 80 % power: "), ("0.02", "2 % with 80 % power: ")])
@pytest.mark.usefixtures("plan")
def test_a_wanted_difference_is_told_with_the_launches_that_it_takes(arguments, capsys, wanted, words):
    assert forecast.main(["--plan", "plan.json", *arguments, "--wanted-difference", wanted]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert words in told
    assert "launches of each engine and workload (benchmark.launches), minutes not known" in told


def test_of_a_server_that_is_never_restarted_no_difference_is_promised():
    ran = {"server": {"running": {"base_url": "http://127.0.0.1:1"}}}
    engines = [{"name": name, "control_of": None} for name in ("torch", "candle")]
    ours = [{"name": "ours", "control_of": None, **ran}, {"name": "ours_control", "control_of": "ours", **ran}]
    campaign = {"launches": 5}

    def told(*planned):
        return purpose({"campaign": campaign, "engines": [*planned], "power": power()})

    never = "no difference from ours will be confirmed, since nothing here restarts it"
    assert told(*engines, *ours) == f"{findable(power())}; {never}"
    assert told(engines[0], *ours) == never
    assert told(*engines) == findable(power())
