"""The table of iterations: each column is what the definitions say, worked by hand."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import simdjson

from benchmark_runner.records.parsed_iterations import read_iterations
from benchmark_runner.records.parsed_requests import read_requests
from benchmark_runner.records.tabulate import SCHEMA, launch_table, main, outlier_flags
from records import ScriptedEngine, ScriptedWorkload, make_raw_data
from scripted_launch import NS_PER_MS


def _record(workload: ScriptedWorkload, **engine: Any) -> dict[str, Any]:
    raw, _ = make_raw_data([ScriptedEngine("alpha", **engine)], [workload], launches=1)
    return raw["alpha"]["launches"][0]


def _frame(record: dict[str, Any], threshold: float = 2.0) -> pd.DataFrame:
    names = [f"case_{number + 1}" for number in range(len(record["spec"]["cases"]))]
    iterations = read_iterations(simdjson.Parser().parse(json.dumps(record["iterations"]).encode()))
    return launch_table(record, iterations, names, None, threshold).to_pandas()


def test_columns_follow_their_definitions() -> None:
    # 20 ms to the first of 11 tokens, 10 ms a token after it, 5 ms to the end; 8 prompt tokens.
    frame = _frame(_record(ScriptedWorkload(cases=((8, 11),), iterations=2, warmups=1), tail_ms=5.0))
    assert list(frame["warmup"]) == [True, False, False]
    assert list(frame["index"]) == [0, 0, 1]
    row = frame.iloc[1]
    assert row["ttft_ms"] == 20.0
    assert row["e2e_ms"] == 125.0
    assert row["tpot_ms"] == 10.0
    assert row["itl_ms"].tolist() == [10.0] * 10
    assert row["decode_tokens_per_s"] == 100.0
    assert row["prefill_tokens_per_s"] == 400.0
    assert row["total_tokens_per_s"] == 88.0
    assert (row["prompt_tokens"], row["tokens"]) == (8, 11)


def test_a_prompt_counts_as_long_as_the_engine_computed_it() -> None:
    record = _record(ScriptedWorkload(cases=((8, 11),), iterations=2, warmups=0))
    record["iterations"][1]["used_prompt_ids"] = list(range(40))
    frame = _frame(record)
    assert frame["prompt_tokens"].tolist() == [8, 40]
    assert frame["prefill_tokens_per_s"].tolist() == [400.0, 2000.0]


def test_one_token_has_no_time_between_tokens() -> None:
    frame = _frame(_record(ScriptedWorkload(cases=((8, 1),), iterations=1)))
    assert np.isnan(frame["tpot_ms"]).all()
    assert np.isnan(frame["decode_tokens_per_s"]).all()
    assert [len(gaps) for gaps in frame["itl_ms"]] == [0, 0]
    assert frame["ttft_ms"].tolist() == [20.0, 20.0]


def test_an_answer_without_tokens_has_no_first_token() -> None:
    record = _record(ScriptedWorkload(iterations=3))
    for number in (0, 2, 3):
        record["iterations"][number].update(token_ids=[], token_ns=[])
    frame = _frame(record)
    assert frame["ttft_ms"].isna().tolist() == [True, False, True, True]
    assert [len(gaps) for gaps in frame["itl_ms"]] == [0, 10, 0, 0]
    assert frame["total_tokens_per_s"].tolist()[0] == 0.0


def test_gaps_never_cross_from_one_iteration_to_the_next() -> None:
    record = _record(ScriptedWorkload(cases=((4, 3), (4, 1), (4, 2)), iterations=2, warmups=0), itl_ms=7.0)
    frame = _frame(record)
    assert [gaps.tolist() for gaps in frame["itl_ms"]] == [[7.0, 7.0], [], [7.0]] * 2
    assert list(frame["case"]) == ["case_1", "case_2", "case_3"] * 2


def test_no_time_at_all_gives_no_rate() -> None:
    frame = _frame(_record(ScriptedWorkload(iterations=1), ttft_ms=0.0, itl_ms=0.0))
    for column in ("decode_tokens_per_s", "prefill_tokens_per_s", "total_tokens_per_s"):
        assert frame[column].isna().all()


def test_outliers_are_flagged_by_hand_worked_deviation() -> None:
    # Mean 11, sample deviation sqrt(90/9) = 3.162; 20 lies 2.846 deviations off, the nines 0.632.
    values = np.array([10.0] * 9 + [20.0])
    assert outlier_flags(values, 2.8).tolist() == [False] * 9 + [True]
    assert outlier_flags(values, 2.9).tolist() == [False] * 10


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 900.0], [5.0, 5.0, 5.0]])
def test_few_or_equal_values_have_no_outliers(values: list[float]) -> None:
    assert not outlier_flags(np.array(values), 0.5).any()


def test_flagging_is_one_pass() -> None:
    # Without 1000 the value 30 would be far out; with it, it is not. A second pass would flag it.
    values = np.array([10.0, 10.1, 9.9, 10.0, 10.1, 9.9, 10.0, 30.0, 1000.0])
    assert outlier_flags(values, 2.0).tolist() == [False] * 8 + [True]


def test_outliers_are_looked_for_within_a_case_and_never_among_warmups() -> None:
    workload = ScriptedWorkload(cases=((8, 11), (8, 101)), iterations=8, warmups=2)
    record = _record(workload, slow_iterations={(1, 3): 5.0})
    frame = _frame(record)
    flagged = frame[frame["outlier"]]
    assert list(flagged["case"]) == ["case_1", "case_2"]
    assert set(flagged["index"]) == {3}
    assert not frame[frame["warmup"]]["outlier"].any()


def test_only_launches_that_ended_ok_are_tabulated_a_row_group_an_engine_and_workload(tmp_path: Path) -> None:
    engines = [ScriptedEngine("alpha", statuses={("latency_test", 2): "thermal_limit"}), ScriptedEngine("beta")]
    raw, _ = make_raw_data(engines, launches=3)
    # A launch that was ended for heat keeps the iterations before; they are not what the engine does.
    hot = next(one for one in raw["alpha"]["launches"] if one["status"] == "thermal_limit")
    fine = next(one for one in raw["alpha"]["launches"] if one["status"] == "ok")
    hot["iterations"], hot["spec"] = copy.deepcopy(fine["iterations"]), fine["spec"]
    files = []
    for name, content in raw.items():
        files.append(str(tmp_path / f"{name}.json"))
        Path(files[-1]).write_text(json.dumps(content))
    out = tmp_path / "iterations.parquet"
    assert main(["--raw", *files, "--outlier-threshold", "2.0", "--out", str(out)]) == 0
    table = pq.read_table(out)
    counts = table.to_pandas().groupby(["engine", "block"]).size()
    assert counts.to_dict() == {("alpha", 1): 5, ("alpha", 3): 5, ("beta", 1): 5, ("beta", 2): 5, ("beta", 3): 5}
    assert pq.ParquetFile(out).num_row_groups == 2
    assert list(tmp_path.glob(".*partial")) == []


def test_each_column_states_its_unit_and_meaning(tmp_path: Path) -> None:
    raw, _ = make_raw_data([ScriptedEngine("alpha")], launches=1)
    source, out = tmp_path / "alpha.json", tmp_path / "iterations.parquet"
    source.write_text(json.dumps(raw["alpha"]))
    main(["--raw", str(source), "--outlier-threshold", "2.5", "--out", str(out)])
    written = pq.read_schema(out)
    assert written.names == SCHEMA.names
    for field in written:
        assert field.metadata[b"description"]
        suffix = {"_ms": b"ms", "_ns": b"ns", "_per_s": b"tokens/s"}
        expected = next((unit for ending, unit in suffix.items() if field.name.endswith(ending)), None)
        if expected is not None:
            assert field.metadata[b"unit"] == expected
    assert written.metadata[b"outlier_threshold"] == b"2.5"


def test_a_campaign_without_any_launch_gives_an_empty_table(tmp_path: Path) -> None:
    raw, _ = make_raw_data([ScriptedEngine("alpha", unavailable="no compiler")], launches=2)
    source, out = tmp_path / "alpha.json", tmp_path / "iterations.parquet"
    source.write_text(json.dumps(raw["alpha"]))
    assert main(["--raw", str(source), "--outlier-threshold", "2.0", "--out", str(out)]) == 0
    assert pq.read_table(out).num_rows == 0


def test_times_keep_their_nanoseconds() -> None:
    record = _record(ScriptedWorkload(iterations=1, warmups=0))
    one = record["iterations"][0]
    one["end_ns"] = one["start_ns"] + 123 * NS_PER_MS + 456_789
    assert _frame(record)["e2e_ms"].tolist() == [123.456789]


def test_equal_values_whose_mean_rounds_are_no_outliers() -> None:
    for threshold in (0.5, 2.0):
        assert not outlier_flags(np.full(13, 0.1), threshold).any()


def _request(**changes: Any) -> dict[str, Any]:
    request = {
        "case": 0,
        "number": 0,
        "phase": "measured",
        "scheduled_ns": 1_000_000,
        "start_ns": 2_000_000,
        "written_ns": 2_000_000,
        "chunk_ns": [5_000_000, 9_000_000, 10_000_000],
        "chunk_tokens": [2, 1, 1],
        "token_ids": [1, 2, 3, 4],
        "stamp": "user",
        "shared_chunks": 0,
        "prompt_tokens": None,
        "completion_tokens": 4,
        "cached_tokens": None,
        "end_ns": 12_000_000,
        "finish": "length",
        "status": "ok",
        "error": None,
    }
    return request | changes


def _load_frame(requests: list[dict[str, Any]]) -> pd.DataFrame:
    head = {"engine": "a", "workload": "w", "block": 1, "position": 1, "spec": {"cases": [{"prompt_ids": [1] * 8}]}}
    return launch_table(head, read_requests(requests), ["c2"], None, 2.0).to_pandas()


def test_a_request_counts_from_when_it_was_due_to_its_last_chunk() -> None:
    row = _load_frame([_request()]).iloc[0]
    assert (row["start_ns"], row["ttft_ms"], row["e2e_ms"]) == (1_000_000, 4.0, 9.0)
    assert row["itl_ms"].tolist() == [4.0, 1.0]
    assert row["tpot_ms"] == 2.5  # 5 ms for the two tokens after those of the first chunk
    assert (row["prompt_tokens"], row["tokens"], row["status"], row["finish"]) == (8, 4, "ok", "length")


def test_tokens_are_the_ids_else_what_the_server_counts_else_the_chunks() -> None:
    counted = _request(token_ids=None, completion_tokens=7, prompt_tokens=9)
    bare = _request(token_ids=None, completion_tokens=None)
    frame = _load_frame([_request(), counted, bare])
    assert frame["tokens"].tolist() == [4, 7, 4] and frame["prompt_tokens"].tolist() == [8, 9, 8]
    assert frame["tpot_ms"].tolist() == [2.5, 1.0, 2.5]


def test_requests_that_failed_have_no_times_and_only_measured_ones_are_no_warm_up() -> None:
    cut = _request(number=1, status="cut", finish=None, completion_tokens=None, chunk_tokens=[1, 1, 1], token_ids=None)
    silent = _request(number=2, status="refused", finish=None, chunk_ns=[], chunk_tokens=[], token_ids=None)
    frame = _load_frame([_request(phase="warmup"), cut, silent, _request(number=3), _request(phase="filler")])
    assert frame["warmup"].tolist() == [True, False, False, False, True]
    assert frame["e2e_ms"].isna().tolist() == frame["ttft_ms"].isna().tolist() == [False, True, True, False, False]
    assert frame["tokens"].tolist() == [4, 3, 0, 4, 4] and frame["index"].tolist() == [0, 1, 2, 3, 0]
    assert [len(gaps) for gaps in frame["itl_ms"]] == [2, 0, 0, 2, 2]
    assert frame["status"].tolist() == ["ok", "cut", "refused", "ok", "ok"]


def test_none_of_a_load_is_an_outlier() -> None:
    late = _request(scheduled_ns=0, chunk_ns=[5_000_000, 9_000_000, 900_000_000], end_ns=900_000_000)
    assert not _load_frame([*([_request()] * 9), late])["outlier"].any()
