"""Facts about the engines' projects: dated, sourced, unknown where they are not known."""

from __future__ import annotations

import datetime

import pytest

from benchmark_runner.business.facts import FACT_NAMES, read_facts, risk_facts

TODAY = datetime.date(2026, 11, 23)


@pytest.fixture(scope="module")
def projects(repository):
    return read_facts(repository / "config" / "engine_facts.yaml")


def test_every_campaign_engine_has_facts(projects):
    known = {name for project in projects for name in project["names"]}
    assert known >= {"pytorch_baseline", "lm_rs", "candle_cuda", "burn_cuda", "mistral_rs", "llama_cpp", "ctranslate2"}


def test_days_since_the_release_are_counted_to_today(projects):
    found = risk_facts(projects, "candle_cuda", None, "0.11.1", TODAY)
    assert found["measured_version"] == "0.11.1"
    assert found["facts"]["days_since_release"]["value"] == 150  # from 2026-06-26
    assert found["facts"]["licence"]["value"] == "MIT or Apache-2.0"


def test_the_adapter_finds_the_project_under_another_name(projects):
    assert risk_facts(projects, "my_candle", "candle-bench", None, TODAY)["project"] == "candle"


def test_an_unknown_engine_has_every_fact_unknown_and_none_scored(projects):
    found = risk_facts(projects, "home_made", None, None, TODAY)
    assert found["project"] is None
    assert set(found["facts"]) == set(FACT_NAMES)
    assert all(fact["value"] is None and fact["reason"] == "unknown" for fact in found["facts"].values())


def test_a_release_without_a_day_has_no_age(projects):
    found = risk_facts(projects, "pytorch_baseline", None, None, TODAY)
    assert found["facts"]["latest_known_release"]["value"].startswith("torch 2.15.0")
    assert found["facts"]["days_since_release"]["value"] is None
