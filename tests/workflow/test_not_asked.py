"""A campaign in which one engine cannot serve a test case: it is measured in the others, and the rest is named."""

from __future__ import annotations

import copy
import shutil
import subprocess

import pandas as pd
import pytest

from benchmark_runner.jsonio import read_json
from own_project import copy_project, write_stub
from tiny_campaign import CONFIG, SNAKEMAKE, Campaign
from tiny_model import make_tiny_model

pytestmark = pytest.mark.workflow

BLOCKS = 2
LOAD = {"mode": "closed", "requests": 6, "warmup_requests": 2, "timeout_seconds": 60}
CASE = {"prompt_tokens": 16, "max_tokens": 4}
DRAWN = "case_2_c2"
WORDS = f"greedy was not asked for {DRAWN} of mixed: stub draws no tokens (temperature)"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> Campaign:
    project = tmp_path_factory.mktemp("project")
    copy_project(project)
    delays = ("--ttft-ms=10", "--gap-ms=2", "--servers=2")
    write_stub(project, "whole-stub", *delays, sampling=("greedy", "temperature", "top_p"))
    write_stub(project, "greedy-stub", *delays)
    make_tiny_model(project / "models" / "tiny")
    config = copy.deepcopy(CONFIG)
    config["benchmark"] |= {"launches": BLOCKS, "control": False}
    config["engines"] = [{"name": name, "binary_path": f"target/release/{name}-stub"} for name in ("whole", "greedy")]
    greedy = {**CASE, "load": {**LOAD, "concurrency": [1, 2]}}
    drawn = {**CASE, "temperature": 0.5, "load": {**LOAD, "concurrency": 2}}
    config["workloads"] = [{"name": "mixed", "test_cases": [greedy, drawn]}]
    campaign = Campaign(project, config, project)
    told = campaign.snakemake("plan")
    assert told.status == 0, told.words
    assert f"{WORDS.replace(' was ', ' is ')}" in " ".join(told.words.split())
    result = campaign.snakemake()
    assert result.status == 0, result.words
    return campaign


def test_its_launches_measure_the_other_cases_and_name_the_rest(mixed):
    records = [read_json(path) for path in mixed.out.glob("launches/*/*/*/record.json")]
    assert len(records) == 2 * BLOCKS
    assert {(one["status"], one["reason"]) for one in records} == {("ok", None)}
    asked = {one["engine"]: (len(one["spec"]["cases"]), one.get("not_asked")) for one in records}
    assert asked == {"whole": (3, None), "greedy": (2, {DRAWN: "stub draws no tokens (temperature)"})}
    table = pd.read_parquet(mixed.out / "analysis" / "stages.parquet")
    found = {(row.engine, row.case) for row in table.itertuples()}
    both = {(engine, case) for engine in ("whole", "greedy") for case in ("case_1_c1", "case_1_c2")}
    assert found == both | {("whole", DRAWN)}


def test_both_are_given_the_same_in_what_both_are_asked_for(mixed):
    by_block = {}
    for path in mixed.out.glob("launches/*/*/*/record.json"):
        record = read_json(path)
        by_block.setdefault(record["block"], {})[record["engine"]] = record["spec"]
    for specs in by_block.values():
        whole, greedy = specs["whole"], specs["greedy"]
        assert whole["cases"][:2] == greedy["cases"] and whole["max_seq_len"] == greedy["max_seq_len"]
        assert [number for number in whole["stages"] if number < 2] == greedy["stages"]


def test_summary_table_and_page_say_so_and_nothing_is_owed(mixed):
    assert f"{WORDS}." in read_json(mixed.out / "summary.json")["answer"]["under_load"]
    assert WORDS in (mixed.out / "comparison_table.md").read_text()
    assert f"without {DRAWN} of mixed" in (mixed.out / "report.html").read_text()
    statistics = read_json(mixed.out / "analysis" / "statistical_summary.json")
    compared = {one["case"]: one for one in statistics["comparisons"] if one["metric"] == "e2e_ms"}
    assert compared[DRAWN]["reason"] == WORDS and compared["case_1_c2"]["ratio"] is not None
    assert mixed.owed() == {}


def test_what_was_measured_is_analysed_again_elsewhere(mixed, tmp_path):
    copied = tmp_path / "copy"
    shutil.copytree(mixed.out, copied, symlinks=True)
    shutil.rmtree(copied / "analysis")
    command = [SNAKEMAKE, "report", "-s", mixed.project / "Snakefile", "--directory", tmp_path, "--cores", "1"]
    command += ["--config", "analyze_only=true", f"output_dir={copied}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert WORDS in (copied / "comparison_table.md").read_text()
