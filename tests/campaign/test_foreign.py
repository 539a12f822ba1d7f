"""A results folder of somebody else is refused in one line that names the file before anything of it is used."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.campaign.campaign import load_campaign
from benchmark_runner.campaign.foreign import read_foreign, require_configuration, require_consistent, require_plain
from benchmark_runner.campaign.parts import part_files
from benchmark_runner.campaign.recorded import load_given, load_recorded
from benchmark_runner.errors import BenchmarkError
from finished import make_environment
from joined_case import MANIFEST
from tiny_model import make_tiny_model


@pytest.fixture
def plan(tmp_path, monkeypatch, repository) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    make_tiny_model(tmp_path / "models" / "m")
    (tmp_path / "mine").write_text("#!/bin/sh\n")
    config = {
        "benchmark": {"output_dir": "results/x", "model_path": "models/m", "launches": 2, "allow_underpowered": True},
        "engines": [{"name": "mine", "binary_path": "mine"}],
        "workloads": [{"name": "w", "test_cases": [{"prompt": "Hi", "max_tokens": 4}]}],
        "fidelity": {"prompts": ["Hi"], "max_tokens": 2},
    }
    return json.loads(json.dumps(load_campaign(config, [], repository / "engines").plan()))


def renamed(plan: dict[str, Any], name: str) -> None:
    plan["engines"][0]["name"] = name
    for row in plan["order"]:
        row["engine"] = name if row["engine"] == "mine" else row["engine"]


HOSTILE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "engine above": lambda plan: renamed(plan, "../../elsewhere"),
    "engine absolute": lambda plan: renamed(plan, "/tmp/elsewhere"),
    "engine with a line": lambda plan: renamed(plan, "mine\n"),
    "engine as a pattern": lambda plan: renamed(plan, "{x}"),
    "engine too long": lambda plan: renamed(plan, "m" * 300),
    "workload above": lambda plan: plan["workloads"][0].update(name="../w"),
    "case above": lambda plan: plan["workloads"][0]["cases"][0].update(name="../../case"),
    "identity above": lambda plan: plan["order"][0].update(identity="../../../up"),
    "identity with a line": lambda plan: plan["order"][0].update(identity="0123456789ab\n"),
    "block of another kind": lambda plan: plan["order"][0].update(block="../1"),
    "position beyond": lambda plan: plan["order"][0].update(position=10**30),
    "order of another shape": lambda plan: plan["order"].append(["mine", "w"]),
    "launch of another engine": lambda plan: plan["order"][0].update(engine="other"),
    "launch of no engine": lambda plan: plan["order"][0].update(engine=["mine"]),
    "launch of another workload": lambda plan: plan["order"][0].update(workload="other"),
    "launch twice": lambda plan: plan["order"].append(plan["order"][0]),
    "engine twice": lambda plan: plan["engines"].append(plan["engines"][0]),
    "control of nobody": lambda plan: plan["campaign"].update(control="other"),
    "adapter above": lambda plan: plan["engines"][0].update(adapter="../x"),
    "model above": lambda plan: plan["model"].update(identity="../x"),
    "no engines": lambda plan: plan.update(engines=[]),
    "engines of another shape": lambda plan: plan.update(engines={"mine": {}}),
    "no config": lambda plan: plan.pop("config"),
    "another version": lambda plan: plan.update(schema_version=2),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_plan_that_leads_elsewhere_or_contradicts_itself_is_refused_in_one_line(tmp_path, plan, change):
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    require_consistent(read_foreign(file, "plan"), file)
    change(plan)
    file.write_text(json.dumps(plan))
    with pytest.raises(BenchmarkError, match=str(file)) as refused:
        require_consistent(read_foreign(file, "plan"), file)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 1000


BROKEN = ["", "{", "[" * 100_000, "1" * 5000, '{"a": NaN}', "\ufeff{}", "\x00" * 50, "null"]


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_a_file_that_is_no_json_of_a_campaign_is_named(tmp_path, text):
    for kind in ("plan", "environment", "manifest", "fidelity"):
        file = tmp_path / f"{kind}.json"
        file.write_text(text, encoding="utf-8")
        with pytest.raises(BenchmarkError, match=str(file)) as refused:
            read_foreign(file, kind)
        assert "delete" not in str(refused.value)


def test_links_that_lead_out_and_special_files_are_refused_and_those_inside_are_not(tmp_path):
    folder, outside = tmp_path / "results", tmp_path / "outside"
    (folder / "logs").mkdir(parents=True)
    outside.mkdir()
    (folder / "logs" / "again").symlink_to(folder)
    (folder / "logs" / "events.jsonl").symlink_to(tmp_path / "gone" / "events.jsonl")
    require_plain(folder)
    links = {"raw_data": outside, "report.html": outside / "new.html", "logs/stage.log": Path("/dev/null")}
    for link, target in links.items():
        (folder / link).symlink_to(target)
        with pytest.raises(BenchmarkError, match=link):
            require_plain(folder)
        (folder / link).unlink()
    os.mkfifo(folder / "looks.json")
    with pytest.raises(BenchmarkError, match=r"looks\.json"):
        require_plain(folder)


def test_a_folder_is_refused_before_its_plan_is_believed(tmp_path, plan):
    folder = tmp_path / "results"
    (folder / "model").mkdir(parents=True)
    renamed(plan, "../../up")
    for name, content in (("plan.json", plan), ("environment.json", {}), ("model/manifest.json", {})):
        (folder / name).write_text(json.dumps(content))
    with pytest.raises(BenchmarkError, match="engines"):
        load_recorded(folder, {})


@pytest.mark.parametrize(
    ("key", "wrong"), [("workloads", 3), ("workloads", [{"name": "w"}]), ("analysis", []), ("system", {"threads": {}})]
)
def test_a_plan_whose_configuration_is_none_is_named(tmp_path, plan, key, wrong):
    file = tmp_path / "plan.json"
    require_configuration(plan["config"], file)
    with pytest.raises(BenchmarkError, match=f"{file}: config.{key}") as refused:
        require_configuration(plan["config"] | {key: wrong}, file)
    assert "\n" not in str(refused.value)


def test_what_an_analysis_before_left_is_looked_at_before_any_stage_reads_it(plan):
    folder = Path("results/x")
    for name, content in (("plan", plan), ("environment", make_environment()), ("model/manifest", MANIFEST)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(content) + "\n")
    campaign = load_given({"output_dir": str(folder)})
    part = part_files(campaign.plan(), recorded=True)[0]
    for name in ("summary.json", f"plan/{part}", "raw_data/mine.json", "analysis/iterations.parquet"):
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"PAR1 PAR1" if file.suffix == ".parquet" else b'{"another": "shape"}\n')
        changed = load_given({"output_dir": str(folder)})
        assert changed.damaged == {str(file)}
        assert [line.count(str(file)) for line in changed.notices()] == [2]
        file.unlink()
    (folder / "looks.json").write_text("[]\n")  # nothing can make it again
    with pytest.raises(BenchmarkError, match=r"results/x/looks\.json"):
        load_given({"output_dir": str(folder)})
    (folder / "looks.json").unlink()
    (folder / "summary.json").write_bytes(b"")  # cut: made again as everywhere
    assert load_given({"output_dir": str(folder)}).damaged == frozenset()
