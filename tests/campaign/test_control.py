"""Which engine runs twice: the baseline, one that is named, or the cheapest, decided once for a results folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmark_runner.campaign.campaign import load_campaign
from benchmark_runner.campaign.control import seconds_a_block
from benchmark_runner.campaign.parts import WHOLE, part_file
from benchmark_runner.configuration.resolve import ConfigurationError
from benchmark_runner.jsonio import write_json
from tiny_model import make_tiny_model

ENGINES = ("slow", "quick", "middling")
SECONDS = {"slow": 20, "quick": 2, "middling": 7}


@pytest.fixture
def load(tmp_path, monkeypatch, repository):
    """The campaign of these three engines in two workloads with a control and other keys."""
    monkeypatch.chdir(tmp_path)
    make_tiny_model(tmp_path / "models" / "m", max_position_embeddings=512)
    for name in ENGINES:
        Path(name).write_text(f"#!/bin/sh\n# {name}\n")

    def loaded(control, **keys):
        benchmark = {"output_dir": "results/x", "model_path": "models/m", "launches": 2, "control": control}
        config = {
            "benchmark": benchmark | {"allow_underpowered": True},
            "engines": [{"name": name, "binary_path": name} for name in ENGINES],
            "workloads": [
                {"name": name, "test_cases": [{"prompt": name, "max_tokens": 3}]} for name in ("short", "long")
            ],
        }
        return load_campaign({**config, **keys}, [], repository / "engines")

    return loaded


def doubled(campaign) -> str | None:
    return next((engine.control_of for engine in campaign.engines.values() if engine.control_of), None)


def measure(campaign, seconds, *, folder="results/before", status="ok"):
    """One launch of each cell of these engines, in some results folder beside the campaign's."""
    for row in campaign.plan()["order"]:
        if row["block"] == 1 and row["engine"] in seconds:
            place = Path(folder, *Path(row["folder"]).parts[2:])
            place.mkdir(parents=True)
            (place / "spec.json").write_text("{}")
            write_json(place / "record.json", {"attempt": 1, "status": status, "checksum": "0" * 64})
            for name, at in (("spec.json", 5000), ("record.json", 5000 + seconds[row["engine"]])):
                os.utime(place / name, (at, at))


def freeze_plan(campaign):
    plan = campaign.plan()
    write_json(Path(campaign.output_dir, "plan", part_file(plan, WHOLE)), plan)


@pytest.mark.parametrize(("control", "engine"), [(True, "slow"), (False, None), ("middling", "middling")])
def test_the_control_is_the_baseline_none_or_the_engine_that_is_named(load, control, engine):
    campaign = load(control)
    assert doubled(campaign) == engine
    assert campaign.plan()["campaign"]["control"] == (engine and f"{engine}_control")


def test_a_name_that_is_no_engine_is_refused_in_one_line_with_the_nearest(load):
    with pytest.raises(ConfigurationError) as refused:
        load("quik")
    lines = str(refused.value).splitlines()
    assert [line for line in lines if "benchmark.control" in line and "did you mean 'quick'" in line] == lines[-1:]


def test_a_named_control_that_is_left_out_leaves_its_part_to_the_baseline(load):
    assert doubled(load("quick", only_engines="middling,slow")) == "slow"


def test_the_cheapest_is_the_one_of_the_shortest_launches_measured_in_folders_beside(load):
    measure(load(False), SECONDS)
    assert doubled(load("cheapest")) == "quick"


def test_where_nothing_was_measured_the_cheapest_is_the_baseline(load):
    assert doubled(load("cheapest")) == "slow"


def test_an_engine_that_failed_soon_or_lacks_a_workload_is_not_taken_for_cheap(load):
    campaign = load(False)
    measure(campaign, {"slow": 20})
    measure(campaign, {"quick": 1}, status="failed")
    record = next(Path("results/before/launches/slow").glob("short.*/1/record.json"))
    order = campaign.plan()["order"]
    assert seconds_a_block(order, Path("results/x")) == {"slow": 40.0}
    record.unlink()
    assert seconds_a_block(order, Path("results/x")) == {}


def test_the_choice_is_frozen_with_the_plan_whatever_is_measured_later(load):
    measure(load(False), {"slow": 20, "middling": 7})
    first = load("cheapest")
    freeze_plan(first)
    measure(load(False), {"quick": 1}, folder="results/x")
    again = load("cheapest")
    assert doubled(first) == doubled(again) == "middling"
    assert again.plan() == first.plan()


def test_jobs_read_the_name_that_was_chosen(load):
    measure(load(False), SECONDS)
    assert load("cheapest").config["benchmark"]["control"] == "quick"
