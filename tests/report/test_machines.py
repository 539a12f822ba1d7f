"""A page of a campaign on several machines tells what each of them is and what each engine did there."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from benchmark_runner.display import TIMES
from benchmark_runner.report.__main__ import main as report_main
from benchmark_runner.report.reproduction import reproduction
from benchmark_runner.report.sureness import _machines
from benchmark_runner.summary.document import joined_words
from finished import finish, make_environment, read, report_arguments
from records import ScriptedEngine, ScriptedWorkload

from .conftest import Page

ENGINES = [ScriptedEngine("base"), ScriptedEngine("other", itl_ms=5.0)]
JOINED = {
    "folders": [
        {"folder": "results/a", "machines": {"scripted-host": "scripted-host"}, "blocks": 3},
        {"folder": "results/b", "machines": {"second-host": "second-host"}, "blocks": 3},
    ],
    "unlike": None,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished campaign whose documents say that half of it ran on another machine."""
    second = make_environment(
        host={"hostname": "second-host"}, memory={"total_bytes": 8_000_000_000, "swap_total_bytes": 0}
    )
    environment = make_environment(other_machines=[{"machine": "second-host", **second}])
    made = finish(
        tmp_path_factory.mktemp("joined"), ENGINES, (ScriptedWorkload("w"),), plots=False, environment=environment
    )
    plan, statistics = read(made, "plan.json"), read(made, "analysis/statistical_summary.json")
    plan["campaign"]["joined"] = JOINED
    for cell in statistics["cells"]:
        if cell["case"] is not None:
            typical = cell["metrics"]["e2e_ms"]["median"]
            cell["by_machine"] = [
                {"machine": name, "launches": 3, "typical": typical * factor}
                for name, factor in (("scripted-host", 1.0), ("second-host", 2.0))
            ]
    (made / "plan.json").write_text(json.dumps(plan))
    (made / "analysis" / "statistical_summary.json").write_text(json.dumps(statistics))
    assert report_main(report_arguments(made, ENGINES)) == 0
    return made


def test_each_machine_has_a_column_of_facts_and_one_of_times(folder):
    page = Page((folder / "report.html").read_text())
    memory = next(row for row in page.table("The machines") if row[0] == "Memory")
    assert memory[1:] == ["16.0 GB", "8.00 GB"]
    base, other = page.table("Latency on each machine")
    assert base[:2] == ["base", "w"] and "3 launches" in base[2]
    assert other[3].startswith("140 ms") and f"1.71{TIMES} as fast as the baseline" in other[3]


def test_the_first_screen_says_that_it_was_joined_and_whether_machines_differ(folder):
    text = (folder / "report.html").read_text()
    assert "2 machines (scripted-host, second-host)" in text
    assert "Measured on 2 machines (scripted-host, second-host) in 2 campaigns that were joined" in text
    assert "2 machines: no ratio of two engines differs between them by more than chance" in text
    assert "Launches ran on other machines too" not in text


def test_machines_with_one_launch_each_tell_nothing_of_their_ratios():
    there = [{"machine": name, "launches": 1, "typical": 20.0} for name in ("one", "two")]
    statistics = {"cells": [{"by_machine": there}], "comparisons": [{"kind": "primary"}]}
    (ground,) = _machines(SimpleNamespace(statistics=statistics))
    assert (ground.kind, "nothing tells" in ground.text) == ("doubt", True)
    assert list(_machines(SimpleNamespace(statistics={**statistics, "comparisons": []}))) == []


def test_ratios_that_differ_between_machines_are_a_doubt(folder, tmp_path):
    statistics = read(folder, "analysis/statistical_summary.json")
    primary = next(one for one in statistics["comparisons"] if one["kind"] == "primary")
    primary["machine_ratios"] = {"scripted-host": 1.7, "second-host": 1.1}
    changed = tmp_path / "statistics.json"
    changed.write_text(json.dumps(statistics))
    arguments = report_arguments(folder, ENGINES)
    arguments[arguments.index("--statistics") + 1] = str(changed)
    arguments[arguments.index("--out") + 1] = str(tmp_path / "report.html")
    assert report_main(arguments) == 0
    assert "The 2 machines differ in 1 of 1 ratio: verdicts hold on each" in (tmp_path / "report.html").read_text()


def test_the_page_of_commands_tells_how_to_join_the_folders_again(folder):
    plan = read(folder, "plan.json")
    plan["config"]["benchmark"] = {"output_dir": "results/both halves"}
    found = reproduction(plan, read(folder, "environment.json"), read(folder, "analysis/statistical_summary.json"))
    assert "snakemake --cores 1 join --config folders=results/a,results/b output_dir='results/both halves'" in found


def test_folders_of_one_machine_and_unlike_machines_are_named_as_such():
    folders = [{**one, "machines": {"h": "h"}} for one in JOINED["folders"]]
    assert joined_words({"folders": folders, "unlike": None}).startswith("Measured on one machine in 2 campaigns")
    assert "costs are those of none of them" in joined_words({**JOINED, "unlike": "cores: 2 here, 4 there"})
