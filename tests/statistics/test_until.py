"""A campaign until decided at its looks: what they decide, what stands, what goes on, when it ends."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.statistics import decide
from benchmark_runner.statistics.evidence import Pair, weigh
from benchmark_runner.statistics.planned import GIVE_UP_BELOW, PlannedLook
from benchmark_runner.statistics.schemes import SCHEMES
from benchmark_runner.statistics.until import chance_to_decide
from benchmark_runner.statistics.verdicts import judge_evidence
from records import ScriptedEngine, make_raw_data, record_path_of, run_analysis, write_inputs

LOOKS = (PlannedLook(5, 0.2), PlannedLook(9, 0.2), PlannedLook(13, 0.4))
SPREAD: dict[str, Any] = {"launch_spread": 0.02, "iteration_spread": 0.01}
TORCH = ScriptedEngine("torch", **SPREAD)
TWIN = ScriptedEngine("twin", control_of="torch", **SPREAD)
NEAR = ScriptedEngine("near", ttft_ms=21.2, itl_ms=10.6, **SPREAD)
FAR = ScriptedEngine("far", ttft_ms=8.0, itl_ms=4.0, **SPREAD)
UNTIL = {"at_most": 13, "give_up_below": GIVE_UP_BELOW, "looks": [look._asdict() for look in LOOKS]}


def looked_at(
    folder: Path,
    launches: int,
    *,
    engines: Sequence[ScriptedEngine] = (TORCH, NEAR, FAR, TWIN),
    dropped: str = "",
    after: int = 0,
    absent: Collection[int] = (),
) -> Any:
    """statistical_summary.json after so many launches; an engine may be left out after some, and records be absent."""
    raw, plan = make_raw_data(
        engines, launches=launches, output_dir=str(folder), analysis={"significance_test": "paired_t"}
    )
    plan["campaign"]["until"] = UNTIL
    plan["order"] = [row for row in plan["order"] if not (row["engine"] == dropped and row["block"] > after)]
    for name, content in raw.items():
        content["launches"] = [record for record in content["launches"] if name != dropped or record["block"] <= after]
    write_inputs(folder, engines, raw, plan)
    for block in absent:
        record_path_of(folder, next(one for one in raw["near"]["launches"] if one["block"] == block)).unlink()
    run_analysis(folder, engines, plan)
    return json.loads((folder / "analysis" / "statistical_summary.json").read_text())


def pair(summary: Any, engine: str, reference: str) -> Any:
    return next(
        one
        for one in summary["comparisons"]
        if (one["kind"], one["engine"], one["reference"]) == ("primary", engine, reference)
    )


def test_the_next_group_measures_what_is_not_decided_and_the_control(tmp_path: Path) -> None:
    until = looked_at(tmp_path, 5)["until"]
    assert (until["look"], until["ended"]) == (5, None)
    assert {cell["engine"] for cell in until["cells"]} == {"torch", "near", "twin"}
    assert [(one["engine"], one["reference"]) for one in until["open"]] == [("near", "torch")]
    assert until["sentence"] == (
        "2 of 3 comparisons decided after 5 of at most 13 launches; going on to 9 with torch, near, twin"
    )


def test_what_an_earlier_look_has_shown_stands_as_it_was_shown(tmp_path: Path) -> None:
    first = pair(looked_at(tmp_path, 5), "far", "torch")
    later = pair(summary := looked_at(tmp_path, 9, dropped="far", after=5), "far", "torch")
    for key in ("verdict", "faster", "alpha", "look", "launches", "ratio", "simultaneous", "against_baseline"):
        assert later[key] == first[key]
    assert later["launches"]["engine"] == 5 and later["alpha"] == pytest.approx(0.05 * 0.2)
    assert pair(summary, "near", "torch")["launches"]["engine"] == 9


def test_what_was_told_apart_no_longer_counts_in_the_correction_of_the_rest(tmp_path: Path) -> None:
    one = pair(looked_at(tmp_path, 9, dropped="far", after=5), "near", "torch")["tests"]["paired_t"]
    assert one["p_holm"] == pytest.approx(one["p"])


def test_a_campaign_ends_when_all_is_decided_and_says_what_was_not_needed(tmp_path: Path) -> None:
    until = looked_at(tmp_path, 9, dropped="far", after=5)["until"]
    assert until["ended"] == "decided" and until["cells"] == []
    assert (until["launches_not_needed"], until["launches_allowed"]) == (52 - 32, 52)
    said = json.loads((tmp_path / "summary.json").read_text())["summary"]["recommendation"]
    assert "Decided after 9 of at most 13 launches: 20 of 52 launches not needed." in said


def test_an_alarm_of_the_control_at_a_later_look_takes_certainty_from_what_stood(tmp_path: Path) -> None:
    even: dict[str, Any] = {"launch_spread": 0.003, "iteration_spread": 0.001}
    torch, near = ScriptedEngine("torch", **even), ScriptedEngine("near", ttft_ms=20.9, itl_ms=10.45, **even)
    later = {(block, index): 1.10 if block > 5 else 1.02 for block in range(1, 10) for index in range(5)}
    twin = ScriptedEngine("twin", control_of="torch", slow_iterations=later, launch_spread=0.015)
    engines = (torch, near, ScriptedEngine("far", ttft_ms=8.0, itl_ms=4.0, **even), twin)
    assert pair(looked_at(tmp_path / "first", 5, engines=engines), "near", "torch")["verdict"] == "meaningfully_faster"
    summary = looked_at(tmp_path / "second", 9, engines=engines)
    assert summary["control"]["differs_in"]
    one = pair(summary, "near", "torch")
    assert one["verdict"] == "significant_unconfirmed" and "control_differs" in one["qualifiers"]
    assert one["launches"]["engine"] == 9
    assert (
        pair(summary, "far", "torch")["launches"]["engine"] == 5
    )  # twice as fast is more than the control's difference


def test_one_engine_has_nothing_to_decide_and_ends_after_its_first_group(tmp_path: Path) -> None:
    until = looked_at(tmp_path, 5, engines=(TORCH, TWIN))["until"]
    assert (until["ended"], until["sentence"]) == ("decided", "there is no pair of engines to decide about")


def test_between_two_looks_nothing_is_decided_for_good(tmp_path: Path) -> None:
    summary = looked_at(tmp_path, 9, absent=[8])
    assert summary["until"]["look"] is None and summary["until"]["ended"] is None
    assert pair(summary, "near", "torch")["alpha"] == pytest.approx(0.05 * 0.1)
    with pytest.raises(BenchmarkError, match="tells of no planned look; run the same command again"):
        decide.main(
            ["--statistics", str(tmp_path / "analysis" / "statistical_summary.json"), "--out", str(tmp_path / "d.json")]
        )


def test_the_decision_is_the_section_of_the_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    until = looked_at(tmp_path, 5)["until"]
    out = tmp_path / "until" / "abc.5.json"
    assert (
        decide.main(["--statistics", str(tmp_path / "analysis" / "statistical_summary.json"), "--out", str(out)]) == 0
    )
    assert json.loads(out.read_text()) == until
    assert [one["words"].split(" (")[0] for one in until["open"]] == ["near against torch"]
    assert "is not decided yet" in until["open"][0]["words"]
    assert until["sentence"] in capsys.readouterr().out


def chance(mean: float, spread: float, launches: int) -> float:
    """Chance that 20 launches decide a pair that was seen so."""
    pattern = np.resize([1.0, -1.0], launches)
    logs = mean + spread * pattern / np.std(pattern, ddof=1) - spread * np.mean(pattern)
    seen = Pair("b", "a", np.exp(logs), np.ones(launches), sign=1.0)
    scheme = SCHEMES["paired_t"]
    (judged,) = judge_evidence([seen], [weigh(seen, 0.95)], 0.95, scheme)
    return chance_to_decide(judged, 20, 0.02, 1)


def test_the_chance_of_a_verdict_follows_what_was_seen() -> None:
    assert chance(0.10, 0.04, 8) > 0.95
    assert chance(0.0, 0.04, 12) < GIVE_UP_BELOW
    assert chance(0.0, 0.005, 8) > 0.95  # equivalent
    assert chance(0.02, 0.04, 8) < chance(0.03, 0.04, 8) < chance(0.04, 0.04, 8)
    assert chance(0.0, 0.04, 4) > chance(0.0, 0.04, 8) > chance(0.0, 0.04, 16)


def test_a_pair_that_the_launches_allowed_would_not_decide_is_given_up_with_the_hours_it_would_take(
    tmp_path: Path,
) -> None:
    alike = ScriptedEngine("near", ttft_ms=20.0, itl_ms=10.0, launch_spread=0.06)
    until = looked_at(tmp_path, 9, engines=(TORCH, alike, FAR, TWIN), dropped="far", after=5)["until"]
    assert until["ended"] == "given_up" and until["open"][0]["given_up"]
    assert until["open"][0]["words"].startswith("near against torch (latency_test) is given up: it would take")
    assert "the rest would be decided by further launches with a chance below 5 % each" in until["sentence"]
    said = json.loads((tmp_path / "summary.json").read_text())["summary"]["recommendation"]
    words = until["open"][0]["words"]
    assert f" {words}." in said


def test_a_server_that_is_never_restarted_is_given_up_at_the_first_look(tmp_path: Path) -> None:
    engines = (TORCH, NEAR, FAR, TWIN)
    raw, plan = make_raw_data(engines, launches=5, output_dir=str(tmp_path), analysis={"significance_test": "paired_t"})
    plan["campaign"]["until"] = UNTIL
    plan["engines"][2]["server"] = {"running": {"base_url": "http://127.0.0.1:9", "api_key_env": None}}
    write_inputs(tmp_path, engines, raw, plan)
    run_analysis(tmp_path, engines, plan)
    until = json.loads((tmp_path / "analysis" / "statistical_summary.json").read_text())["until"]
    given_up = {(one["engine"], one["reference"]): one["given_up"] for one in until["open"]}
    assert given_up == {("near", "torch"): False, ("far", "torch"): True, ("far", "near"): True}
    assert {one["engine"] for one in until["cells"]} == {"torch", "near", "twin"}
