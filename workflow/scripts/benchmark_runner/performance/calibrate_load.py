"""Measures the load client's own error once a campaign with load, on the cores that client and engines get."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

from benchmark_runner.commands import command
from benchmark_runner.display import plural
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.launch.cores import cores_of
from benchmark_runner.load.calibrate import calibrate
from benchmark_runner.performance.calibrate import machine_held, machine_here
from benchmark_runner.processes.guard import guarded
from benchmark_runner.processes.watch import Watch

SCHEMA_VERSION: Final = 1
"""load_calibration.json: 1 is the first format."""


def main(argv: Sequence[str]) -> int:
    """Measure what the client adds to the times that it tells."""
    parser = command("performance.calibrate_load", __doc__, "config", out="load_calibration.json")
    parser.add_argument("--streams", type=int, required=True, help="requests in flight")
    arguments = parser.parse_args(argv)
    system = read_json(arguments.config)["config"]["system"]
    machine, cores = machine_here(), cores_of(system)
    with machine_held(system, Watch()) as begin:
        # Two loops, each half of the time.
        seconds = system["calibration_seconds"] / 2
        found = calibrate(arguments.streams, seconds, stub_cores=cores.engine, client_cores=cores.monitor)
    head = {"schema_version": SCHEMA_VERSION, "measured_at": begin, "machine": machine}
    write_json(arguments.out, {**head, "cores": cores.monitor, **found})
    bias, gap, lag = (found[name] for name in ("ttft_bias_ms", "gap_error_ms", "send_lag_ms"))
    print(
        f"with {plural(arguments.streams, 'stream')} the client adds {bias['p50']:.3g} ms (p99 {bias['p99']:.3g}) to a "
        f"first token and {gap['p99']:.3g} ms (p99) to a gap; it sends {lag['p99']:.3g} ms late (p99) and takes "
        f"{found['client_cpu_percent']:.0f} % of a core"
    )
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(guarded(lambda: exit_status(main, sys.argv[1:])))
