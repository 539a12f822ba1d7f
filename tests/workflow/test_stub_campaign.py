"""A whole campaign of a server whose delays, places and failures are known: they come out as arithmetic says."""

from __future__ import annotations

import copy

import pandas as pd
import pytest

from benchmark_runner.jsonio import read_json
from own_project import copy_project, write_stub
from stub_server import stub
from tiny_campaign import CONFIG, Campaign
from tiny_model import make_tiny_model

pytestmark = pytest.mark.workflow

TTFT_MS, GAP_MS, TOKENS, SERVERS = 20.0, 4.0, 6, 2
SERVICE_MS = TTFT_MS + (TOKENS - 1) * GAP_MS
FAILS_EVERY = 4
LEVELS = {"mode": "closed", "concurrency": [1, 2, 4], "requests": 12, "warmup_requests": 4, "timeout_seconds": 60}
SEARCH = {"mode": "closed", "search": "capacity", "search_up_to": 3, "search_seconds": 6, "requests": 12}
ARRIVALS = {"mode": "open", "requests_per_second": 20, "requests": 24, "seed": 0, "timeout_seconds": 60}


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Campaign:
    project = tmp_path_factory.mktemp("project")
    copy_project(project)
    delays = (f"--ttft-ms={TTFT_MS}", f"--gap-ms={GAP_MS}", f"--servers={SERVERS}")
    write_stub(project, "stub-server", *delays)
    write_stub(project, "failing-stub", *delays, "--mode=error", f"--every={FAILS_EVERY}")
    make_tiny_model(project / "models" / "tiny")
    config = copy.deepcopy(CONFIG)
    config["benchmark"] |= {"launches": 2, "control": False}
    config["engines"] = [
        {"name": name, "binary_path": f"target/release/{program}"}
        for name, program in (("stub", "stub-server"), ("failing", "failing-stub"))
    ]
    case = {"prompt_tokens": 8, "max_tokens": TOKENS}
    config["workloads"] = [
        {"name": "serving", "test_cases": [{**case, "load": LEVELS}]},
        {"name": "arrivals", "test_cases": [{**case, "load": ARRIVALS}]},
        {"name": "searched", "test_cases": [{**case, "load": SEARCH}]},
    ]
    config["analysis"] = {"slo": {"ttft_ms": 60_000, "tpot_ms": 60_000, "share": 0.85}}
    campaign = Campaign(project, config, project)
    with stub(f"--ttft-ms={3 * TTFT_MS}", f"--gap-ms={GAP_MS}") as port:
        running = {"base_url": f"http://127.0.0.1:{port}/v1", "model": "stub"}
        config["engines"].append({"name": "running", "openai_server": running})
        result = campaign.snakemake()
    assert result.status == 0, result.words
    return campaign


def levels(served: Campaign, engine: str) -> pd.DataFrame:
    table = pd.read_parquet(served.out / "analysis" / "stages.parquet")
    return table[table["engine"] == engine]


def test_no_level_yields_more_than_the_places_of_the_server_do(served):
    table = levels(served, "stub")
    assert (table["failed"] == 0).all()
    assert (table["cached_tokens"] == 0).all()
    for _, level in table[table["mode"] == "closed"].iterrows():
        places = min(level["concurrency"], SERVERS)
        assert level["measured"] == LEVELS["requests"]
        assert level["window_s"] >= LEVELS["requests"] * SERVICE_MS / 1000 / places


def test_no_request_is_faster_than_the_delays(served):
    table = pd.read_parquet(served.out / "analysis" / "iterations.parquet")
    well = table[table["status"] == "ok"]
    assert len(well) > 0
    assert (well["ttft_ms"] >= TTFT_MS).all()
    assert (well["e2e_ms"] >= SERVICE_MS).all()


def test_failed_requests_are_counted_and_miss_the_limits(served):
    table = levels(served, "failing")
    for _, level in table.iterrows():
        assert abs(level["failed"] - level["measured"] / FAILS_EVERY) <= 1
        assert level["goodput_requests_per_s"] == level["requests_per_s"]
    statistics = read_json(served.out / "analysis" / "statistical_summary.json")
    held = {(one["engine"], one["workload"]): one["capacity"]["text"] for one in statistics["capacity"]["engines"]}
    assert held["stub", "serving"] == "at least 4 requests in flight"
    assert held["stub", "arrivals"] == "at least 20 requests/s"
    assert held["failing", "serving"] == "less than 1 request in flight"
    assert held["stub", "searched"] == "at least 3 requests in flight"
    assert held["failing", "searched"] == "less than 1 request in flight"


def test_searched_levels_come_from_a_pilot_launch_of_each_engine_that_stays_apart(served):
    pilot, plan = read_json(served.out / "pilot" / "plan.json"), read_json(served.out / "plan.json")
    assert pilot["campaign"]["pilot"] is True
    assert [row["workload"] for row in pilot["order"]] == ["searched", "searched", "searched"]
    assert "pilot" not in plan["campaign"]
    found = {one["name"]: one for one in plan["workloads"]}["searched"]
    assert [case["load"]["concurrency"] for case in found["cases"]] == [1, 2, 3]
    (grid,) = found["search"]["cases"].values()
    told = {one["engine"]: (one["kept"], one["missed"]) for one in grid["engines"]}
    assert told == {"stub": (3, None), "failing": (None, 1), "running": (3, None)}
    launched = {path.parent for path in served.out.glob("launches/*/*/*/record.json")}
    assert len(launched) == len(plan["order"]) == 3 * 2 * 3
    assert served.snakemake("-n").jobs().keys() <= {"all"}


def test_passes_over_a_running_server_are_measured_and_never_called_certain(served):
    assert (levels(served, "running")["failed"] == 0).all()
    statistics = read_json(served.out / "analysis" / "statistical_summary.json")
    found = [one for one in statistics["comparisons"] if "running" in (one["engine"], one["reference"])]
    assert found
    assert not {one["verdict"] for one in found} & {"confirmed_faster", "meaningfully_faster", "equivalent"}
    assert all("not_restarted" in one["qualifiers"] for one in found)
    (told,) = [one for one in statistics["warnings"] if one["kind"] == "not_restarted"]
    assert told["engine"] == "running"
    for page in ("report.html", "comparison_table.md"):
        assert "was not restarted" in (served.out / page).read_text(encoding="utf-8")
