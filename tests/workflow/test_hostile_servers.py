"""A campaign of servers that keep no rules beside one that does: they cost themselves alone, and all pages tell it."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmark_runner.jsonio import read_json
from own_project import copy_project, write_stub
from tiny_campaign import CONFIG, Campaign, Finished
from tiny_model import make_tiny_model

pytestmark = pytest.mark.workflow

FAULTS = ("hang", "cut", "status=500", "status=429", "nonsense", "error", "fewer", "withheld", "no_done", "usage=90")
HARMLESS = {"withheld", "no_done", "usage=90"}
"""What an answer is read well in spite of: its times, ids and end are told."""
TURNS = """
import sys
sys.path.insert(0, {scripts!r})
from itertools import cycle
from benchmark_runner.load import stub
from benchmark_runner.load.answers import modes_of

class Hostile(stub.Stub):
    turns = cycle({turns!r})

    def _request(self, body, *, chat):
        request = super()._request(body, chat=chat)
        return request if request.max_tokens == 1 else request._replace(modes=modes_of(next(self.turns)))

stub.Stub = Hostile
sys.exit(stub.main(sys.argv[1:]))
"""
LOAD = {"mode": "closed", "concurrency": 2, "requests": 20, "warmup_requests": 2, "timeout_seconds": 3}
MUTE_SECONDS = 6
TOKENS, GAP_MS = 6, 1


def write_hostile(project: Path, name: str, *turns: str) -> None:
    """A stub whose requests of more than one token get these faults in turn."""
    write_stub(project, name, "--ttft-ms=4", f"--gap-ms={GAP_MS}")
    main = TURNS.format(scripts=str(project / "workflow" / "scripts"), turns=list(turns))
    (project / "engines" / name / "main.py").write_text(main, encoding="utf-8")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Campaign, Finished]:
    project = tmp_path_factory.mktemp("project")
    copy_project(project)
    write_stub(project, "good", "--ttft-ms=12", f"--gap-ms={GAP_MS}")
    write_hostile(project, "hostile", *(turn for fault in FAULTS for turn in ("", fault)))
    write_stub(project, "mute", "--mode=hang")
    make_tiny_model(project / "models" / "tiny")
    config = copy.deepcopy(CONFIG)
    config["benchmark"] |= {"launches": 2, "control": False}
    config["engines"] = [
        {"name": name, "binary_path": f"target/release/{name}"} for name in ("good", "hostile", "mute")
    ]
    case = {"prompt_tokens": 8, "max_tokens": TOKENS}
    config["workloads"] = [
        {"name": "serving", "test_cases": [{**case, "load": LOAD}]},
        {"name": "alone", "test_cases": [case], "iterations": 4, "warmup_iterations": 0},
    ]
    config["system"] |= {"load_timeout_seconds": MUTE_SECONDS, "iteration_timeout_seconds": 3}
    config["analysis"] = {"generate_plots": False}
    campaign = Campaign(project, config, project)
    return campaign, campaign.snakemake()


def records(campaign: Campaign, engine: str, workload: str) -> list[dict[str, Any]]:
    return [read_json(path) for path in sorted(campaign.out.glob(f"launches/{engine}/{workload}.*/*/record.json"))]


def test_the_command_ends_well_and_has_the_report_of_the_engine_that_keeps_the_rules(ended):
    campaign, result = ended
    assert result.status == 0, result.words
    for workload in ("serving", "alone"):
        assert [record["status"] for record in records(campaign, "good", workload)] == ["ok", "ok"]
    table = pd.read_parquet(campaign.out / "analysis" / "stages.parquet")
    assert (table.loc[table["engine"] == "good", "failed"] == 0).all()
    answer = read_json(campaign.out / "summary.json")["answer"]
    ranked = {
        one["workload"]: [cell["engine"] for cell in one["engines"] if cell["ranked"]] for one in answer["workloads"]
    }
    assert ranked == {"serving": ["good"], "alone": ["good"]}
    assert "in serving good holds at least 2 requests in flight" in answer["sentence"]


def test_each_request_that_went_wrong_has_its_status_and_words(ended):
    campaign, _ = ended
    for record in records(campaign, "hostile", "serving"):
        assert (record["status"], record["reason"]) == ("ok", None)
        measured = [one for one in record["requests"] if one["phase"] == "measured"]
        told = Counter(f"{one['status']}: {one['error']}" for one in measured)
        assert told.pop("ok: None") == LOAD["requests"] - len(FAULTS) + len(HARMLESS)
        assert told == Counter(
            [
                "timeout: None",
                "cut: the connection ended within the answer",
                "error: HTTP 500: the stub was told to refuse",
                "refused: HTTP 429: the stub was told to refuse",
                "malformed: no JSON object: {no JSON",
                "error: the stub fails here",
                "malformed: usage says 6 tokens, but 3 ids came",
            ]
        )
        assert {len(one["token_ids"]) for one in measured if one["status"] == "ok"} == {TOKENS}
        (_withheld,) = [one for one in measured if one["chunk_tokens"] == [1, TOKENS - 1]]
        assert "requests_failed" in {one["kind"] for one in record["warnings"]}


def test_a_launch_in_which_nothing_more_comes_has_ended_by_the_limit_that_it_reached(ended):
    campaign, _ = ended
    for workload, engine, limit in (
        ("alone", "hostile", "system.iteration_timeout_seconds"),
        ("serving", "mute", "system.load_timeout_seconds"),
        ("alone", "mute", "system.load_timeout_seconds"),
    ):
        found = records(campaign, engine, workload)
        assert [record["status"] for record in found] == ["timeout", "timeout"]
        assert all(limit in record["reason"] for record in found)


def test_cells_of_failed_requests_have_their_qualifier_and_no_verdict(ended):
    campaign, _ = ended
    statistics = read_json(campaign.out / "analysis" / "statistical_summary.json")
    found = [one for one in statistics["comparisons"] if {one["engine"], one["reference"]} == {"good", "hostile"}]
    at_level = [one for one in found if one["case"] == "c2"]
    assert {"e2e_ms", "ttft_ms", "output_tokens_per_s", "goodput_requests_per_s"} <= {one["metric"] for one in at_level}
    for one in at_level:
        assert "failed_requests" in one["qualifiers"]
        assert one["reason"] == "hostile: 14 of its 40 requests failed"
    assert {one["verdict"] for one in found} == {"untestable"}
    assert "failed_requests" in {one["kind"] for one in statistics["warnings"] if one["engine"] == "hostile"}


def test_answer_table_page_and_terminal_tell_it(ended):
    campaign, result = ended
    told = (
        "14 of its 40 requests failed",
        f"mute was not measured (timeout): the engine had not loaded after {MUTE_SECONDS} s",
        "did not end ok",
    )
    pages = {name: (campaign.out / name).read_text(encoding="utf-8") for name in ("comparison_table.md", "report.html")}
    pages["answer"] = read_json(campaign.out / "summary.json")["answer"]["sentence"]
    pages["terminal"] = " ".join(result.words.split())  # whose lines are broken at its width
    for name, text in pages.items():
        assert [words for words in told if words not in text] == [], name
