"""A design that cannot answer is refused before anything runs, with the number that would do."""

from __future__ import annotations

import copy

import pytest
import yaml

from benchmark_runner.campaign.campaign import load_campaign
from benchmark_runner.configuration.load import cell_count
from benchmark_runner.configuration.resolve import ConfigurationError, resolve
from benchmark_runner.statistics.design import design_of
from tiny_campaign import CONFIG
from tiny_model import make_tiny_model

ANALYSIS = {"confidence_level": 0.95, "significance_test": "mann_whitney_u"}


@pytest.fixture
def load(tmp_path, monkeypatch, repository):
    """Loads the tiny campaign with these keys of `benchmark`, from a file of the user's."""
    monkeypatch.chdir(tmp_path)
    make_tiny_model(tmp_path / "models" / "tiny")

    def campaign(analysis=None, **benchmark):
        config = copy.deepcopy(CONFIG)
        config["benchmark"] |= {"allow_underpowered": False, **benchmark}
        config["analysis"] = analysis or {}
        return load_campaign(config, [], repository / "engines")

    return campaign


@pytest.mark.parametrize(
    ("engines", "cells", "needed"),
    # 4, 6 and 8 are those of the recipe at 0.05; the first look's 0.04 asks for no more.
    [(2, 1, 4), (2, 2, 5), (5, 1, 6), (5, 2, 7), (5, 10, 8)],
)
def test_the_fewest_launches_follow_the_family(engines, cells, needed):
    assert design_of(engines, cells, needed, ANALYSIS).can_answer
    assert not design_of(engines, cells, needed - 1, ANALYSIS).can_answer
    assert design_of(engines, cells, 1, ANALYSIS).needed == needed


@pytest.mark.parametrize(
    ("test", "needed"), [("moderated_t", 5), ("mann_whitney_u", 6), ("permutation", 9), ("paired_t", 3), ("welch_t", 3)]
)
def test_the_fewest_launches_follow_the_test(test, needed):
    assert design_of(5, 1, 10, ANALYSIS | {"significance_test": test}).needed == needed


def test_too_few_launches_are_refused_with_the_number_that_would_do(load):
    with pytest.raises(ConfigurationError) as refusal:
        load(launches=4)
    words = str(refusal.value)
    assert "benchmark.launches: 4 launches cannot tell anything apart" in words
    assert "over 2 comparisons (2 engines in 2 test cases) a verdict needs 5 or more" in words
    assert "Set launches to 6 (one to spare, so that a lost launch costs no verdict)" in words
    assert "benchmark.allow_underpowered: true" in words


def test_enough_launches_are_not_refused(load):
    assert len(load(launches=5).launches) == 30


def test_a_lower_level_or_another_test_asks_for_fewer(load):
    assert load(launches=4, analysis={"confidence_level": 0.9, "significance_test": "mann_whitney_u"}).launches
    assert load(launches=3, analysis={"significance_test": "paired_t"}).launches


def test_the_user_may_insist(load):
    assert len(load(launches=1, allow_underpowered=True).launches) == 6


def test_one_engine_alone_compares_nothing_and_is_not_refused(tmp_path, monkeypatch, repository):
    monkeypatch.chdir(tmp_path)
    make_tiny_model(tmp_path / "models" / "tiny")
    config = copy.deepcopy(CONFIG)
    config["benchmark"] |= {"allow_underpowered": False, "launches": 1}
    config["only_engines"] = "fast"
    assert load_campaign(config, [], repository / "engines").launches


def test_other_problems_come_first_and_alone(load):
    with pytest.raises(ConfigurationError) as refusal:
        load(launches=1, model_path="models/none")
    assert "models/none" in str(refusal.value) and "cannot tell" not in str(refusal.value)


@pytest.mark.parametrize("name", ["config.yaml", "comprehensive.yaml", "gpu-only.yaml", "serving.yaml"])
def test_the_shipped_campaigns_have_a_launch_to_spare(repository, name):
    config = resolve(yaml.safe_load((repository / "config" / name).read_text(encoding="utf-8")), [])
    cells = sum(cell_count(workload["test_cases"]) for workload in config["workloads"])
    design = design_of(len(config["engines"]), cells, config["benchmark"]["launches"], config["analysis"])
    assert design.launches >= design.advised
