"""Settings of engines are compared by what their launches tell; what nothing tells is no difference."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.display import ABSENT
from benchmark_runner.jsonio import read_json
from benchmark_runner.statistics.inputs import EngineData, MeasuredLaunch, Measurements, engine_data
from benchmark_runner.statistics.settings import (
    WORK_SETTINGS,
    alike_workloads,
    compared_settings,
    differing_settings,
    footnote,
    settings_by_workload,
)
from benchmark_runner.statistics.work import Work
from records import ScriptedEngine, ScriptedWorkload, make_raw_data, write_results

SPREAD: dict[str, Any] = {"launch_spread": 0.01, "iteration_spread": 0.01}
TORCH = ScriptedEngine("torch", **SPREAD)
NOW = datetime(2026, 1, 5, tzinfo=UTC)
LOAD = {"device": "cpu", "threads": 2, "weights_dtype": "f32", "compute_dtype": "f32", "kv_cache_dtype": "f32"}


def launch(
    block: int, *, busy: int | None = 1, flags: str | None = None, status: str = "ok", **load: Any
) -> MeasuredLaunch:
    record = {
        "device": "cpu",
        "load": LOAD | load,
        "monitor": {"engine_busy_threads": busy},
        "build": {"flags": flags} if flags else None,
    }
    return MeasuredLaunch("e", "w", block, block, status, "host", "boot", NOW, NOW, record)


def engine(name: str, *launches: MeasuredLaunch) -> EngineData:
    return EngineData(name, None, launches, (), (), {"result": "pass"})


def differing(a: EngineData, b: EngineData) -> dict[str, tuple[Any, Any]]:
    found = differing_settings(compared_settings([a, b], "w"), a.name, b.name)
    return {entry["setting"]: (entry["engine"], entry["reference"]) for entry in found}


def test_engines_that_tell_the_same_differ_in_nothing() -> None:
    assert differing(engine("a", launch(1)), engine("b", launch(1))) == {}


@pytest.mark.parametrize(
    ("change", "setting", "words"),
    [
        ({"weights_dtype": "f16"}, "weights_dtype", "weights f32 / f16"),
        ({"compute_dtype": "bf16"}, "compute_dtype", "compute f32 / bf16"),
        ({"kv_cache_dtype": "f16"}, "kv_cache_dtype", "KV cache f32 / f16"),
    ],
)
def test_types_are_compared(change: dict[str, Any], setting: str, words: str) -> None:
    a, b = engine("a", launch(1)), engine("b", launch(1, **change))
    entries = compared_settings([a, b], "w")
    assert list(differing(a, b)) == [setting]
    assert footnote(differing_settings(entries, "a", "b")) == f"settings differ: {words}"


def test_kernels_batch_graph_and_flags_are_compared_where_both_tell_them() -> None:
    a = engine("a", launch(1, flags="profile release", batch_size=1, simd="avx2", compiled_graph=False))
    b = engine("b", launch(1, flags="-C target-cpu=native", batch_size=4, simd="avx512", compiled_graph=True))
    entries = compared_settings([a, b], "w")
    assert footnote(differing_settings(entries, "a", "b")) == (
        "settings differ: batch size 1 / 4, SIMD avx2 / avx512, compiled graph no / yes, "
        "build flags profile release / -C target-cpu=native"
    )


def test_what_one_does_not_tell_is_unknown_and_no_difference() -> None:
    told = engine("a", launch(1, flags="x", batch_size=1, simd="avx2", compiled_graph=True))
    silent = engine("b", launch(1, busy=None))
    assert differing(told, silent) == {}
    entries = {entry["setting"]: entry for entry in compared_settings([told, silent], "w")}
    assert entries["simd"]["values"] == {"a": "avx2", "b": None}
    assert entries["simd"]["differs"] is False


def test_threads_that_computed_count_before_those_that_are_told() -> None:
    assert differing(engine("a", launch(1, threads=1)), engine("b", launch(1, threads=4))) == {}
    seen = differing(engine("a", launch(1, busy=1)), engine("b", launch(1, busy=2)))
    assert seen == {"threads": (1, 2)}
    unseen = differing(engine("a", launch(1, busy=None, threads=1)), engine("b", launch(1, busy=2, threads=4)))
    assert unseen == {"threads_set_up": (1, 4)}


def test_one_disturbed_launch_does_not_change_the_threads_of_an_engine() -> None:
    steady = engine("a", *(launch(block, busy=busy) for block, busy in enumerate((2, 1, 2, 2, None), start=1)))
    assert differing(steady, engine("b", launch(1, busy=2))) == {}


def test_an_engine_whose_launches_disagree_shows_all_its_values() -> None:
    mixed = engine("a", launch(1, kv_cache_dtype="f16"), launch(2))
    assert differing(mixed, engine("b", launch(1))) == {"kv_cache_dtype": ("f16 and f32", "f32")}


def test_launches_that_did_not_end_well_tell_nothing() -> None:
    failed = engine("a", launch(1, status="failed", kv_cache_dtype="f16"))
    assert differing(failed, engine("b", launch(1))) == {}
    assert compared_settings([failed], "w") == []


def test_the_device_is_shown_and_left_to_the_reason_of_the_verdict() -> None:
    cpu, gpu = engine("a", launch(1)), engine("b", launch(1, device="cuda:0"))
    assert compared_settings([cpu, gpu], "w")[0]["values"] == {"a": "cpu", "b": "cuda"}
    assert compared_settings([cpu, gpu], "w")[0]["differs"] is True
    assert differing(cpu, gpu) == {}


def test_workloads_with_the_same_settings_stand_together() -> None:
    plain, other = [{"setting": "simd", "differs": False}], [{"setting": "simd", "differs": True}]
    by_workload = [
        {"workload": "w1", "settings": plain},
        {"workload": "w2", "settings": other},
        {"workload": "w3", "settings": plain},
        {"workload": "unmeasured", "settings": []},
    ]
    assert alike_workloads(by_workload) == [(["w1", "w3"], plain), (["w2"], other)]


def summary_of(folder: Path, *engines: ScriptedEngine) -> dict[str, Any]:
    write_results(folder, engines, launches=6)
    content: dict[str, Any] = read_json(folder / "analysis" / "statistical_summary.json")
    return content


def test_differing_settings_are_named_with_the_pair_and_once_among_the_warnings(tmp_path: Path) -> None:
    half = {"kv_cache_dtype": "f16"}
    candle = ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, busy_threads=2, loaded=half, **SPREAD)
    summary = summary_of(tmp_path, TORCH, candle)
    (one,) = [entry for entry in summary["comparisons"] if entry["kind"] == "primary"]
    assert (one["engine"], one["reference"]) == ("candle", "torch")
    assert one["footnote"] == "settings differ: threads 2 / 1, KV cache f16 / f32"
    assert "settings_differ" in one["qualifiers"]
    assert one["verdict"] == "meaningfully_faster"
    (warning,) = [entry for entry in summary["warnings"] if entry["kind"] == "settings_differ"]
    assert warning["message"] == (
        "engines computed with different settings: threads (torch 1, candle 2); KV cache (torch f32, candle f16)"
    )
    assert warning["remedy"].startswith("Set system.threads alike, or read the comparison")
    values = {entry["setting"]: entry for entry in summary["engine_settings"][0]["settings"]}
    assert values["threads"]["values"] == {"torch": 1, "candle": 2}
    assert values["simd"]["values"] == {"torch": None, "candle": None}
    assert [name for name, entry in values.items() if entry["differs"]] == ["threads", "kv_cache_dtype"]


def test_a_setting_that_no_key_sets_is_not_asked_for(tmp_path: Path) -> None:
    candle = ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, loaded={"kv_cache_dtype": "f16"}, **SPREAD)
    (warning,) = [
        entry for entry in summary_of(tmp_path, TORCH, candle)["warnings"] if entry["kind"] == "settings_differ"
    ]
    assert warning["remedy"].startswith("No key of the configuration sets them: read the comparison as")


def test_engines_with_the_same_settings_have_no_footnote(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, TORCH, ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, **SPREAD))
    assert [one["footnote"] for one in summary["comparisons"]] == [None] * len(summary["comparisons"])
    assert not any("settings_differ" in one["qualifiers"] for one in summary["comparisons"])
    assert not any(entry["kind"] == "settings_differ" for entry in summary["warnings"])


def test_a_case_that_one_engine_did_not_measure_is_no_difference_in_work() -> None:
    engines = [ScriptedEngine(name) for name in ("torch", "burn")]
    raw, plan = make_raw_data(engines, [ScriptedWorkload("chat", ((8, 9), (8, 4)))], launches=2)
    inputs = Measurements(plan, {name: engine_data(content, None) for name, content in raw.items()})
    done = {("torch", "chat", "case_1"): Work(8, 9), ("burn", "chat", "case_1"): Work(8, 9)}
    done["torch", "chat", "case_2"] = Work(8, 4)
    (entries,) = settings_by_workload(inputs, done).values()
    assert not {one["setting"] for one in entries} & set(WORK_SETTINGS)
    assert differing_settings(entries, "torch", "burn") == []
    done["burn", "chat", "case_1"] = Work(8, 7)
    (entries,) = settings_by_workload(inputs, done).values()
    (answers,) = [one for one in entries if one["setting"] in WORK_SETTINGS]
    assert answers["values"] == {"torch": "9, 4", "burn": f"7, {ABSENT}"}
    assert [one["setting"] for one in differing_settings(entries, "torch", "burn")] == ["answer_tokens"]
