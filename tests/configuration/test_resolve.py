"""The configuration: defaults, shortcuts, and messages that name key, place and remedy."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from benchmark_runner.configuration.resolve import ConfigurationError, examine, resolve

MINIMAL = {
    "benchmark": {"output_dir": "results/x", "model_path": "models/m"},
    "engines": [{"name": "a", "binary_path": "bin/a"}, {"name": "b", "binary_path": "bin/b"}],
    "workloads": [{"name": "w", "test_cases": [{"prompt": "Hi", "max_tokens": 4}]}],
}


def changed(**parts):
    config = copy.deepcopy(MINIMAL)
    for dotted, value in parts.items():
        target, keys = config, dotted.split("__")
        for key in keys[:-1]:
            target = target[int(key)] if isinstance(target, list) else target.setdefault(key, {})
        last = keys[-1]
        target[int(last) if isinstance(target, list) else last] = value
    return config


def problems(config, files=()):
    with pytest.raises(ConfigurationError) as caught:
        resolve(config, files)
    return str(caught.value)


def test_defaults_fill_every_section():
    config = resolve(MINIMAL, [])
    assert config["analysis"]["confidence_level"] == 0.95
    assert config["monitoring"]["sample_interval_ms"] == 100
    assert config["workloads"][0]["iterations"] == 100
    assert config["workloads"][0]["test_cases"][0]["ignore_eos"] is True
    assert config["benchmark"]["baseline"] == "a"


def test_resolving_a_resolved_configuration_changes_nothing():
    once = resolve(MINIMAL, [])
    assert resolve(once, []) == once


@pytest.mark.parametrize("name", ["config", "comprehensive", "gpu-only"])
def test_shipped_configurations_are_accepted(repository, name):
    path = repository / "config" / f"{name}.yaml"
    assert resolve(yaml.safe_load(path.read_text()), [path])["engines"]


def test_only_engines_keeps_the_named_ones_and_moves_the_baseline():
    config = resolve({**MINIMAL, "only_engines": "b"}, [])
    assert [engine["name"] for engine in config["engines"]] == ["b"]
    assert config["benchmark"]["baseline"] == "b"


def test_only_engines_refuses_a_name_that_is_not_there_with_the_nearest():
    assert "did you mean 'candle'?" in problems({**changed(engines__0__name="candle"), "only_engines": "candel"})


@pytest.mark.parametrize(("typed", "read"), [("false", False), ("true", True), ("b", "b"), ("cheapest", "cheapest")])
def test_a_control_on_the_command_line_is_a_truth_value_or_a_name(typed, read):
    given = {"benchmark": {"control": typed}}
    examined = examine({**MINIMAL, "benchmark": {**MINIMAL["benchmark"], **given["benchmark"]}}, given)
    assert examined.problems == [] and examined.chosen()["benchmark"]["control"] == read


def test_shortcuts_set_the_keys_behind_them():
    config = resolve({**MINIMAL, "output_dir": "elsewhere", "model_path": "models/n", "device": "cpu"}, [])
    assert config["benchmark"]["output_dir"] == "elsewhere"
    assert config["benchmark"]["model_path"] == "models/n"
    assert config["system"]["device"] == "cpu"


def test_engines_that_are_not_enabled_are_left_out():
    config = resolve(changed(engines__0__enabled=False), [])
    assert [engine["name"] for engine in config["engines"]] == ["b"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (changed(benchmark__output_dr="x"), "did you mean 'output_dir'?"),
        (changed(monitring={}), "did you mean 'monitoring'?"),
        (changed(benchmark__launches=-1), "at least 1"),
        (changed(benchmark__launches=1.5), "a whole number"),
        (changed(benchmark__launches=10**9), "at most 1000"),
        (changed(analysis__confidence_level=1), "less than 1"),
        (changed(engines__0__dtype="f8"), "one of f32, f16, bf16"),
        (changed(engines__0__name="../a"), "letters, digits, _ and -"),
        (changed(engines__0__name=".a"), "letters, digits, _ and -"),
        (changed(engines__1__name="A"), "is there twice"),
        (changed(engines__0__name="a_control"), "the control's mark"),
        (changed(workloads__0__test_cases__0__prompt=""), "the prompt is empty"),
        (changed(workloads__0__test_cases__0={"max_tokens": 1}), "exactly one of prompt"),
        (changed(workloads__0__test_cases__0__max_tokens=0), "at least 1"),
        (changed(workloads=[]), "not empty"),
        (changed(engines={}), "a list"),
        (changed(benchmark__baseline="c"), "is no enabled engine"),
        (changed(benchmark__control="c"), "is no enabled engine"),
        (changed(benchmark__control=2), "true or false or text"),
        (changed(benchmark__headline={"latency_workload": "v"}), "is no workload"),
        (changed(system__cpu_affinity=[1, 1]), "names something twice"),
        ({}, "key 'benchmark' is missing"),
    ],
)
def test_a_problem_is_named_with_what_is_allowed(config, expected):
    assert expected in problems(config)


def test_all_problems_are_named_at_once():
    message = problems(changed(monitring={}, benchmark__launches=0, engines__0__dtype="x"))
    assert "3 problems" in message


def test_a_problem_names_file_and_line(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text("benchmark:\n  output_dir: x\n  model_path: y\n  launches: 0\nengines: []\nworkloads: []\n")
    assert f"{file}:4: benchmark.launches" in problems(yaml.safe_load(file.read_text()), [file])
