"""The answer document: leading groups, what is sure first, one command for the rest, and what failed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.performance.answer import answer
from benchmark_runner.schemas import require_valid
from benchmark_runner.statistics.results import Results
from records import ScriptedEngine, ScriptedWorkload, make_raw_data, run_analysis, write_inputs, write_results

QUIET: dict[str, Any] = {"launch_spread": 0.01, "iteration_spread": 0.01}
LOUD: dict[str, Any] = {"launch_spread": 0.06, "iteration_spread": 0.01}
AUDIBLE: dict[str, Any] = {**QUIET, "launch_spread": 0.03}
"""Less than a difference of 3 % takes an affordable number of launches."""
SLOW = ScriptedEngine("slow", ttft_ms=40.0, itl_ms=20.0, **QUIET)
QUICK = ScriptedEngine("quick", **QUIET)
GONE = "unavailable"


def told(folder: Path, engines: Sequence[ScriptedEngine], *workloads: ScriptedWorkload, **options: Any) -> Any:
    write_results(folder, engines, workloads or (ScriptedWorkload(),), **{"launches": 8, **options})
    summary = read_json(folder / "summary.json")
    require_valid("summary", summary, "the summary")
    assert summary["answer"] == read_json(folder / "analysis" / "performance_analysis.json")["answer"]
    return summary["answer"]


def lost(name: str, launches: int = 8, **options: Any) -> ScriptedEngine:
    statuses = {("latency_test", block): GONE for block in range(1, launches + 1)}
    return ScriptedEngine(name, statuses=statuses, **{**QUIET, **options})


def test_the_leading_group_holds_what_no_engine_is_confirmed_to_beat(tmp_path: Path) -> None:
    near = [ScriptedEngine(name, ttft_ms=20.0, itl_ms=10.0, **LOUD) for name in ("one", "two")]
    found = told(tmp_path, [SLOW, *near])
    (cell,) = found["workloads"]
    assert sorted(cell["leading"]) == ["one", "two"] and cell["word"] == "shared"
    assert [row["engine"] for row in cell["engines"] if row["leading"]] == cell["leading"]
    assert cell["next_behind"]["engine"] == "slow" and 1.7 < cell["next_behind"]["behind"] < 2.3
    rows = {row["engine"]: row for row in cell["engines"]}
    assert rows["slow"]["ratio_to_baseline"] is None and rows["one"]["ratio_interval"][0] > 1.5


def test_what_is_sure_comes_first_and_one_command_for_what_is_not(tmp_path: Path) -> None:
    near = [
        ScriptedEngine("one", ttft_ms=20.0, itl_ms=10.0, **AUDIBLE),
        ScriptedEngine("two", ttft_ms=20.6, itl_ms=10.3, **AUDIBLE),
    ]
    found = told(tmp_path, [SLOW, *near])
    assert re.match(
        r"(one and two|two and one) answer (1\.9\d|2\.0\d)( to 2\.0\d)? times as fast as slow in latency_test\. ",
        found["sentence"],
    )
    assert "times as fast as" in found["not_sure"] and "which of them is best is not confirmed" in found["not_sure"]
    decide = found["decide"]
    assert decide["launches"] > 8 and f"benchmark={{launches: {decide['launches']}}}" in decide["command"]
    assert f"{tmp_path}/campaign.yaml" in decide["command"]
    # Three engines whose launches take 20 s with 10 s between them.
    assert decide["minutes"] == pytest.approx((decide["launches"] - 8) * 3 * 30 / 60)


def test_launches_for_a_joined_campaign_are_measured_in_its_first_folder_and_joined_as_before(tmp_path: Path) -> None:
    near = [
        ScriptedEngine("one", ttft_ms=20.0, itl_ms=10.0, **AUDIBLE),
        ScriptedEngine("two", ttft_ms=20.6, itl_ms=10.3, **AUDIBLE),
    ]
    told(tmp_path, [SLOW, *near])
    summary, plan = read_json(tmp_path / "analysis" / "statistical_summary.json"), read_json(tmp_path / "plan.json")
    folders = [
        {"folder": name, "machines": {}, "blocks": blocks} for name, blocks in (("apart/a b", 5), ("apart/c", 3))
    ]
    plan["campaign"] |= {"launches": 8, "joined": {"folders": folders, "unlike": "cores: 2 here, 4 there"}}
    found = answer(Results(summary), plan)["decide"]
    assert found["command"] == (
        f"snakemake --cores 1 launches --resources gpu=1 --configfile {tmp_path}/campaign.yaml "
        f"--config 'benchmark={{launches: {found['launches'] - 8 + 5}}}' output_dir='apart/a b' && snakemake --cores 1 "
        f"join --config folders='apart/a b,apart/c' output_dir={tmp_path} unlike_machines=true"
    )


def test_a_number_of_launches_that_tells_a_part_of_the_pairs_is_named_before_the_one_that_tells_all(
    tmp_path: Path,
) -> None:
    engines = [SLOW, *(ScriptedEngine(name, ttft_ms=20.0, itl_ms=10.0, **LOUD) for name in ("one", "two", "three"))]
    told(tmp_path, engines)
    summary, plan = read_json(tmp_path / "analysis" / "statistical_summary.json"), read_json(tmp_path / "plan.json")
    first, *others = answer(Results(summary), plan)["workloads"][0]["leading"]
    assert len(others) == 2

    def decide(*needed: int | None) -> Any:
        for one in summary["comparisons"]:
            for other, launches in zip(others, needed, strict=True):
                if one["metric"] == "e2e_ms" and {one["engine"], one["reference"]} == {first, other}:
                    one |= {"verdict": "inconclusive", "launches_needed": launches}
        return answer(Results(summary), plan)["decide"]

    near, far = others
    # Four engines whose launches take 20 s with 10 s between them: two minutes a block.
    assert (decide(14, 60)["launches"], decide(14, 60)["minutes"]) == (14, pytest.approx(12.0))
    assert "benchmark={launches: 14}" in decide(14, 60)["command"]
    begin = "About 14 launches each instead of 8 (about 12 min more) would tell"
    assert decide(14, 60)["sentence"] == (
        f"{begin} {first} from {near} in latency_test, with 80 % power if they differ as seen. "
        f"To tell {first} from {far} in latency_test takes about 60 (about 1.7 h more)."
    )
    assert decide(60, 60)["sentence"].endswith("with 80 % power if they differ as seen.")
    for beyond in (None, 400):
        found = decide(14, beyond)
        assert found["launches"] == 14 and found["sentence"].startswith(begin)
        assert found["sentence"].endswith(
            f" No affordable number of launches would tell {first} from {far} in latency_test."
        )
    assert decide(400, 400) is None
    assert answer(Results(summary), plan)["not_sure"].endswith(
        f"No affordable number of launches would tell {first} from {near} and {far} in latency_test."
    )
    assert decide(8, 8)["launches"] == 9
    assert decide(None, None) is None
    quieter = "Other programs disturbed so many launches that fewer may do without them."
    summary["warnings"].append({"kind": "few_undisturbed"})
    assert decide(60, 60)["sentence"].endswith(f" if they differ as seen. {quieter}")
    assert decide(400, 400) is None and answer(Results(summary), plan)["not_sure"].endswith(
        f" in latency_test. {quieter}"
    )


def test_of_many_open_pairs_only_those_that_the_command_decides_are_named(tmp_path: Path) -> None:
    names = ("one", "two", "three", "four")
    near = [ScriptedEngine(name, ttft_ms=20.0, itl_ms=10.0, **LOUD) for name in names]
    workloads = (ScriptedWorkload("short", cases=((5, 2),)), ScriptedWorkload("long", cases=((5, 40),)))
    told(tmp_path, [SLOW, *near], *workloads)
    summary, plan = read_json(tmp_path / "analysis" / "statistical_summary.json"), read_json(tmp_path / "plan.json")
    needed = {}
    for one in answer(Results(summary), plan)["workloads"]:
        first, *others = one["leading"]
        numbers = (9, 30, 40) if one["workload"] == "short" else (61, 161, 170)
        for other, launches in zip(others, numbers, strict=True):
            needed[one["workload"], frozenset((first, other))] = launches
    for one in summary["comparisons"]:
        pair = one["workload"], frozenset((one["engine"], one["reference"]))
        if one["metric"] == "e2e_ms" and pair in needed:
            one |= {"verdict": "inconclusive", "launches_needed": needed[pair]}
    decide = answer(Results(summary), plan)["decide"]
    assert decide["launches"] == 9
    assert re.fullmatch(
        r"About 9 launches each instead of 8 \(about 5 min more\) would tell \w+ from \w+ in short, with 80 % power if "
        r"they differ as seen\. To tell 3 further pairs takes about 30 to 61 \(up to 4\.4 h more\)\. "
        r"No affordable number of launches would tell \w+ from \w+ and \w+ in long\.",
        decide["sentence"],
    )


def test_what_was_seen_is_told_where_launches_are_too_few_to_confirm_it(tmp_path: Path) -> None:
    near = ScriptedEngine("near", ttft_ms=40.2, itl_ms=20.1, **QUIET)
    found = told(tmp_path, [SLOW, QUICK, near], launches=3)
    assert found["sentence"] == "No difference in end-to-end latency between the engines was confirmed."
    seen = re.search(
        r"Seen, though not confirmed: quick (1\.9\d|2\.0\d) times as fast as (slow|near)\.", found["not_sure"]
    )
    assert seen and "too few launches: 3" in found["not_sure"]
    alike = told(tmp_path / "alike", [SLOW, near], launches=3)
    assert "Seen" not in alike["not_sure"]


def test_which_engine_is_best_may_depend_on_the_workload(tmp_path: Path) -> None:
    reader, writer = ScriptedEngine("reader", 5.0, 12.0, **QUIET), ScriptedEngine("writer", 25.0, 6.0, **QUIET)
    workloads = (ScriptedWorkload("short", cases=((5, 2),)), ScriptedWorkload("long", cases=((5, 40),)))
    found = told(tmp_path, [SLOW, reader, writer], *workloads)
    assert "Which engine is best depends on the workload" in found["sentence"]
    assert "reader answers fastest of all in short" in found["sentence"]
    assert "writer answers fastest of all in long" in found["sentence"]
    assert (found["not_sure"], found["decide"]) == (None, None)


def test_the_first_token_separates_engines_that_answer_equally_fast(tmp_path: Path) -> None:
    engines = [ScriptedEngine("writer", 20.0, 10.0, **LOUD), ScriptedEngine("reader", 5.0, 11.5, **LOUD)]
    (cell,) = told(tmp_path, engines)["workloads"]
    by_metric = {one["metric"]: one for one in cell["separates"]}
    assert cell["word"] == "open" and (by_metric["ttft_ms"]["engine"], by_metric["ttft_ms"]["sure"]) == ("reader", True)
    assert by_metric["ttft_ms"]["sentence"].startswith("reader has the lowest time to first token, ")


@pytest.mark.parametrize(("rss", "told_apart"), [(1_100_000_000, True), (1_001_000_000, False)])
def test_what_reads_alike_separates_no_engines(tmp_path: Path, rss: int, told_apart: bool) -> None:
    told(tmp_path, [ScriptedEngine("writer", **LOUD), ScriptedEngine("reader", peak_rss_bytes=rss, **LOUD)])
    summary = read_json(tmp_path / "analysis" / "statistical_summary.json")
    for one in summary["comparisons"]:
        if one["metric"] == "peak_rss_bytes":
            one |= {"verdict": "confirmed_faster", "faster": "writer"}
    (cell,) = answer(Results(summary), read_json(tmp_path / "plan.json"))["workloads"]
    assert ("peak_rss_bytes" in {one["metric"] for one in cell["separates"]}) == told_apart


@pytest.mark.parametrize(
    ("licences", "sentence"),
    [
        ({"writer": "MIT", "reader": "BSD-3-Clause"}, "{0}; {1} (a fact)."),
        ({"writer": "MIT", "reader": "MIT"}, None),
        ({"writer": "MIT"}, None),
        ({"writer": "MIT", "slow": "BSD-3-Clause"}, None),
    ],
)
def test_licences_that_differ_within_the_leading_group_are_told_as_a_fact(
    tmp_path: Path, licences: dict[str, str], sentence: str | None
) -> None:
    near = [ScriptedEngine(name, ttft_ms=20.0, itl_ms=10.0, **LOUD) for name in ("writer", "reader")]
    told(tmp_path, [SLOW, *near])
    statistics, plan = (read_json(tmp_path / name) for name in ("analysis/statistical_summary.json", "plan.json"))
    (cell,) = answer(Results(statistics), plan | {"licences": licences})["workloads"]
    found = [one for one in cell["separates"] if one["metric"] == "licence"]
    parts = [f"{name}: {licences.get(name)}" for name in cell["leading"]]
    words = sentence and f"Licences differ: {sentence.format(*parts)}"
    assert [one["sentence"] for one in found] == ([words] if words else [])
    assert all(one["sure"] and one["engine"] is None for one in found)
    write_json(tmp_path / "plan.json", plan | {"licences": licences})
    run_analysis(tmp_path, [SLOW, *near], read_json(tmp_path / "plan.json"))
    require_valid("summary", read_json(tmp_path / "summary.json"), "the summary")


def test_a_baseline_that_was_not_measured_is_told_first_and_gives_no_ratio(tmp_path: Path) -> None:
    found = told(tmp_path, [lost("base"), QUICK, SLOW])
    assert found["sentence"].startswith("The baseline base was not measured (unavailable): ")
    assert [row["ratio_to_baseline"] for row in found["workloads"][0]["engines"]] == [None] * 3
    assert found["workloads"][0]["leading"] == ["quick"] and found["measured"]
    summary = read_json(tmp_path / "summary.json")
    assert all(figures["speedup"] is None for figures in summary["comparison_matrix"].values())


def test_nothing_measured_is_the_first_sentence(tmp_path: Path) -> None:
    found = told(tmp_path, [lost("base"), lost("other")])
    assert found["sentence"].startswith("Nothing was measured, so there is no answer. The baseline base was not")
    assert not found["measured"] and found["workloads"][0]["word"] == "none"
    assert [one["engine"] for one in found["failed"]] == ["base", "other"]


def test_engines_that_are_missing_for_one_reason_are_told_in_one_sentence(tmp_path: Path) -> None:
    wrong = [ScriptedEngine(name, fidelity="fail", **QUIET) for name in ("wrong", "off")]
    sentence = told(tmp_path, [SLOW, QUICK, lost("gone"), lost("away"), *wrong])["sentence"]
    assert sentence.startswith("gone and away were not measured (unavailable): ")
    assert "wrong and off are left out: each does not compute the same as the reference" in sentence


def test_engines_that_beat_the_baseline_in_parts_are_told_together_where_more_than_two_fared_apart(
    tmp_path: Path,
) -> None:
    makes = {"early": (10.0, 20.77), "late": (40.0, 10.0), "middle": (10.0, 10.0), "slow": (40.0, 20.0)}
    engines = [ScriptedEngine(name, *times, **QUIET) for name, times in makes.items()]
    workloads = tuple(ScriptedWorkload(name, cases=((5, n),)) for name, n in (("a", 1), ("b", 2), ("c", 40)))
    words = told(tmp_path, [engines.pop(), *engines], *workloads)["sentence"]
    assert re.search(r"^middle answers [12]\.\d\d to (3\.9\d|4\.0\d) times as fast as slow in all 3 test cases", words)
    assert re.search(
        r"early and late answer 1\.\d\d to (3\.9\d|4\.0\d) times as fast as slow in some of 3 test cases", words
    )


def test_an_engine_of_another_computation_leads_nothing(tmp_path: Path) -> None:
    wrong = ScriptedEngine("wrong", ttft_ms=1.0, itl_ms=0.5, fidelity="fail", **QUIET)
    found = told(tmp_path, [SLOW, QUICK, wrong])
    assert found["workloads"][0]["leading"] == ["quick"]
    assert found["sentence"].startswith("wrong is left out: it does not compute the same as the reference")


def test_pairs_that_were_given_up_get_no_further_launches_and_one_count(tmp_path: Path) -> None:
    engines = [ScriptedEngine(name, ttft_ms=20.0, itl_ms=10.0, launch_spread=0.06) for name in ("base", "near")]
    raw, plan = make_raw_data(engines, launches=9, output_dir=str(tmp_path), analysis={"significance_test": "paired_t"})
    looks = [{"launches": 5, "share": 0.2}, {"launches": 9, "share": 0.2}, {"launches": 13, "share": 0.4}]
    plan["campaign"]["until"] = {"at_most": 13, "give_up_below": 0.05, "looks": looks}
    write_inputs(tmp_path, engines, raw, plan)
    run_analysis(tmp_path, engines, plan)
    statistics, summary = (read_json(tmp_path / name) for name in ("analysis/statistical_summary.json", "summary.json"))
    (given_up,) = statistics["until"]["open"]
    assert given_up["given_up"] and statistics["until"]["sentence"].startswith("none of 1 comparison decided, they")
    primary = next(one for one in statistics["comparisons"] if one["kind"] == "primary")
    assert given_up["launches_needed"] == primary["launches_needed"]
    assert summary["answer"]["decide"] is None
    assert "instead of" not in summary["summary"]["recommendation"]


def test_the_same_leading_group_in_another_order_is_told_once(tmp_path: Path) -> None:
    reader, writer = ScriptedEngine("reader", 19.0, 10.0, **LOUD), ScriptedEngine("writer", 21.5, 10.0, **LOUD)
    workloads = (ScriptedWorkload("short", cases=((5, 2),)), ScriptedWorkload("long", cases=((5, 40),)))
    found = told(tmp_path, [SLOW, reader, writer], *workloads)
    first, second = (cell["leading"] for cell in found["workloads"])
    assert first == list(reversed(second))
    assert "depends on the workload" not in found["sentence"]
    assert found["sentence"].count("the best is among") == 1 and "in short and long" in found["not_sure"].lower()
    assert found["not_sure"].count("not confirmed") == 1
    assert "To tell reader from writer in short takes about " in found["decide"]["sentence"]  # twice as many as long
    assert "would tell writer from reader in long, with" in found["decide"]["sentence"]


def test_an_engine_that_is_faster_here_and_slower_there_has_both_told_apart_by_a_comma(tmp_path: Path) -> None:
    mixed = ScriptedEngine("mixed", 5.0, 30.0, **QUIET)
    workloads = (ScriptedWorkload("short", cases=((5, 2),)), ScriptedWorkload("long", cases=((5, 40),)))
    sentence = told(tmp_path, [SLOW, mixed], *workloads)["sentence"]
    assert " times as fast as slow in short, and takes 1.44 times as long as slow in long" in sentence


def test_places_that_are_not_all_are_counted_among_all(tmp_path: Path) -> None:
    early = ScriptedEngine("early", ttft_ms=10.0, itl_ms=20.0, **QUIET)
    late = ScriptedEngine("late", ttft_ms=40.0, itl_ms=10.0, **QUIET)
    slow = ScriptedEngine("slow", ttft_ms=100.0, itl_ms=50.0, **QUIET)
    workload = ScriptedWorkload("chat", cases=((8, 2), (9, 2), (8, 3), (8, 31)))
    words = told(tmp_path, [slow, early, late], workload, launches=10)["sentence"]
    assert "early answers fastest of all in 3 of 4 test cases." in words
    assert "late answers fastest of all in chat, case_4." in words
    assert "times as fast as slow in all 4 test cases" in words
