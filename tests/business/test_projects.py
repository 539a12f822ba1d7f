"""Engines as projects in business_recommendations.json: effort, operation, risk, the way from the baseline to each."""

from __future__ import annotations

import pytest

from finished import finish, make_environment, read
from records import ScriptedEngine, ScriptedWorkload

ENGINES = (
    ScriptedEngine("pytorch_baseline", ttft_ms=100.0, itl_ms=100.0),
    ScriptedEngine("llama_cpp", ttft_ms=50.0, itl_ms=50.0),
    ScriptedEngine("burn_cuda", ttft_ms=80.0, itl_ms=80.0),
    ScriptedEngine("home_made", ttft_ms=90.0, itl_ms=90.0),
    ScriptedEngine("candle_cuda", unavailable="cargo is missing"),
)
PARTS = ("development_effort", "operational_overhead", "risk_assessment")
BUILD = {
    "status": "built",
    "reason": None,
    "compiler": None,
    "flags": None,
    "python": "3.11.7",
    "source_sha256": "a" * 64,
    "lock_sha256": "b" * 64,
    "language": "python",
    "duration_ms": 90_000,
    "from_nothing": True,
    "installed_bytes": 51_000_000,
    "adapter_lines": 420,
    "packages": {"numpy": "2.4.6", "xllamacpp": "2026.12.12000"},
}


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    builds = {
        "llama_cpp": BUILD,
        "burn_cuda": {**BUILD, "from_nothing": False, "language": "rust", "packages": {"base64": "0.22.1, 0.23.1"}},
    }
    environment = make_environment(
        engines=[
            {
                "engine": engine.name,
                "build": builds.get(engine.name),
                "build_reason": "the binary was brought by its user",
            }
            for engine in ENGINES
        ]
    )
    folder = tmp_path_factory.mktemp("projects")
    workloads = (ScriptedWorkload("chat", ((4, 10),)),)
    return read(
        finish(folder, ENGINES, workloads, plots=False, environment=environment),
        "analysis/business_recommendations.json",
    )


def row(document, part, engine):
    return next(one for one in document[part] if one["engine"] == engine)


@pytest.mark.parametrize("part", PARTS)
def test_every_engine_has_a_row_in_every_part(document, part):
    assert [one["engine"] for one in document[part]] == [engine.name for engine in ENGINES]


def test_every_figure_that_is_missing_says_why(document):
    figures = [one for part in PARTS[:2] for entry in document[part] for one in entry["measured"].values()]
    assert all((one["value"] is None) == (one["reason"] is not None) and one["unit"] for one in figures)
    effort = row(document, "development_effort", "home_made")["measured"]
    assert effort["build_minutes"]["reason"] == "the binary was brought by its user"
    load = row(document, "operational_overhead", "candle_cuda")["measured"]["load_ms"]
    assert "cargo is missing" in load["reason"]


def test_the_effort_is_what_the_build_record_measured(document):
    effort = row(document, "development_effort", "llama_cpp")["measured"]
    assert effort["build_minutes"]["value"] == pytest.approx(1.5)
    assert "nothing of it built before" in effort["build_minutes"]["origin"]
    rebuilt = row(document, "development_effort", "burn_cuda")["measured"]["build_minutes"]
    assert (rebuilt["value"], rebuilt["reason"]) == (
        None,
        "the build of record used parts of builds before; it took 1.5 minutes",
    )
    assert (effort["dependencies"]["value"], effort["adapter_lines"]["value"]) == (2, 420)
    # A crate that is locked in two versions is two.
    assert row(document, "development_effort", "burn_cuda")["measured"]["dependencies"]["value"] == 2


def test_the_first_token_after_loading_adds_both_typical_times(document):
    measured = row(document, "operational_overhead", "llama_cpp")["measured"]
    assert measured["load_to_first_token_ms"]["value"] == pytest.approx(measured["load_ms"]["value"] + 50.0)
    assert measured["load_to_first_token_ms"]["low"] <= measured["load_to_first_token_ms"]["value"]


def test_the_days_since_a_release_are_counted_to_the_day_of_the_document(document):
    facts = row(document, "risk_assessment", "burn_cuda")["facts"]
    assert facts["days_since_release"]["value"] == 200  # from 2026-05-07 to 2026-11-23


def test_what_is_not_known_and_what_is_of_another_version_is_named(document):
    assert "licence" in row(document, "risk_assessment", "home_made")["unknown"]
    assert row(document, "risk_assessment", "home_made")["of_other_versions"] == []
    llama = row(document, "risk_assessment", "llama_cpp")
    assert "licence" in llama["of_other_versions"] and "measured 2026.12.12000" in llama["facts"]["licence"]["note"]


def test_each_engine_but_the_baseline_has_a_path_with_its_gain_and_its_validation(document):
    assert [one["engine"] for one in document["migration_paths"]] == [engine.name for engine in ENGINES[1:]]
    path = row(document, "migration_paths", "llama_cpp")
    (gain,) = path["gain"]
    assert gain["ratio_to_baseline"] == pytest.approx(2.0, rel=0.01)
    assert gain["ratio_interval"][0] <= gain["ratio_to_baseline"] <= gain["ratio_interval"][1]
    assert path["leads_in"] == ["chat"]
    assert row(document, "migration_paths", "candle_cuda")["leads_in"] == []
    (unmeasured,) = row(document, "migration_paths", "candle_cuda")["gain"]
    assert unmeasured["ratio_to_baseline"] is None and "cargo is missing" in unmeasured["reason"]
    assert path["validation"]["result"] == "pass"
    assert {"kind": "formats", "items": ["safetensors", "PyTorch files"]} in path["features_lost"]


def test_the_effort_class_counts_by_its_rule_and_is_open_where_a_fact_is_missing(document):
    effort = {one["engine"]: one["effort"] for one in document["migration_paths"]}
    assert (effort["llama_cpp"]["class"], effort["llama_cpp"]["because"]) == (
        "medium",
        ["the weights have to be converted"],
    )
    assert effort["burn_cuda"]["class"] == "large"
    assert effort["home_made"]["class"] is None and "languages" in effort["home_made"]["reason"]


def test_the_steps_convert_before_they_compare_and_end_with_the_traffic(document):
    steps = row(document, "migration_paths", "llama_cpp")["steps"]
    assert "xllamacpp 2026.12.12000" in steps[0]
    convert, compare = (next(i for i, step in enumerate(steps) if word in step) for word in ("Convert", "Compare"))
    assert convert < compare and "traffic" in steps[-1]
    assert not any("Convert" in step for step in row(document, "migration_paths", "burn_cuda")["steps"])
