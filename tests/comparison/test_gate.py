"""The exit status that CI reads, one for each answer."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest

from benchmark_runner.comparison.decision import Candidate, judge_all
from benchmark_runner.comparison.document import comparison_document
from benchmark_runner.comparison.gate import main
from benchmark_runner.comparison.terms import Terms
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.statistics.metrics import BY_NAME
from comparison_case import launch_values

SIDES = ({"folder": "before", "name": "b", "measured_at": None, "engines": ["same", "other"]},) * 2


@pytest.fixture
def comparison(tmp_path):
    """comparison.json of an engine that stays as it is and one that is `other` times as slow."""

    def write(other: float = 1.0, sd: float = 0.002):
        terms = Terms(0.95, 0.02, ("e2e_ms",))
        before, after = launch_values(9.0, sd), launch_values(9.0, sd, turn=0.05)
        made = [
            Candidate(name, "w", "case_1", BY_NAME[metric], before, factor * after)
            for metric in ("e2e_ms", "ttft_ms")
            for name, factor in (("same", 1.0), ("other", other))
        ]
        findings = judge_all(made, terms.metrics, margin=terms.margin, level=terms.level)
        write_json(tmp_path / "comparison.json", comparison_document("campaigns", SIDES, [], findings, terms))
        return tmp_path / "comparison.json"

    return write


@pytest.mark.parametrize(
    ("other", "sd", "status", "words"),
    [
        (1.0, 0.002, 0, "no regression of more than 2 % (2 comparisons: 2 no regression)"),
        (0.5, 0.002, 0, "no regression of more than 2 % (2 comparisons: 1 no regression, 1 improved)"),
        (
            1.1,
            0.002,
            1,
            "regression of more than 2 % (2 comparisons: 1 regression, 1 no regression); regression in w, case_1: ",
        ),
        (
            1.0,
            0.05,
            2,
            "cannot tell whether there is a regression of more than 2 % (2 comparisons: 2 cannot tell); cannot",
        ),
    ],
)
def test_each_answer_has_its_status_and_one_line_of_words(comparison, capsys, other, sd, status, words):
    assert main([str(comparison(other, sd))]) == status
    said = capsys.readouterr()
    assert said.out.startswith(words)
    assert said.out.count("\n") == 1
    assert said.err == ""


def test_an_engine_can_be_asked_about_alone(comparison, capsys):
    file = str(comparison(1.1))
    assert main([file, "--engine", "same"]) == 0
    assert main([file, "--engine", "other"]) == 1
    assert main([file, "--engine", "same", "--engine", "other"]) == 1
    assert "1 comparison: 1 regression" in capsys.readouterr().out


def test_an_engine_that_was_not_compared_is_no_pass(comparison, capsys):
    assert main([str(comparison()), "--engine", "othr"]) == 2
    assert capsys.readouterr().err == "cannot tell: --engine othr was not compared; name one that was: same, other\n"


def test_metrics_that_do_not_decide_change_nothing(comparison):
    file = comparison()
    document = copy.deepcopy(read_json(file))
    for one in document["comparisons"]:
        one["verdict"] = one["verdict"] if one["gates"] else "regression"
    write_json(file, document)
    assert main([str(file)]) == 0


@pytest.mark.parametrize("engine", [[], ["--engine", "same"]])
def test_an_outcome_that_its_own_comparisons_deny_is_no_answer(comparison, capsys, engine):
    file = comparison(1.1)
    document = read_json(file)
    for one in document["comparisons"]:
        one["verdict"] = "no_regression"
    write_json(file, document)
    assert main([str(file), *engine]) == 2
    assert "outcome.verdict is regression, its comparisons make it no_regression" in capsys.readouterr().err


def test_nothing_compared_is_no_pass(comparison):
    file = comparison()
    write_json(file, {**read_json(file), "comparisons": []})
    assert main([str(file)]) == 2


@pytest.mark.parametrize("content", [None, "{", '{"comparisons": []}'])
def test_a_file_that_cannot_be_read_is_no_regression_and_no_pass(tmp_path, capsys, content):
    file = tmp_path / "comparison.json"
    if content is not None:
        file.write_text(content)
    assert main([str(file)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("cannot tell: ") and str(file) in said.err


def test_an_error_that_nobody_foresaw_is_no_regression(comparison, capsys, monkeypatch):
    def fails(*_):
        raise KeyError("verdict")

    monkeypatch.setattr("benchmark_runner.comparison.decision.outcome", fails)
    assert main([str(comparison())]) == 2
    assert capsys.readouterr().err == "cannot tell: KeyError('verdict')\n"


def test_the_command_ends_with_the_status(comparison, repository):
    command = [sys.executable, "-m", "benchmark_runner.comparison.gate", str(comparison(1.1))]
    scripts = repository / "workflow" / "scripts"
    ended = subprocess.run(command, env={"PYTHONPATH": str(scripts)}, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stdout.startswith("regression of more than 2 %")
