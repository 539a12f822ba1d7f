"""Cost of servers that already ran: this machine's prices are theirs only where they ran on it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from benchmark_runner.business.demand import cost_optimization
from benchmark_runner.business.infrastructure import ELSEWHERE, FROM_ITS_RATE, cost_rows
from benchmark_runner.business.inputs import BusinessInputs
from benchmark_runner.business.prices import Catalogue

RATE = {"point": 50.0, "low": 48.0, "high": 52.0}
POOL = {"name": "chat", "requests_per_day": 864, "prompt_tokens": 8, "answer_tokens": 10}


def described(interval: dict[str, float]) -> dict[str, Any]:
    return {"unit": "", "launches": 5, "median": interval["point"], "median_interval": interval, "reason": None}


def inputs_of(*, process_here: bool) -> BusinessInputs:
    """A campaign of one server that already ran, whose memory no pass tells."""
    times = {"ttft_ms": 100.0, "tpot_ms": 20.0, "e2e_ms": 280.0}
    metrics = {name: described(dict.fromkeys(RATE, value)) for name, value in times.items()}
    metrics["total_tokens_per_s"] = described(RATE)
    metrics = {name: {**numbers, "without_outliers": None} for name, numbers in metrics.items()}
    work = {"prompt_tokens": 8.0, "answer_tokens": 10.0}
    place = {"engine": "ours", "workload": "chat"}
    launch = {**place, "case": None, "prompt_tokens": None, "answer_tokens": None}
    cells = [
        {**place, "case": "case_1", "metrics": metrics, **work},
        {**launch, "metrics": {"peak_rss_bytes": {"median": None}}},
    ]
    engine = {"name": "ours", "control_of": None, "device": "cpu", "reason": None, "remedy": None}
    engine |= {"fidelity": {"result": "text only", "detail": None}, "process_here": process_here}
    settings = {"confidence_level": 0.95, "remove_outliers": False}
    server = {"running": {"base_url": "https://there.example", "api_key_env": None}}
    return BusinessInputs(
        plan={
            "engines": [{"name": "ours", "server": server}],
            "config": {"business": {"usd_per_hour": 0.36, "demand": {"pools": [POOL]}}},
        },
        statistics={
            "engines": [engine],
            "cells": cells,
            "settings": settings,
            "campaign": {"baseline": "ours"},
            "comparisons": [],
        },
        performance={},
        environment={},
        manifest={},
        catalogue=Catalogue((), {}, {}),
        facts=[],
        now=datetime.datetime(2026, 11, 29, tzinfo=datetime.UTC),
    )


def test_a_server_elsewhere_has_no_price_of_this_machine_and_serves_no_fleet() -> None:
    inputs = inputs_of(process_here=False)
    (row,) = cost_rows(inputs, inputs.engines[0], {})
    assert (row["price"], row["reason"], row["remedy"]) == (None, ELSEWHERE, FROM_ITS_RATE)
    assert row["tokens_per_s"]["point"] == 50.0
    fleet = cost_optimization(inputs, {})
    assert fleet["fleet"] is None and fleet["ruled_out"][0]["reason"] == ELSEWHERE


def test_a_server_whose_process_was_found_here_has_this_machines_price() -> None:
    inputs = inputs_of(process_here=True)
    (row,) = cost_rows(inputs, inputs.engines[0], {})
    usd = row["usd_per_million_output_tokens"]["full_utilisation"]["point"]
    assert usd == pytest.approx(0.36 * 1e6 / (3600 * 50))
    assert cost_optimization(inputs, {})["fleet"]["machines"][0]["count"] == 1
