"""`python -m benchmark_runner.launch`: one launch of one engine on one workload, recorded.

Exit status 0 with any status in record.json, since a failed engine is a result. An interrupted launch leaves
interrupted.json instead and exits as a shell reports the signal (130, 143, 129), or with 75 if the monitor died or
another lock of the machine lay in place of its own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark_runner.commands import command
from benchmark_runner.errors import exit_status
from benchmark_runner.launch.inputs import read_inputs
from benchmark_runner.launch.placing import MeasuredAlreadyError
from benchmark_runner.launch.progress import NOTHING_OWED, finished_launches, progress_line, read_owed
from benchmark_runner.launch.record import Stopwatch, opened_log
from benchmark_runner.launch.run import RunningLaunch
from benchmark_runner.launch.workplace import clear_left_behind, wait_for_others
from benchmark_runner.processes.guard import guarded, leave
from benchmark_runner.processes.watch import InterruptedLaunchError, Watch
from benchmark_runner.terminal import printable


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = command("launch", __doc__, "plan", "prompts", out_dir="the launch's folder", log="log of this command")
    parser.add_argument("--model-manifest", type=Path, required=True, help="manifest.json of the model")
    parser.add_argument("--model-dir", type=Path, help="folder of the model; by default the plan's")
    parser.add_argument("--engine", required=True, help="name of the engine")
    parser.add_argument("--workload", required=True, help="name of the workload")
    parser.add_argument("--identity", required=True, help="the launch's identity in the plan")
    parser.add_argument("--block", type=int, required=True, help="number of the launch, from 1")
    parser.add_argument("--attempt", type=int, default=1, help="how often this launch has been tried, from 1")
    parser.add_argument("--memory-mb", type=int, default=0, help="what a batch system gives the engine; 0: not told")
    parser.add_argument("--owed", type=Path, help="file with the positions that this call of the workflow runs")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Run one launch and print one line about it."""
    arguments = parse_arguments(argv)
    stopwatch = Stopwatch()
    with opened_log(arguments.log) as log:
        folder = arguments.out_dir.absolute()

        def tell(words: str) -> None:
            log.add(words)
            print(printable(words), flush=True)

        with stopwatch.part("machine_wait_ms"), Watch() as watch:
            wait_for_others(folder, watch.pause, tell)
        with stopwatch.part("read_ms"):
            clear_left_behind(folder)
            inputs = read_inputs(
                arguments.plan,
                arguments.prompts,
                arguments.model_manifest,
                engine=arguments.engine,
                workload=arguments.workload,
                identity=arguments.identity,
                block=arguments.block,
                model_dir=arguments.model_dir,
            )
            inputs = inputs._replace(reserved_bytes=arguments.memory_mb * 1_000_000 or None)
            # Nothing that can fail comes after the record: Snakemake removes the outputs of a job that fails.
            owed = read_owed(arguments.owed) if arguments.owed else NOTHING_OWED
        launch = RunningLaunch(inputs, arguments.out_dir, arguments.attempt, stopwatch, log)
        try:
            record = launch.run()
        except MeasuredAlreadyError as measured:
            log.add(str(measured))
            print(measured, flush=True)
            return 0
        except InterruptedLaunchError as interruption:
            print(printable(f"stopped: {interruption.reason}; see {arguments.log}"), file=sys.stderr)
            return interruption.exit_status
        order = inputs.plan["order"]
        print(printable(progress_line(record, order, finished_launches(order, owed))), flush=True)
    return 0


if __name__ == "__main__":
    leave(guarded(lambda: exit_status(main, sys.argv[1:])))
