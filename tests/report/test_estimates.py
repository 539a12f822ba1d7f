"""Estimates for machines that were not measured, in the page: marked, folded, and nowhere else."""

from __future__ import annotations

import pytest

from benchmark_runner.display import significant
from finished import finish, make_environment, read
from records import ScriptedEngine, ScriptedWorkload

from .conftest import Page

H100 = {"index": 0, "name": "NVIDIA H100 80GB HBM3", "memory_bytes": 81559 * 2**20}
ENGINES = (
    ScriptedEngine("pytorch_baseline", ttft_ms=100.0, itl_ms=100.0, device="cuda:0"),
    ScriptedEngine("vllm_server", ttft_ms=50.0, itl_ms=50.0, device="cuda:0"),
)
FIGURES = ("tokens_per_s", "usd_per_million_output_tokens")
SUMMARY = "Machines with another GPU: estimates, nothing ran there"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    environment = make_environment(gpu={"devices": [H100], "driver_version": "1", "cuda_driver_version": "13.2"})
    workloads = (ScriptedWorkload("throughput_test", ((4, 10),)),)
    return finish(tmp_path_factory.mktemp("estimates"), ENGINES, workloads, plots=False, environment=environment)


def test_the_page_shows_each_estimate_with_its_range_under_words_that_say_what_it_is(folder):
    page = Page((folder / "report.html").read_text())
    costs = read(folder, "analysis/business_recommendations.json")["infrastructure_costs"]
    wanted = [
        [row["engine"], one["gpu"], *(significant(one[key]["point"]) for key in FIGURES)]
        for row in costs
        for one in row["estimates"]
    ]
    shown = page.table("By the figures published for GPUs")
    assert len(wanted) > 20
    assert [[*row[:2], *(cell.split(" ")[0] for cell in row[2:4])] for row in shown] == wanted
    assert all(" to " in cell for row in shown for cell in row[2:4])
    folded = page.text.partition(SUMMARY)[2].partition("</details>")[0]
    assert "Nothing ran on these machines" in folded


def test_no_estimate_is_in_the_explorer_the_first_screen_or_the_answer(folder):
    costs = read(folder, "analysis/business_recommendations.json")
    others = {one["label"] for row in costs["infrastructure_costs"] for one in row["estimates"]}
    others -= {row["price"]["label"] for row in costs["costs"]}
    page = (folder / "report.html").read_text()
    outside = page.partition(SUMMARY)[0] + (folder / "comparison_table.md").read_text()
    outside += (folder / "summary.json").read_text()
    assert others and not [label for label in others if label in outside]
