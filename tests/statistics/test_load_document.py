"""statistical_summary.json of a campaign with load: metrics of stages, words that name the load, what is absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.schemas import violations
from benchmark_runner.statistics.__main__ import main
from benchmark_runner.statistics.inputs import Measurements, engine_data
from benchmark_runner.statistics.results import Cell, Results
from records import ScriptedEngine, ScriptedWorkload, make_raw_data, run_analysis, write_inputs
from scripted_load import LOAD_CALIBRATION
from stage_rows import closed, stages_of, with_load, write_stages

CALIBRATION = LOAD_CALIBRATION | {"ttft_bias_ms": {"p50": 0.1, "p99": 5.0}}
SLOW = {"launch_spread": 0.01, "iteration_spread": 0.02}


def summary_of(folder: Path, *, calibrated: bool = True, failed: int = 0) -> dict[str, Any]:
    """Three engines at 1 and 4 requests in flight: server yields twice the tokens of torch, and near is 8 % slower."""
    engines = [
        ScriptedEngine("torch", ttft_ms=50.0, itl_ms=5.0, **SLOW),
        ScriptedEngine("near", ttft_ms=54.0, itl_ms=5.4, **SLOW),
        ScriptedEngine("server", ttft_ms=20.0, itl_ms=2.0, launch_spread=0.01, iteration_spread=0.2),
    ]
    raw, plan = make_raw_data(engines, [ScriptedWorkload("serving", ((8, 4),) * 2, 12)], launches=8)
    write_inputs(folder, engines, raw, plan)
    run_analysis(folder, engines, plan)
    with_load(plan, closed(1, 4))
    (folder / "plan.json").write_text(json.dumps(plan))
    raw_files = [folder / "raw_data" / f"{engine.name}.json" for engine in engines]
    inputs = Measurements(plan, {name: engine_data(content, None) for name, content in raw.items()})
    rates = {"torch": 10.0, "near": 9.5, "server": 20.0}

    def row(name: str, level: float, block: int) -> dict[str, Any]:
        rate = rates[name] * level * (1 + 0.01 * (block % 3))
        lost = failed if name == "server" and level == 4 else 0
        return {
            "output_tokens_per_s": rate,
            "requests_per_s": rate / 4,
            "goodput_requests_per_s": rate / 8,
            "slo_met": level == 1 or name == "server",
            "failed": lost,
            "ok": 10 - lost,
        }

    stages = write_stages(folder / "analysis" / "stages.parquet", stages_of(inputs, row))
    (folder / "load_calibration.json").write_text(json.dumps(CALIBRATION))
    _rename(folder / "analysis" / "iterations.parquet")
    out = folder / "analysis" / "statistical_summary.json"
    known = ["--plan", str(folder / "plan.json"), "--raw", *map(str, raw_files), "--looks", str(folder / "looks.json")]
    known += ["--iterations", str(folder / "analysis" / "iterations.parquet"), "--stages", str(stages)]
    known += ["--load-calibration", str(folder / "load_calibration.json")] if calibrated else []
    assert main([*known, "--out", str(out)]) == 0
    content: dict[str, Any] = json.loads(out.read_text())
    return content


def _rename(table: Path) -> None:
    """Call the cases of the iterations as the levels are called."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    names = {"case_1": "c1", "case_2": "c4"}
    with pq.ParquetFile(table) as file:
        groups = [file.read_row_group(group) for group in range(file.num_row_groups)]
    with pq.ParquetWriter(table, groups[0].schema) as writer:
        for group in groups:
            place = group.schema.get_field_index("case")
            column = group.column("case")
            for before, after in names.items():
                column = pc.replace_substring(column, before, after)
            writer.write_table(group.set_column(place, "case", column), row_group_size=len(group))


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return summary_of(tmp_path_factory.mktemp("load"))


def compared(summary: dict[str, Any], metric: str, engine: str, case: str | None = "c4") -> dict[str, Any]:
    (found,) = (
        one
        for one in summary["comparisons"]
        if (one["metric"], one["case"], one["engine"], one["reference"]) == (metric, case, engine, "torch")
    )
    assert isinstance(found, dict)
    return found


def test_the_document_keeps_its_schema(summary: dict[str, Any]) -> None:
    assert violations("statistical_summary", summary) == []


