"""Groups of blocks: what a campaign until decided measures after each look, as the files of the looks tell it."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from benchmark_runner.campaign.campaign import load_campaign
from benchmark_runner.campaign.groups import Groups
from benchmark_runner.campaign.parts import part_file
from benchmark_runner.configuration.resolve import ConfigurationError
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import write_json
from benchmark_runner.statistics.planned import PlannedLook
from tiny_campaign import CONFIG
from tiny_model import make_tiny_model

LOOKS = [PlannedLook(4, 0.1), PlannedLook(8, 0.3), PlannedLook(10, 0.4)]
CELLS = [("a", "w", "1"), ("b", "w", "2"), ("a", "v", "3"), ("b", "v", "4")]
ANALYSIS = {
    "confidence_level": 0.95,
    "significance_test": "paired_t",
    "remove_outliers": True,
    "outlier_threshold": 2.0,
}


@pytest.fixture
def groups(tmp_path):
    return Groups(LOOKS, CELLS, ANALYSIS, str(tmp_path))


def named(cells):
    return [{"engine": engine, "workload": workload} for engine, workload in cells]


def look(groups, *cells, ended=None, absent=()):
    """Make the look that is owed; returns the groups after it."""
    write_json(Path(groups.owed_look), {"cells": named(cells), "ended": ended, "absent": named(absent)})
    return groups.reread()


def test_before_any_look_the_first_group_is_measured(groups):
    assert groups.blocks == [CELLS] * 4
    assert groups.owed_look.endswith(".4.json")


def test_a_later_group_holds_what_the_look_before_it_left_open(groups):
    after = look(groups, ("a", "w"), ("b", "w"))
    assert after.blocks == [CELLS] * 4 + [CELLS[:2]] * 4
    assert after.owed_look.endswith(".8.json") and groups.owed_look != after.owed_look


@pytest.mark.parametrize("content", [{"looks": "none of them"}, {"ended": None, "cells": []}])
def test_a_file_that_holds_no_look_is_refused_by_its_name(groups, content):
    write_json(Path(groups.owed_look), content)
    with pytest.raises(BenchmarkError, match=r"\.4\.json holds no look; move it away"):
        _ = groups.reread().blocks


def test_the_end_owes_no_look_and_no_block(groups):
    after = look(look(groups, ("a", "w"), ("b", "w")), ended="decided")
    assert after.owed_look is None and len(after.blocks) == 8


def test_an_engine_that_has_come_since_a_look_is_looked_at_from_the_first_group_on(groups, tmp_path):
    after = look(look(groups, ("a", "w"), absent=[("b", "w")]), ended="decided", absent=[("b", "w")])
    record = tmp_path / "launches" / "b" / "w.2" / "1" / "record.json"
    write_json(record, {"status": "unavailable", "attempt": 1, "checksum": ""})
    assert after.reread().owed_look is None
    write_json(record, {"status": "ok", "attempt": 1, "checksum": ""})
    assert after.reread().owed_look == groups.owed_look and after.reread().blocks == [CELLS] * 4


def test_another_recipe_or_cell_makes_its_looks_anew_and_a_plot_does_not(groups, tmp_path):
    look(groups, ended="decided")
    assert Groups(LOOKS, CELLS, ANALYSIS | {"generate_plots": False}, str(tmp_path)).owed_look is None
    for other in (
        Groups(LOOKS, CELLS, ANALYSIS | {"confidence_level": 0.9}, str(tmp_path)),
        Groups(LOOKS, CELLS[:3], ANALYSIS, str(tmp_path)),
        Groups(LOOKS[:2], CELLS, ANALYSIS, str(tmp_path)),
    ):
        assert other.owed_look.endswith(".4.json")


def test_a_file_of_a_look_that_was_cut_is_made_again(groups):
    after = look(groups, ended="decided")
    Path(groups.owed_look).write_text("{")
    assert after.reread().owed_look == groups.owed_look


@pytest.fixture
def load(tmp_path, monkeypatch, repository):
    """Loads the tiny campaign with these launches."""
    monkeypatch.chdir(tmp_path)
    make_tiny_model(tmp_path / "models" / "tiny")

    def campaign(launches):
        config = copy.deepcopy(CONFIG)
        config["benchmark"] |= {"allow_underpowered": False, "launches": launches}
        config["analysis"] = {"significance_test": "mann_whitney_u"}
        return load_campaign(config, [], repository / "engines")

    return campaign


def test_the_plan_holds_the_looks_with_what_they_may_have_spent_together(load):
    campaign = load({"until": "decided", "at_most": 14})
    plan = campaign.plan()["campaign"]
    assert plan["until"]["at_most"] == 14
    spent = [entry["cumulative_alpha"] for entry in plan["until"]["looks"]]
    assert spent == sorted(spent) and spent[-1] == pytest.approx(0.04)
    assert plan["launches"] == plan["until"]["looks"][0]["launches"] == max(one.block for one in campaign.launches)


def test_iterations_are_the_total_of_the_most_launches(load):
    campaign = load({"until": "decided", "at_most": 10})
    assert {workload["iterations_per_launch"] for workload in campaign.plan()["workloads"]} == {1}


def test_a_look_owes_other_parts_of_the_plan(load):
    campaign = load({"until": "decided", "at_most": 14})
    before = part_file(campaign.plan(), "analysis")
    assert not campaign.has_moved_on()
    look(campaign.groups, ("slow", "latency_test"), ("fast", "latency_test"))
    assert campaign.has_moved_on()
    after = load({"until": "decided", "at_most": 14})
    assert part_file(after.plan(), "analysis") != before
    later = [one for one in after.launches if one.block > campaign.plan()["campaign"]["launches"]]
    assert {(one.engine, one.workload) for one in later} == {("slow", "latency_test"), ("fast", "latency_test")}
    assert [one.key for one in after.launches[: len(campaign.launches)]] == [one.key for one in campaign.launches]


@pytest.mark.parametrize(
    ("launches", "words"),
    [
        (
            {"until": "decided", "at_most": 4},
            r"benchmark.launches.at_most: 4 launches cannot tell anything apart.*Set at_most to 6",
        ),
        ({"until": "decided"}, "benchmark.launches: key 'at_most' is missing; add it: Most launches"),
        ({"until": "bored", "at_most": 9}, "benchmark.launches.until: .*bored.* is not allowed; write one of decided"),
        ({"until": "decided", "at_mots": 9}, "unknown key 'at_mots'; did you mean 'at_most'"),
        ({"until": "decided", "at_most": 0}, "benchmark.launches.at_most: 0 is not allowed"),
        ("many", "benchmark.launches: .*many.* is not allowed; write a whole number or a map of keys"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(load, launches, words):
    with pytest.raises(ConfigurationError, match=words) as refusal:
        load(launches)
    assert len(str(refusal.value).splitlines()) == 2  # how many problems, and the one
