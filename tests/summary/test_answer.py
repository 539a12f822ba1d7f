"""What Snakemake ends with."""

from __future__ import annotations

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import write_json
from benchmark_runner.schemas import schema
from benchmark_runner.summary.answer import main

ROW = {"latency_ms": 28.0, "throughput": 40.0, "speedup": 1.9}
RULES = schema("summary")
ANSWERED = {
    **dict.fromkeys(("prompt_tokens", "next_behind")),
    **{"metric": "e2e_ms", "unit": "ms", "better": "lower", "word": "none", "sentence": "fast is faster."},
    **{"workload": "chat", "case": "case_1", "max_tokens": 11, "leading": [], "separates": []},
    "engines": [
        dict.fromkeys(RULES["$defs"]["cell"]["properties"]["engines"]["items"]["required"])
        | {"engine": name, "leading": False, "ranked": True, "launches": 9, "ratio_to_baseline": ratio}
        for name, ratio in (("fast", 2.0), ("slow", None))
    ],
}
SUMMARY = {
    "campaign": {"quick": True},
    "model": {"source": {"kind": "synthetic", "shape": "llama-3.2-1b"}},
    "units": {},
    **dict.fromkeys(("control", "until")),
    "schema_version": 1,
    "headline": {"latency": {"workload": "chat", "case": "case_1"}, "throughput": {}},
    "answer": {
        "sentence": "fast is faster.",
        "not_sure": "In chat it is not sure which of a and b answers fastest.",
        "decide": {"sentence": "About 9 launches would.", "command": "snakemake --more", "launches": 9, "minutes": 3.0},
        "baseline": "slow",
        "failed": [],
        "measured": True,
        "workloads": [ANSWERED],
    },
    "summary": {**dict.fromkeys(RULES["properties"]["summary"]["required"]), "recommendation": "the same and more."},
    "comparison_matrix": {"fast": ROW, "gone": dict.fromkeys(ROW)},
    "warnings": [],
}


@pytest.fixture
def folder(tmp_path):
    write_json(tmp_path / "summary.json", SUMMARY)
    (tmp_path / "report.html").touch()
    return tmp_path


def test_words_of_several_lines_stay_one_of_the_answer(tmp_path, capsys):
    answer = SUMMARY["answer"] | {"not_sure": "gone failed: no\nfastest: gone"}
    write_json(tmp_path / "summary.json", SUMMARY | {"answer": answer})
    (tmp_path / "report.html").touch()
    assert main(["--output-dir", str(tmp_path)]) == 0
    assert "gone failed: no\\nfastest: gone" in capsys.readouterr().out


@pytest.mark.parametrize(
    "targets", [[], ["all"], ["report"], ["plan", "report"], ["join"], ["results/quick/report.html"]]
)
def test_the_answer_names_every_engine_and_the_report(folder, capsys, targets):
    assert main(["--output-dir", str(folder), *targets]) == 0
    shown = capsys.readouterr().out
    for part in (
        "fast is faster.",
        "it is not sure which",
        "random numbers in the shape of llama-3.2-1b",
        "This is a quick look",
        "  snakemake --more",
        "28.0 ms",
        "2.00 times as fast",
        "no measurement",
        str(folder / "report.html"),
    ):
        assert part in shown


@pytest.mark.parametrize(
    "targets", [["plan"], ["doctor", "plan"], ["compare"], ["launches"], ["engines"], ["conformance"], ["analysis"]]
)
def test_targets_that_print_an_answer_of_their_own_or_leave_it_as_it_was_end_without_one(folder, capsys, targets):
    assert main(["--output-dir", str(folder), *targets]) == 0
    assert capsys.readouterr().out == ""


def test_a_folder_without_a_report_has_no_answer(tmp_path, capsys):
    assert main(["--output-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("other", [{}, {**SUMMARY, "comparison_matrix": []}, {**SUMMARY, "summary": None}])
def test_a_summary_of_another_shape_is_named(folder, other):
    write_json(folder / "summary.json", other)
    with pytest.raises(BenchmarkError, match=r"summary\.json: "):
        main(["--output-dir", str(folder)])


def test_a_run_that_measured_nothing_ends_with_its_own_status(folder, capsys):
    nothing = {**SUMMARY, "answer": {**SUMMARY["answer"], "sentence": "Nothing was measured.", "measured": False}}
    write_json(folder / "summary.json", nothing)
    assert main(["--output-dir", str(folder)]) == 1
    assert "Nothing was measured." in capsys.readouterr().out


def test_the_baseline_is_no_multiple_of_itself(folder, capsys):
    write_json(folder / "summary.json", {**SUMMARY, "comparison_matrix": {"slow": {**ROW, "speedup": 1.0}}})
    assert main(["--output-dir", str(folder)]) == 0
    assert "the baseline" in (shown := capsys.readouterr().out) and "1.00 times" not in shown


def test_a_throughput_of_another_workload_than_the_latency_is_told_with_it(folder, capsys):
    headline = {"latency": {"workload": "chat", "case": "case_1"}, "throughput": {"workload": "essay"}}
    write_json(folder / "summary.json", {**SUMMARY, "headline": headline})
    assert main(["--output-dir", str(folder)]) == 0
    assert "Latency and ratio in chat; throughput in essay:" in capsys.readouterr().out


def test_an_engine_that_is_not_ranked_is_told_beside_its_figures(folder, capsys):
    write_json(folder / "summary.json", {**SUMMARY, "comparison_matrix": {"fast": {**ROW, "ranked": False}}})
    assert main(["--output-dir", str(folder)]) == 0
    assert "2.00 times as fast  not ranked" in capsys.readouterr().out