def test_throughput_of_all_requests_is_compared_a_value_a_launch(summary: dict[str, Any]) -> None:
    one = compared(summary, "output_tokens_per_s", "server")
    assert one["ratio"]["point"] == pytest.approx(2.0) and one["kind"] == "exploratory"
    numbers = Results(summary).metric("server", Cell("serving", "c4"), "requests_per_s")
    assert numbers["launches"] == numbers["iterations"] == 8
    assert numbers["launch_medians"][0]["value"] == pytest.approx(20.0 * 4 * 1.01 / 4)
    assert numbers["undefined"]["autocorrelation"] == "a launch has one value of it"


def test_sentences_name_the_load(summary: dict[str, Any]) -> None:
    assert "torch with 4 requests in flight" in compared(summary, "e2e_ms", "server")["sentence"]
    assert "with 1 request in flight" in compared(summary, "ttft_ms", "server", "c1")["sentence"]
    decode = compared(summary, "decode_tokens_per_s", "server")["sentence"]
    assert decode.startswith("server decodes each request ")


def test_what_supposes_one_request_after_the_other_is_absent_with_its_reason(summary: dict[str, Any]) -> None:
    numbers = Results(summary).metric("server", Cell("serving", "c4"), "e2e_ms")
    for name in ("autocorrelation", "steady_state"):
        assert numbers[name] is None
        assert numbers["undefined"][name] == "requests overlap, so none simply follows another"
    assert numbers["outliers"] == {"flagged": 0, "of": 96}
    assert numbers["cv_within"] > 0.1 and not numbers["noisy"]
    assert not {one["kind"] for one in summary["warnings"]} & {"few_iterations", "few_measurements", "not_steady"}


def test_a_difference_below_the_clients_own_error_is_never_called_one(tmp_path: Path, summary: dict[str, Any]) -> None:
    near = compared(summary, "ttft_ms", "near")
    assert near["client_allowance"] == pytest.approx(0.1, rel=0.05)
    assert near["verdict"] == "significant_unconfirmed"
    assert "the load client's own error is up to 10 %" in near["sentence"]
    assert compared(summary, "output_tokens_per_s", "server")["client_allowance"] == 0.0
    sure = compared(summary, "ttft_ms", "server")
    assert sure["verdict"] == "meaningfully_faster" and "the client's error: " in sure["sentence"]
    unknown = summary_of(tmp_path, calibrated=False)
    assert compared(unknown, "ttft_ms", "near")["verdict"] == "meaningfully_faster"
    assert "client_uncalibrated" in {one["kind"] for one in unknown["warnings"]}
    assert unknown["load"]["calibration"] is None


def test_an_engine_that_fails_more_than_one_request_in_a_hundred_cannot_win(tmp_path: Path) -> None:
    found = summary_of(tmp_path, failed=1)
    one = compared(found, "e2e_ms", "server")
    assert one["verdict"] == "untestable" and "8 of its 80 requests failed" in one["reason"]
    assert compared(found, "e2e_ms", "server", "c1")["verdict"] == "meaningfully_faster"
    whole = compared(found, "peak_rss_bytes", "server", None)  # a launch that answered less needed less
    assert whole["verdict"] == "untestable" and "8 of its 80 requests failed" in whole["reason"]
    assert "failed_requests" in whole["qualifiers"]
    assert Results(found).unranked(Cell("serving", "c4"), "e2e_ms") == {"server": "8 of its 80 requests failed"}


def test_capacities_stand_in_the_document_with_their_comparison(summary: dict[str, Any]) -> None:
    rows = {row["engine"]: row for row in summary["capacity"]["engines"]}
    assert rows["server"]["capacity"]["text"] == "at least 4 requests in flight"
    assert rows["torch"]["capacity"]["text"] == "1 request in flight"
    verdicts = {
        (one["engine"], one["reference"]): one["verdict"]
        for one in summary["capacity"]["comparisons"]
        if one["quantity"] == "capacity"
    }
    assert verdicts == {
        ("near", "torch"): "inconclusive",
        ("server", "torch"): "confirmed_faster",
        ("server", "near"): "confirmed_faster",
    }


def test_a_campaign_without_load_has_none_of_it(tmp_path: Path) -> None:
    engines = [ScriptedEngine("torch")]
    raw, plan = make_raw_data(engines, launches=2)
    write_inputs(tmp_path, engines, raw, plan)
    run_analysis(tmp_path, engines, plan)
    found = json.loads((tmp_path / "analysis" / "statistical_summary.json").read_text())
    assert not {"capacity", "load"} & found.keys()
    assert "requests_per_s" not in found["metrics"]
    assert all("load" not in cell and "requests_per_s" not in cell["metrics"] for cell in found["cells"])
    assert all("client_allowance" not in one for one in found["comparisons"])
