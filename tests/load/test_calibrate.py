"""What the client is said to add, from requests whose delays are known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json
from benchmark_runner.launch.machine_lock import VARIABLE
from benchmark_runner.load.calibrate import errors_of, most_streams
from benchmark_runner.load.client import Ran
from benchmark_runner.load.connection import Exchange
from benchmark_runner.load.stages import Planned
from benchmark_runner.load.wire import Piece
from benchmark_runner.schemas import require_valid
from stub_server import SCRIPTS

MS = 1_000_000


def _exchange(number: int, sent_ms: Sequence[float], late_ms: Sequence[float], written_ms: float) -> Exchange:
    """A request scheduled at 0 whose tokens were sent then and stamped so much later."""
    exchange = Exchange(Planned(number, "measured", 0, None, number), 0)
    exchange.written_ns, exchange.outcome, exchange.stamp = round(written_ms * MS), "ended", "kernel"
    pieces = [Piece(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 65536\r\n\r\n", 0)]
    for place, (sent, late) in enumerate(zip(sent_ms, late_ms, strict=True), start=1):
        choice = {
            "index": 0,
            "text": "t",
            "token_ids": [5],
            "finish_reason": "length" if place == len(sent_ms) else None,
        }
        event = json.dumps({"choices": [choice], "sent_ns": round(sent * MS)})
        pieces.append(Piece(f"data: {event}\n\n".encode(), round((sent + late) * MS)))
    room = 65536 - sum(len(piece.data) for piece in pieces[1:])
    exchange.pieces = [*pieces, Piece(b":" + b" " * (room - 3) + b"\n\n", pieces[-1].stamp_ns)]
    return exchange


def _ran(*exchanges: Exchange) -> Ran:
    return Ran([*exchanges], 0, 1_000 * MS, 0.1, len(exchanges))


def test_errors_are_the_client_s_and_not_the_stub_s():
    """The second token left the stub late, by its own word: no error of the client."""
    found = errors_of(_ran(_exchange(0, [50, 61, 65], [0.5, 0.1, 0.1], 0.25)), tokens=3)
    assert found["ttft_bias_ms"] == {"p50": 0.75, "p99": 0.75}
    assert found["gap_error_ms"] == {"p50": 0.0, "p99": 0.0}  # of two gaps the lower one
    assert (found["events"], found["shared_share"], found["stamp"]) == (3, 0.0, "kernel")


def test_the_error_of_a_gap_has_no_sign():
    late = [0.0, 0.25] * 50
    found = errors_of(_ran(_exchange(0, [50.0 + 5 * place for place in range(100)], late, 0)), tokens=100)
    assert found["gap_error_ms"] == {"p50": 0.25, "p99": 0.25}


def test_a_request_that_failed_is_no_calibration():
    lost = _exchange(0, [50, 55], [0, 0], 0)
    lost.pieces, lost.outcome = lost.pieces[:-2], "closed"
    with pytest.raises(BenchmarkError, match="1 of 2 requests to the stub: cut"):
        errors_of(_ran(_exchange(1, [50, 55], [0, 0], 0), lost), tokens=2)


def test_the_client_is_calibrated_at_the_most_requests_in_flight_of_a_plan():
    def plan(*loads: dict[str, float]) -> dict[str, object]:
        cases = [{"name": "x", "load": load} for load in loads]
        return {"workloads": [{"cases": [{"name": "alone"}]}, {"cases": cases}]}

    assert most_streams(plan()) == 0
    assert most_streams(plan({"concurrency": 2}, {"concurrency": 8})) == 8
    assert most_streams(plan({"concurrency": 2}, {"requests_per_second": 2.5})) == 3
    assert most_streams(plan({"requests_per_second": 0.1}, {"arrivals": 1})) == 1


def test_the_stage_holds_the_machine_and_writes_what_its_schema_says(tmp_path: Path):
    core = min(os.sched_getaffinity(0))
    system = {"threads": 1, "cpu_affinity": [core], "cool_down_seconds": 0, "calibration_seconds": 0.4}
    (tmp_path / "config.json").write_text(json.dumps({"config": {"system": system}}))
    (tmp_path / "lock").mkdir(mode=0o700)
    command = [sys.executable, "-m", "benchmark_runner.performance.calibrate_load", "--streams=2"]
    files = ["--config", str(tmp_path / "config.json"), "--out", str(tmp_path / "out.json")]
    environment = {**os.environ, VARIABLE: str(tmp_path / "lock" / "l"), "PYTHONPATH": str(SCRIPTS)}
    ran = subprocess.run([*command, *files], capture_output=True, text=True, check=False, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("with 2 streams the client adds")
    found = read_json(tmp_path / "out.json")
    require_valid("load_calibration", found, "out.json")
    assert (found["streams"], found["seconds"]) == (2, 0.2)
    assert found["events"] % 40 == 0
    assert (tmp_path / "lock" / "l").read_text().startswith("process ")
