"""One number has one text: terminal, table, page, exports and the plots' titles against summary.json."""

from __future__ import annotations

import json
import re

import pytest

from benchmark_runner.display import estimate_text, milliseconds, number_pair, ratio_text, significant
from benchmark_runner.plots.latency import draw
from benchmark_runner.records.table import read_measured
from benchmark_runner.summary.answer import in_words
from finished import finish, read
from records import ScriptedEngine, ScriptedWorkload

from .conftest import Page

BASELINE = "pytorch_baseline"
NOISE = {"launch_spread": 0.05, "iteration_spread": 0.03}
LOST = {("latency_test", 2): "failed", ("latency_test", 7): "failed", ("throughput_test", 4): "failed"}
"""Launches without a partner in their block, so that the quotient of the typical values is not the answer's ratio."""
ENGINES = (
    ScriptedEngine(BASELINE, ttft_ms=120.0, itl_ms=60.0, **NOISE),
    ScriptedEngine("candle_cuda", ttft_ms=65.0, itl_ms=31.0, **NOISE),
    ScriptedEngine("burn_cuda", ttft_ms=80.0, itl_ms=40.0, statuses=LOST, **NOISE),
    ScriptedEngine("mistral_rs", ttft_ms=66.0, itl_ms=32.0, **NOISE),
    ScriptedEngine("burn_cuda_control", ttft_ms=80.0, itl_ms=40.0, control_of="burn_cuda", **NOISE),
)
WORKLOADS = (
    ScriptedWorkload("latency_test", ((8, 11),), iterations=6),
    ScriptedWorkload("throughput_test", ((8, 21), (64, 21)), iterations=6),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return finish(tmp_path_factory.mktemp("one_answer"), ENGINES, WORKLOADS, launches=9)


@pytest.fixture(scope="module")
def summary(folder):
    return read(folder, "summary.json")


@pytest.fixture(scope="module")
def rows(summary):
    """(workload, case, row of the answer) of each engine that has a ratio."""
    cells = summary["answer"]["workloads"]
    found = [(one["workload"], one["case"], row) for one in cells for row in one["engines"]]
    return [one for one in found if one[2]["ratio_to_baseline"] is not None]


def ratio_words(row):
    low, high = row["ratio_interval"]
    return ratio_text({"point": row["ratio_to_baseline"], "low": low, "high": high})


def test_the_quotient_of_the_typical_values_is_another_number_here(summary, rows):
    speedups = {name: one["speedup"] for name, one in summary["comparison_matrix"].items()}
    here = {row["engine"]: row["ratio_to_baseline"] for workload, _, row in rows if workload == "latency_test"}
    assert any(significant(speedups[name]) != significant(ratio) for name, ratio in here.items()), (speedups, here)


def test_the_terminal_s_table_has_the_answer_s_values_and_ratios(folder, summary, rows):
    lines = in_words(summary, folder / "report.html").splitlines()
    headline = summary["headline"]["latency"]
    here = [row for *place, row in rows if place == [headline["workload"], headline["case"]]]
    assert len(here) == 3
    for row in here:
        (line,) = (line for line in lines if line.startswith(f"  {row['engine']} "))
        assert f" {milliseconds(row['value'])} " in line
        assert f"  {significant(row['ratio_to_baseline'])} times as fast" in line


def test_the_table_has_the_answer_s_values_and_ratios_with_their_intervals(folder, rows):
    text = (folder / "comparison_table.md").read_text()
    sections = {part.partition("\n")[0]: part for part in text.split("\n## ")}
    for workload, case, row in rows:
        section = sections.get(f"{workload}, {case}") or sections[workload]
        line = next(line for line in section.splitlines() if line.startswith(f"| {row['engine']} |"))
        value = {"point": row["value"], **dict(zip(("low", "high"), row["interval"], strict=True))}
        rate = dict(zip(("point", "low", "high"), [row["tokens_per_s"], *row["tokens_per_s_interval"]], strict=True))
        for words in (estimate_text(value, "ms"), estimate_text(rate, "tokens/s"), ratio_words(row)):
            assert f"| {words} |" in line


def test_the_page_s_table_has_the_answer_s_values_and_ratios_with_their_intervals(folder, rows):
    page = Page((folder / "report.html").read_text())
    for workload, case, row in rows:
        place = workload if workload == "latency_test" else f"{workload}, {case}"
        named = [one for one in page.table("Press a heading to sort") if one[1] == place]
        (cells,) = [one for one in named if one[0].split()[0] == row["engine"]]
        ratio = ratio_words(row).replace("(", "").rstrip(")")
        assert cells[2].startswith(milliseconds(row["value"])) and cells[6] == ratio


def test_the_pair_matrix_has_the_answer_s_ratios(folder, rows):
    text = (folder / "report.html").read_text()
    told = json.loads(re.search(r'<script type="application/json" id="page-data">(.*?)</script>', text, re.S)[1])
    names = [engine["name"] for engine in told["engines"]]
    pairs = {
        (group["workload"], group["case"], names[pair[0]], names[pair[1]]): pair[2:5]
        for group in told["groups"]
        if group["metric"] == "e2e_ms"
        for pair in group["pairs"]
    }
    for workload, case, row in rows:
        found = pairs[workload, case, row["engine"], BASELINE]
        assert found == pytest.approx([row["ratio_to_baseline"], *row["ratio_interval"]], rel=1e-5)


def test_sentences_have_the_digits_of_the_tables(folder, summary, rows):
    statistics = read(folder, "analysis/statistical_summary.json")
    for workload, case, row in rows:
        (one,) = [
            pair
            for pair in statistics["comparisons"]
            if (pair["workload"], pair["case"], pair["engine"], pair["reference"], pair["metric"])
            == (workload, case, row["engine"], BASELINE, "e2e_ms")
        ]
        assert (
            f"answers {' to '.join(number_pair(*row['ratio_interval']))} times as fast as {BASELINE}" in one["sentence"]
        )
    ratios = [row["ratio_to_baseline"] for *_, row in rows if row["reason"] is None]
    assert f"{significant(min(ratios))} to {significant(max(ratios))} times as fast" in summary["answer"]["sentence"]


def test_migration_paths_and_break_even_have_the_answer_s_ratios(folder, rows):
    business = read(folder, "analysis/business_recommendations.json")
    paths = {one["engine"]: one for one in business["migration_paths"]}
    for workload, case, row in rows:
        (gain,) = [one for one in paths[row["engine"]]["gain"] if (one["workload"], one["case"]) == (workload, case)]
        assert (gain["ratio_to_baseline"], gain["ratio_interval"]) == (row["ratio_to_baseline"], row["ratio_interval"])
    page = (folder / "report.html").read_text()
    for one in business["break_even"]:
        words = f"{significant(one['ratio']['point'])} times as much an hour"
        assert words in one["sentence"] and words in page
        assert " to ".join(number_pair(one["ratio"]["low"], one["ratio"]["high"])) in one["sentence"]


def test_the_plots_titles_tell_the_answer_s_lead(folder, summary):
    statistics = read(folder, "analysis/statistical_summary.json")
    performance = read(folder, "analysis/performance_analysis.json")
    columns = ["engine", "workload", "case", "block", "warmup", "outlier", "e2e_ms", "ttft_ms"]
    figure = draw(statistics, read_measured(folder / "analysis/iterations.parquet", columns), performance)
    titles = " ".join(" ".join(text.get_text().split()) for text in figure.texts)
    for one in summary["answer"]["workloads"]:
        behind = one["next_behind"]
        lead = f"{significant(behind['behind'])} times as fast as {behind['engine']}"
        assert f"{lead} ({' to '.join(number_pair(*behind['interval']))}, 95 %)" in titles


def test_reproduction_expects_the_answer_s_values(folder, rows):
    text = (folder / "reproduction.md").read_text()
    for *_, row in rows:
        value = {"point": row["value"], **dict(zip(("low", "high"), row["interval"], strict=True))}
        assert f"| {estimate_text(value, 'ms')} |" in text
