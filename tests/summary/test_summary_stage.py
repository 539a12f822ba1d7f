"""summary.json and comparison_table.md: the figures of the script, the words of the verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.statistics.results import Results
from benchmark_runner.summary.table import comparison_table
from records import ScriptedEngine, ScriptedWorkload, write_results

SPREAD: dict[str, Any] = {"launch_spread": 0.01, "iteration_spread": 0.01}
TORCH = ScriptedEngine("torch", **SPREAD)
CANDLE = ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, **SPREAD)
CONTROL = ScriptedEngine("torch_control", control_of="torch", **SPREAD)
REQUIRED = (
    "fastest_engine",
    "best_throughput",
    "best_latency_ms",
    "most_consistent",
    "best_gpu_utilization",
    "recommendation",
)


def _answer(folder: Path, engines: list[ScriptedEngine], *workloads: ScriptedWorkload, **options: Any) -> Any:
    write_results(folder, engines, workloads or (ScriptedWorkload(),), **{"launches": 6, **options})
    return json.loads((folder / "summary.json").read_text())


def _table(folder: Path) -> str:
    return (folder / "comparison_table.md").read_text()


def test_the_summary_holds_what_is_asked_for(tmp_path: Path) -> None:
    answer = _answer(tmp_path, [TORCH, CANDLE, CONTROL])
    assert set(REQUIRED) <= set(answer["summary"])
    assert answer["summary"]["fastest_engine"] == "candle"
    assert answer["summary"]["best_gpu_utilization"] is None
    assert answer["summary"]["best_gpu_utilization_reason"] == "no GPU"
    assert set(answer["comparison_matrix"]) == {"torch", "candle"}
    assert answer["comparison_matrix"]["torch"]["speedup"] == 1.0
    assert answer["headline"]["latency"]["workload"] == "latency_test"
    assert answer["summary"]["recommendation"].startswith("Take candle for the shortest answers in latency_test")


def test_the_figures_are_those_of_the_script(tmp_path: Path) -> None:
    answer = _answer(tmp_path, [ScriptedEngine("torch"), ScriptedEngine("candle", ttft_ms=10.0, itl_ms=4.0)])
    assert answer["summary"]["best_latency_ms"] == 50.0
    assert answer["summary"]["best_throughput"] == pytest.approx(220.0)
    assert answer["comparison_matrix"]["candle"]["speedup"] == 2.4
    row = next(line for line in _table(tmp_path).splitlines() if line.startswith("| candle"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:6] == ["50.0 ms", "10.0 ms", "4.00 ms", "220 tokens/s", "1.00 GB"]
    assert cells[6].startswith("2.40")


def test_undecided_engines_have_no_fastest_and_the_words_say_what_it_takes(tmp_path: Path) -> None:
    noisy: dict[str, Any] = {"launch_spread": 0.05, "iteration_spread": 0.05}
    engines = [ScriptedEngine("torch", **noisy), ScriptedEngine("candle", ttft_ms=19.7, itl_ms=9.8, **noisy)]
    summary = _answer(tmp_path, engines)["summary"]
    assert summary["fastest_engine"] is None and summary["fastest_engine_reason"]
    assert "The data do not say which of" in summary["recommendation"]
    assert "benchmark={launches: " in summary["recommendation"] or "No affordable" in summary["recommendation"]


def test_equal_engines_are_advised_by_other_things(tmp_path: Path) -> None:
    quiet: dict[str, Any] = {"launch_spread": 0.002, "iteration_spread": 0.002}
    engines = [ScriptedEngine("torch", **quiet), ScriptedEngine("candle", **quiet)]
    assert "choose by memory, cost or features" in _answer(tmp_path, engines)["summary"]["recommendation"]


def test_too_few_launches_say_how_many_it_takes(tmp_path: Path) -> None:
    words = _answer(tmp_path, [TORCH, CANDLE], launches=2)["summary"]["recommendation"]
    assert "too few launches: 2" in words
    assert "About 4 launches each instead of 2" in words


def test_the_recommendation_repeats_no_sentence_of_the_answer_but_what_is_missing_and_what_would_decide(
    tmp_path: Path,
) -> None:
    noisy: dict[str, Any] = {"ttft_ms": 10.0, "itl_ms": 5.0, "launch_spread": 0.05}
    near = [ScriptedEngine(name, **noisy) for name in ("candle", "burn")]
    found = _answer(tmp_path, [TORCH, *near, ScriptedEngine("absent", unavailable="no wheel")])
    words, answer = found["summary"]["recommendation"], found["answer"]
    assert words.startswith(answer["failed"][0]["sentence"])
    assert " share the lead in latency_test; the next is torch: " in words
    sure = answer["sentence"].removeprefix(answer["failed"][0]["sentence"])
    told = [one for part in (sure, answer["not_sure"]) for one in part.strip().split(". ")]
    assert len(told) > 2 and not any(one in words for one in told)
    assert answer["decide"] is None or words.count(answer["decide"]["sentence"]) == 1


def test_a_single_launch_says_how_many_it_takes(tmp_path: Path) -> None:
    words = _answer(tmp_path, [TORCH, CANDLE], launches=1)["summary"]["recommendation"]
    assert "About 4 launches each instead of 1" in words


def test_what_more_launches_cannot_cure_is_not_promised(tmp_path: Path) -> None:
    engines = [TORCH, ScriptedEngine("candle", ttft_ms=1.0, itl_ms=0.5, device="cuda:0", **SPREAD)]
    words = _answer(tmp_path, engines)["summary"]["recommendation"]
    assert "candle ran on cuda:0 and torch on cpu" in words
    assert "More launches would not change that." in words


def test_a_control_that_differs_is_the_first_thing_to_cure(tmp_path: Path) -> None:
    off = ScriptedEngine("torch_control", control_of="torch", ttft_ms=24.0, itl_ms=12.0, **SPREAD)
    near = ScriptedEngine("candle", ttft_ms=17.0, itl_ms=8.5, **SPREAD)
    words = _answer(tmp_path, [TORCH, near, off])["summary"]["recommendation"]
    assert "the control differed by" in words
    assert "Chance does this in one quiet campaign of 20. Add launches; if it stays, look for a cause." in words


def test_the_control_of_another_engine_than_the_baseline_is_compared_with_its_own_twin(tmp_path: Path) -> None:
    twin = ScriptedEngine("candle_control", control_of="candle", ttft_ms=10.0, itl_ms=5.0, **SPREAD)
    answer = _answer(tmp_path, [TORCH, CANDLE, twin])
    assert (answer["control"]["engine"], answer["control"]["twin"]) == ("candle_control", "candle")
    row = next(line for line in _table(tmp_path).splitlines() if "(control)" in line)
    ratio, verdict = (cell.strip() for cell in row.strip("|").split("|")[6:8])
    assert ratio.endswith("(to candle)") and ratio.startswith(("0.99", "1.0"))
    assert "torch" not in verdict


def test_an_absent_engine_is_named_in_words_and_table(tmp_path: Path) -> None:
    answer = _answer(tmp_path, [TORCH, ScriptedEngine("candle", unavailable="cargo is missing")])
    assert "Only torch was measured" in answer["summary"]["recommendation"]
    assert "candle was not measured (unavailable): cargo is missing." in answer["summary"]["recommendation"]
    assert answer["comparison_matrix"]["candle"]["latency_ms"] is None
    assert "1. candle: no measurement, since cargo is missing" in _table(tmp_path)


def test_words_of_an_engine_are_text_in_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "lost <b>it</b>\n\n# candle won\n[more](x) \x1b[2J"
    _answer(tmp_path, [TORCH, ScriptedEngine("candle", unavailable=words)])
    assert r"lost <b>it</b>\n\n# candle won\n[more](x) \x1b[2J" in capsys.readouterr().out
    text = _table(tmp_path)
    assert r"1. candle: no measurement, since lost &lt;b>it&lt;/b> # candle won \[more\](x) \\x1b\[2J" in text
    assert "<b>" not in text and "\n# candle won" not in text and "\x1b" not in text


def test_nothing_measured_still_makes_all_files(tmp_path: Path) -> None:
    summary = _answer(tmp_path, [ScriptedEngine("torch", unavailable="no wheel")])["summary"]
    assert summary["recommendation"].startswith("Nothing was measured, so there is no answer.")
    assert summary["best_latency_ms"] is None and summary["best_latency_reason"]
    assert summary["best_throughput"] is None and summary["best_throughput_reason"]


def test_a_quick_look_says_so(tmp_path: Path) -> None:
    assert "This is a quick look" in _answer(tmp_path, [TORCH, CANDLE], quick=True)["summary"]["recommendation"]


def test_synthetic_weights_are_owned_up_to_in_words_and_table(tmp_path: Path) -> None:
    source = {"kind": "synthetic", "shape": "llama-3.2-1b"}
    answer = _answer(tmp_path / "synthetic", [TORCH, CANDLE], source=source)
    words = "The model's weights are synthetic: random numbers in the shape of llama-3.2-1b."
    assert words in answer["summary"]["recommendation"]
    assert answer["model"]["source"]["kind"] == "synthetic"
    assert words in _table(tmp_path / "synthetic")
    assert "synthetic" not in _answer(tmp_path / "trained", [TORCH, CANDLE])["summary"]["recommendation"]


def test_every_workload_and_case_has_a_table_with_all_engines(tmp_path: Path) -> None:
    workloads = (ScriptedWorkload("latency_test"), ScriptedWorkload("long", cases=((8, 11), (64, 31))))
    _answer(tmp_path, [TORCH, CANDLE, CONTROL], *workloads)
    text = _table(tmp_path)
    for heading in ("## latency_test", "## long, case_1", "## long, case_2"):
        assert heading in text
    assert text.count("| torch_control (control) |") == 3
    assert text.count("| 1 (baseline) |") == 3
    measured, _, settings = text.partition("## Settings in latency_test, long")
    for line in measured.splitlines():
        assert not line.startswith("|") or line.count("|") == 9
    for line in settings.splitlines():
        assert not line.startswith("|") or line.count("|") == 5


def test_differing_settings_stand_in_the_table_its_footnote_and_the_recommendation(tmp_path: Path) -> None:
    half = ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, loaded={"kv_cache_dtype": "f16"}, **SPREAD)
    note = "settings differ: KV cache f16 / f32"
    assert f"({note})" in _answer(tmp_path, [TORCH, half])["summary"]["recommendation"]
    lines = _table(tmp_path).splitlines()
    assert any(line.startswith("1. candle ") and line.endswith(f"; {note}") for line in lines)
    settings = lines[lines.index("## Settings in latency_test") :]
    assert "| setting | torch | candle |" in settings
    assert "| KV cache * | f32 | f16 |" in settings
    assert "| weights | f32 | f32 |" in settings
    assert "| SIMD | unknown | unknown |" in settings


def test_the_higher_throughput_of_another_engine_is_mentioned(tmp_path: Path) -> None:
    engines = [
        ScriptedEngine("torch", ttft_ms=5.0, itl_ms=10.0, **SPREAD),
        ScriptedEngine("candle", ttft_ms=40.0, itl_ms=5.0, **SPREAD),
    ]
    workloads = (
        ScriptedWorkload("latency_test", cases=((8, 3),)),
        ScriptedWorkload("throughput_test", cases=((8, 41),)),
    )
    words = _answer(tmp_path, engines, *workloads)["summary"]["recommendation"]
    assert "Take torch for the shortest answers in latency_test" in words
    assert "In throughput_test the highest throughput was seen with candle." in words


def test_keeping_outliers_shows_their_mean_and_leaves_verdicts_alone(tmp_path: Path) -> None:
    slow = {(block, 5): 10.0 for block in range(1, 7)}
    slow |= {(block, index): 1.1 for block in range(1, 7) for index in (3, 4)}
    engine = ScriptedEngine("candle", slow_iterations=slow, launch_spread=0.003)
    engines = [ScriptedEngine("torch", launch_spread=0.003), engine]
    workload = ScriptedWorkload(iterations=6)
    removed = _answer(tmp_path / "a", engines, workload, analysis={"remove_outliers": True})
    kept = _answer(tmp_path / "b", engines, workload, analysis={"remove_outliers": False})
    shown = [one["comparison_matrix"]["candle"]["latency_ms"] for one in (removed, kept)]
    assert shown[0] == pytest.approx(120.0, rel=0.01) and shown[1] == pytest.approx(126.0, rel=0.01)
    assert "without flagged outliers" in _table(tmp_path / "a")
    assert "with all iterations" in _table(tmp_path / "b")
    ratios = [_table(tmp_path / name).split("| candle |")[1].split("|")[5] for name in ("a", "b")]
    assert ratios[0] == ratios[1]


def test_an_engine_that_computes_something_else_keeps_its_figures_and_is_struck_with_the_reason(tmp_path: Path) -> None:
    wrong = ScriptedEngine("wrong", ttft_ms=1.0, itl_ms=0.5, fidelity="fail", **SPREAD)
    answer = _answer(tmp_path, [TORCH, CANDLE, wrong])
    assert answer["summary"]["fastest_engine"] == "candle"
    assert "wrong is left out: it does not compute the same" in answer["summary"]["recommendation"]
    row = next(line for line in _table(tmp_path).splitlines() if line.startswith("| ~~wrong~~ [2]"))
    assert "| 5.99 ms (" in row and "no verdict [3]" in row
    assert "2. wrong is not ranked: it does not compute the same as the reference (scripted fail)" in _table(tmp_path)


def test_the_nearest_rival_s_verdict_stands_for_the_others(tmp_path: Path) -> None:
    burn = ScriptedEngine("burn", ttft_ms=12.0, itl_ms=6.0, **SPREAD)
    words = _answer(tmp_path, [TORCH, CANDLE, burn])["summary"]["recommendation"]
    assert "Take candle for the shortest answers in latency_test: candle answers 1." in words
    assert "times as fast as burn" in words
    assert "Its lead over torch is larger and equally certain." in words
    assert words.count("times as fast as") == 1


def test_several_rivals_are_named_and_left_to_the_table(tmp_path: Path) -> None:
    noisy: dict[str, Any] = {"launch_spread": 0.05, "iteration_spread": 0.05}
    engines = [ScriptedEngine(name, **noisy) for name in ("torch", "candle", "burn")]
    words = _answer(tmp_path, engines)["summary"]["recommendation"]
    assert "The data do not say which of" in words
    assert "times as fast" not in words and len(words) < 700


@pytest.mark.parametrize(("iterations", "said"), [(1, "1 iteration"), (2, "the median of 2 iterations"), (3, None)])
def test_too_few_iterations_for_a_median_are_told(tmp_path: Path, iterations: int, said: str | None) -> None:
    _answer(tmp_path, [TORCH, CANDLE], ScriptedWorkload(iterations=iterations))
    warnings = json.loads((tmp_path / "analysis" / "statistical_summary.json").read_text())["warnings"]
    found = [warning["message"] for warning in warnings if warning["kind"] == "few_iterations"]
    assert bool(found) == (said is not None)
    assert said is None or (said in found[0] and said in _table(tmp_path))


def test_the_table_leads_with_the_answer_and_shows_each_pair_from_both_sides(tmp_path: Path) -> None:
    burn = ScriptedEngine("burn", ttft_ms=12.0, itl_ms=6.0, **SPREAD)
    answer = _answer(tmp_path, [TORCH, CANDLE, burn])["answer"]
    lines = _table(tmp_path).splitlines()
    assert lines[2] == answer["sentence"] and f"- {answer['workloads'][0]['sentence']}" in lines[:8]
    matrix = {
        line.split("|")[1].strip(): line for line in lines if line.startswith("|") and ("▲" in line or "▼" in line)
    }
    assert "▲▲ 1.9" in matrix["candle"] or "▲▲ 2.0" in matrix["candle"]
    assert matrix["torch"].count("▼▼ 0.") == 2


def test_a_pair_whose_tests_point_in_opposite_directions_is_ahead_from_neither_side(tmp_path: Path) -> None:
    burn = ScriptedEngine("burn", ttft_ms=12.0, itl_ms=6.0, **SPREAD)
    answer = _answer(tmp_path, [TORCH, CANDLE, burn])["answer"]
    summary = json.loads((tmp_path / "analysis" / "statistical_summary.json").read_text())
    for one in summary["comparisons"]:
        one |= {"verdict": "significant_unconfirmed", "faster": None}
    table = comparison_table(json.loads((tmp_path / "plan.json").read_text()), Results(summary), answer)
    matrix = table.partition("| times as fast as |")[2].partition("\n\n")[0]
    assert matrix.count("△▽ ") == 6 and matrix.count("△") == 6
    assert "one of the two may be faster: not confirmed" in table and "None" not in table


def test_the_table_says_what_the_answer_is_subject_to_and_tells_it_once(tmp_path: Path) -> None:
    answer = _answer(tmp_path, [TORCH, CANDLE], quick=True)["answer"]
    assert _table(tmp_path).count("This is a quick look") == 1
    assert _table(tmp_path).count(answer["sentence"]) == 1


def test_a_footnote_that_holds_for_several_test_cases_is_told_once_under_one_number(tmp_path: Path) -> None:
    absent = ScriptedEngine("absent", unavailable="no compiler was found")
    _answer(tmp_path, [TORCH, CANDLE, absent], ScriptedWorkload("short"), ScriptedWorkload("long", cases=((8, 30),)))
    lines = _table(tmp_path).splitlines()
    (note,) = (line for line in lines if line.endswith("absent: no measurement, since no compiler was found"))
    number = note.partition(".")[0]
    assert sum(line.startswith(f"| absent [{number}] |") for line in lines) == 2
    numbers = [line.partition(".")[0] for line in lines if line.partition(". ")[0].isdigit()]
    assert numbers == [str(place) for place in range(1, len(numbers) + 1)]
