"""A whole campaign on a GPU that a stub of NVML plays, from a recording that is made up here."""

from __future__ import annotations

import copy
import itertools
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_runner.build.adapter import find_tool
from benchmark_runner.jsonio import read_json
from gpu_stub_case import build_stub
from tiny_campaign import CONFIG, Campaign, fake
from tiny_model import make_tiny_model

pytestmark = pytest.mark.workflow

TURNS = ((0, 60, 0), (100, 60, 5), (200, 240, 90), (400, 280, 97), (450, 250, 97), (700, 260, 96), (900, 90, 40))
"""Milliseconds, watts and percent of one period: idle, prefill, decode. Nobody measured them."""
ROWS = (*TURNS, (1000, *TURNS[0][1:]))
RENEWED_MS = 50
"""Of the driver's counter of energy, which stands still in between."""
MEMORY_BYTES = 2000 * 1024 * 1024
ITERATIONS = 60
"""Of a launch, of 11 tokens each."""


def joules_until(moment_ms: float) -> float:
    """The recording's energy from time 0 of the clock on, by trapezoids."""
    periods, left = divmod(moment_ms, ROWS[-1][0])
    whole = part = 0.0
    for (begin, before, _), (end, after, _) in itertools.pairwise(ROWS):
        whole += (before + after) / 2 * (end - begin) / 1e3
        share = min(1.0, max(0.0, (left - begin) / (end - begin)))
        part += (before + (after - before) * share / 2) * share * (end - begin) / 1e3
    return periods * whole + part


def recording() -> Iterator[str]:
    """The period as the stub reads it, a row each time at which the counter is renewed."""
    times_ms, *readings = zip(*ROWS, strict=True)
    for at_ms in range(0, times_ms[-1] + 1, RENEWED_MS):
        yield " ".join(f"{value:g}" for value in (at_ms, *(np.interp(at_ms, times_ms, one) for one in readings))) + "\n"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    compiler = find_tool("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("gpu")
    build_stub(compiler, folder / "libnvidia-ml.so.1")
    (folder / "recording").write_text("".join(recording()), encoding="utf-8")
    make_tiny_model(folder / "models" / "tiny")
    config: dict[str, Any] = copy.deepcopy(CONFIG)
    config["benchmark"] |= {"launches": 2, "control": False}
    config["engines"] = [fake("slow"), fake("fast")]
    config["workloads"] = [config["workloads"][0] | {"iterations": 2 * ITERATIONS}]
    config["system"] |= {"device": "cuda"}
    campaign = Campaign(folder, config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_LIBRARY_PATH", str(folder))
        patch.setenv("NVML_RECORDING", str(folder / "recording"))
        patch.setenv("NVML_REFUSES", "nvmlDeviceGetClockInfo")
        result = campaign.snakemake()
    assert result.status == 0, result.words
    return campaign


def events(record: Path) -> list[dict[str, Any]]:
    lines = map(json.loads, (record.parent / "events.jsonl").read_text(encoding="utf-8").splitlines())
    return [event for event in lines if event["event"] == "iteration" and not event["warmup"]]


def by_hand(campaign: Campaign, engine: str) -> float:
    """Joules a token of an engine, typical over its launches."""
    found = []
    for record in campaign.out.glob(f"launches/{engine}/*/*/record.json"):
        iterations = events(record)
        window_ms = [time_ns / 1e6 for time_ns in (iterations[0]["start_ns"], iterations[-1]["end_ns"])]
        tokens = sum(len(iteration["token_ns"]) for iteration in iterations)
        found.append((joules_until(window_ms[1]) - joules_until(window_ms[0])) / tokens)
    assert len(found) == 2
    return math.sqrt(math.prod(found))


def text_of(campaign: Campaign) -> str:
    page = (campaign.out / "report.html").read_text(encoding="utf-8")
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


@pytest.mark.parametrize("engine", ["slow", "fast"])
def test_the_energy_of_a_token_on_the_page_is_the_integral_of_the_recorded_power(measured, engine):
    row = next(
        found
        for found in re.findall(r"<tr.*?</tr>", (measured.out / "report.html").read_text(), re.DOTALL)
        if f">{engine}<" in found and "J/token" in found
    )
    shown = float(re.search(r"([\d.]+) J/token", row)[1])
    # A sample sees the counter renewed up to 20 ms late, and two may differ by that in a window of a second and a half.
    assert shown == pytest.approx(by_hand(measured, engine), rel=0.08)


def test_page_and_documents_tell_the_gpu_and_what_it_does_not_tell(measured):
    text = text_of(measured)
    assert "NVIDIA A100-SXM4-80GB · one request at a time" in text  # the masthead has what the launches ran on
    assert "NVIDIA A100-SXM4-80GB with 85.9 GB" in text
    assert "GPU memory, peak" in text and "2.10 GB" in text
    told = text[text.index("Not measured: ") :].partition("Next")[0]
    assert "GPU" not in told and "energy" not in told
    assert "GPU clock SM: NVML: Not Supported" in text
    statistics = read_json(measured.out / "analysis" / "statistical_summary.json")
    whole = [cell["metrics"] for cell in statistics["cells"] if cell["case"] is None]
    assert {metrics["peak_vram_bytes"]["max"] for metrics in whole} == {MEMORY_BYTES}
    assert all(20 < metrics["gpu_utilization_percent"]["mean"] < 90 for metrics in whole)


def test_tokens_a_joule_and_the_price_of_the_gpu_follow(measured):
    performance = read_json(measured.out / "analysis" / "performance_analysis.json")
    for one in performance["efficiency"]:
        assert one["tokens_per_joule"]["point"] == pytest.approx(1 / by_hand(measured, one["engine"]), rel=0.08)
    business = read_json(measured.out / "analysis" / "business_recommendations.json")
    priced = {row["price"]["price_id"] for row in business["costs"]}
    assert "gcp.a2-ultragpu-1g.us-east1.on_demand" in priced
    assert not any("a2-highgpu" in name for name in priced)  # that GPU has half the memory
