"""Facts about the engines' projects: dated, sourced, unknown where they are not known."""

from __future__ import annotations

import pytest

from benchmark_runner.business.facts import named_facts, project_of, read_facts
from benchmark_runner.business.migration_paths import LOSABLE


@pytest.fixture(scope="module")
def projects(repository):
    return read_facts(repository / "config" / "engine_facts.yaml")


def test_every_campaign_engine_has_facts(projects):
    known = {name for project in projects for name in project["names"]}
    assert known >= {"pytorch_baseline", "lm_rs", "candle_cuda", "burn_cuda", "mistral_rs", "llama_cpp", "ctranslate2"}


def test_the_adapter_finds_the_project_under_another_name(projects):
    assert project_of(projects, "my_candle", "candle-bench")["project"] == "candle"


def test_an_unknown_engine_has_every_fact_unknown_and_none_scored(projects):
    assert project_of(projects, "home_made", None) is None
    found = named_facts(None, ("licence", "server"), {})
    assert all(fact["value"] is None and fact["reason"] == "unknown" for fact in found.values())


PROJECT = {
    "facts": {"server": {"value": "none", "as_of": "2026-01-01", "source": "README", "of": {"engine-core": "1.9.0"}}}
}


@pytest.mark.parametrize(
    ("measured", "note"),
    [
        ("1.9.0", None),
        ("1.9.0+cpu", None),
        ("1.10.0", "older than what was measured: read of engine-core 1.9.0, measured 1.10.0"),
        ("1.8.7", "newer than what was measured: read of engine-core 1.9.0, measured 1.8.7"),
    ],
)
def test_a_fact_of_another_version_than_was_measured_is_marked(measured, note):
    assert named_facts(PROJECT, ["server"], {"engine-core": measured})["server"]["note"] == note


def test_a_fact_is_not_marked_where_the_measured_version_is_not_known():
    assert named_facts(PROJECT, ["server"], {})["server"]["note"] is None


def test_the_baseline_s_facts_are_known_in_every_kind_that_a_migration_compares(projects):
    found = named_facts(project_of(projects, "pytorch_baseline", None), LOSABLE, {})
    assert all(fact["value"] and fact["items"] for fact in found.values())
