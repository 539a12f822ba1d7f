"""A stage that somebody calls with another document than it takes names the file and the key, whoever wrote it."""

from __future__ import annotations

import json

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.plots.memory import main as memory_main
from benchmark_runner.report.__main__ import main as report_main
from benchmark_runner.statistics.decide import main as decide_main
from benchmark_runner.statistics.results import read_statistics
from benchmark_runner.summary.__main__ import main as summary_main
from finished import ENGINES, report_arguments


def called_with(campaign, flag, file):
    """The page's command line with another file behind one flag, before that of the first engine where it has many."""
    arguments = report_arguments(campaign, ENGINES)
    arguments[arguments.index(flag) + 1] = str(file)
    return arguments


@pytest.mark.parametrize("flag", ["summary", "performance", "business", "environment", "statistics", "fidelity"])
@pytest.mark.parametrize("content", ["{}", "[]", "null", '{"schema_version": 1, "answer": {}}'])
def test_the_page_names_a_document_of_another_shape(campaign, tmp_path, flag, content):
    (wrong := tmp_path / "wrong.json").write_text(content)
    with pytest.raises(BenchmarkError, match="schema ") as refused:
        report_main(called_with(campaign, f"--{flag}", wrong))
    assert str(refused.value).startswith(f"{wrong}: ") and "\n" not in str(refused.value)


def test_each_document_is_held_against_the_schema_of_its_own_kind(campaign):
    with pytest.raises(BenchmarkError, match=r"summary\.json: .*schema performance_analysis"):
        report_main(called_with(campaign, "--performance", campaign / "summary.json"))


@pytest.mark.parametrize("stage", [summary_main, memory_main, decide_main])
def test_other_stages_name_statistics_of_another_shape(campaign, tmp_path, stage):
    (wrong := tmp_path / "wrong.json").write_text('{"cells": [{}]}')
    flags = {"plan": campaign / "plan.json", "performance": campaign / "analysis" / "performance_analysis.json"}
    flags |= {name: tmp_path / name for name in ("table", "svg")}
    taken = {summary_main: ("plan", "performance", "table"), memory_main: ("performance", "svg"), decide_main: ()}
    asked = [part for name in taken[stage] for part in (f"--{name}", str(flags[name]))]
    with pytest.raises(BenchmarkError, match=f"^{wrong}: .*schema statistical_summary"):
        stage([*asked, "--statistics", str(wrong), "--out", str(tmp_path / "out.json")])


def test_the_first_of_each_list_of_the_statistics_stands_for_all(campaign, tmp_path):
    content = read_json(campaign / "analysis" / "statistical_summary.json")
    write_json(tmp_path / "same.json", content)
    assert read_statistics(tmp_path / "same.json") == content
    for key in ("engines", "cells", "comparisons"):
        broken = json.loads(json.dumps(content))
        broken[key][0].pop("engine" if key != "engines" else "name")
        write_json(tmp_path / "broken.json", broken)
        with pytest.raises(BenchmarkError, match=f"broken.json: {key}.0: "):
            read_statistics(tmp_path / "broken.json")
