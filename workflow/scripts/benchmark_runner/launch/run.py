"""One launch from beginning to end: what is done in which order, and what happens when it is stopped."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmark_runner.jsonio import read_json_lines, write_json
from benchmark_runner.launch.arrival import doubt
from benchmark_runner.launch.cooldown import seconds_left, wait_until_cool
from benchmark_runner.launch.cores import Cores, cores_of
from benchmark_runner.launch.device import VISIBLE, Device, choose_device, find_gpu
from benchmark_runner.launch.inputs import Inputs, missing_engine
from benchmark_runner.launch.log import Log
from benchmark_runner.launch.machine_lock import lock_path, machine_alone
from benchmark_runner.launch.outcome import REMEDIES, Ending, Outcome, decide
from benchmark_runner.launch.preflight import (
    Machine,
    Snapshot,
    busy_processes,
    describe_gpu,
    suspended_ns,
    take_snapshot,
    warning,
    warnings_before,
    warnings_during,
    warnings_of_conduct,
    warnings_of_engine,
    warnings_of_quota,
    warnings_of_standstill,
    warnings_of_threads,
)
from benchmark_runner.launch.progress import waiting_line
from benchmark_runner.launch.readable import make_readable
from benchmark_runner.launch.record import (
    Record,
    Stopwatch,
    clear_folder,
    close_record,
    new_record,
    out_of_memory_kills,
    touch_outputs,
)
from benchmark_runner.launch.sidecar import Sidecar, limits_of, monitor_command
from benchmark_runner.launch.spec import build_spec
from benchmark_runner.launch.supervise import EngineRun, supervise
from benchmark_runner.launch.workplace import draw, prepared
from benchmark_runner.locks import this_process
from benchmark_runner.monitor.gpu import Gpu
from benchmark_runner.monitor.probe import Sample
from benchmark_runner.monitor.summary import summarise, take_apart
from benchmark_runner.processes.cgroup import read_quota
from benchmark_runner.processes.engine import become_subreaper, keep_stdout, last_words, start_engine
from benchmark_runner.processes.orphans import below_process, end_all
from benchmark_runner.processes.procfs import ancestors
from benchmark_runner.processes.variables import engine_environment, recorded_environment
from benchmark_runner.processes.watch import InterruptedLaunchError, Watch
from benchmark_runner.protocol.events import EventReport, Window, read_events
from benchmark_runner.terminal import printable

CORES_REMEDY: Final = (
    "Set system.threads and system.cpu_affinity so that the engine's cores are alike and within the control group's "
    "quota, and a physical core is left for the monitor"
)

CUDA_REMEDY: Final = (
    "Name a GPU that this process may use (system.gpu_device, CUDA_VISIBLE_DEVICES), or set system.device: auto"
)


class MeasuredAlreadyError(Exception):
    """Somebody else measured the launch while this one waited for the machine."""


class Launch:
    """One launch; run() gives back its record, or raises InterruptedLaunchError with the record so far in .record.

    It raises MeasuredAlreadyError where the folder has a record, which is a fact and stays.
    """

    def __init__(self, inputs: Inputs, out_dir: Path, attempt: int, stopwatch: Stopwatch, log: Log) -> None:
        self.inputs = inputs
        self.folder = out_dir.absolute()
        self.workplace = draw(self.folder)
        self.stopwatch = stopwatch
        self.log = log
        self.record: Record = new_record(inputs, attempt, stopwatch)

    def run(self) -> Record:
        """Do all of it; whatever happens, nothing that it started is left running."""
        become_subreaper()
        try:
            return self._close(self._measure(Watch()))
        except InterruptedLaunchError as interruption:
            self._close(Outcome("interrupted", interruption.reason, "Run the same command again: it is still owed"))
            raise
        finally:
            end_all(below_process(os.getpid()))

    def _close(self, outcome: Outcome) -> Record:
        touch_outputs(self.folder)
        close_record(self.record, self.stopwatch, status=outcome.status, reason=outcome.reason, remedy=outcome.remedy)
        make_readable(self.record)
        status, reason = self.record["status"], self.record["reason"]
        self.log.write(f"{status}{f': {reason}' if reason else ''}")
        return self.record

    def _measure(self, watch: Watch) -> Outcome:
        with ExitStack() as held:
            with self.stopwatch.part("machine_wait_ms"):
                lock = lock_path(os.environ, os.getuid())
                last_end = held.enter_context(machine_alone(lock, this_process(), watch, self._tell_waiting))
            if (record := self.folder / "record.json").is_file():
                raise MeasuredAlreadyError(f"{record} is there: another campaign has measured this launch meanwhile")
            clear_folder(self.folder)
            if (missing := missing_engine(self.inputs)) is not None:
                return Outcome("unavailable", missing.reason, missing.remedy)
            begin = take_snapshot()
            gpu, device = self._device()
            if device.refused is not None:
                return Outcome("unavailable", f"system.device is cuda, and {device.refused}", CUDA_REMEDY)
            cores, machine = self._place(gpu, device)
            if (too_hot := self._cool_down(watch, machine, last_end)) is not None:
                return too_hot
            self._suspended_ns = suspended_ns()
            self.record["drawn"] = self.workplace.describe()
            held.enter_context(prepared(self.workplace, self.folder))
            return self._beside_monitor(watch, machine, cores, device, begin)

    def _tell_waiting(self, holder: str) -> None:
        line = waiting_line(self.record, holder)
        self.log.write(line)
        print(printable(line), flush=True)

    def _device(self) -> tuple[Gpu | None, Device]:
        """The GPU of this process, if there is one, and what the engine computes on."""
        with self.stopwatch.part("preflight_ms"):
            system = self.inputs.system
            gpu, absent = find_gpu(system)
            built_for, inherited = self.inputs.engine.get("build_device"), os.environ.get(VISIBLE)
            return gpu, choose_device(system, built_for, inherited=inherited, gpu_absent_reason=absent)

    def _place(self, gpu: Gpu | None, device: Device) -> tuple[Cores, Machine]:
        """Choose cores, and write the spec: the first file of a launch that starts an engine."""
        with self.stopwatch.part("preflight_ms"):
            system = self.inputs.system
            cores = cores_of(system)
            spec = build_spec(self.inputs, device=device.name, threads=cores.threads)
            write_json(self.folder / "spec.json", spec, indent=None)
            self.record.update(spec=spec, affinity=cores.describe(), threads=cores.threads, device=device.name)
            self.record["gpu"] = describe_gpu(device, gpu)
            self.log.write(f"{device.name}, {cores.threads} threads, engine on cores {cores.engine}, {cores.notes}")
        return cores, Machine(gpu)

    def _cool_down(self, watch: Watch, machine: Machine, last_end: float | None) -> Outcome | None:
        """Wait; an outcome where the machine stays too hot to measure."""
        with self.stopwatch.part("cool_down_ms"):
            watch.pause(seconds_left(self.inputs.system["cool_down_seconds"], last_end, time.time()))
        limit = self.inputs.system["thermal_limit_celsius"]
        with self.stopwatch.part("thermal_wait_ms"):
            wait = wait_until_cool(limit, machine.celsius, watch.pause)
        if wait.cool:
            return None
        reason = f"the machine stayed at {wait.celsius:g} °C, above the {limit:g} °C of system.thermal_limit_celsius"
        return Outcome("thermal_limit", reason, REMEDIES["thermal_limit"])

    def _beside_monitor(self, watch: Watch, machine: Machine, cores: Cores, device: Device, begin: Snapshot) -> Outcome:
        """Start the monitor, look at the machine while it comes up, then run the engine between its samples."""
        command = monitor_command(
            self.inputs.system,
            self.inputs.monitoring,
            metrics=self.folder / "metrics.jsonl",
            workplace=self.workplace,
            device=device,
            cores=cores,
        )
        with self.stopwatch.part("monitor_start_ms"):
            monitor = Sidecar(
                command,
                watch,
                self.log.file,
                metrics=self.folder / "metrics.jsonl",
                interval_ms=self.inputs.monitoring["sample_interval_ms"],
                limits=limits_of(self.inputs.system),
            )
            monitor.wait_until_ready()
        with self.stopwatch.part("preflight_ms"):
            before = take_snapshot()
            ours = {monitor.pid} | ancestors(os.getpid())
            self.record["machine_before"] = machine.state(busy_processes(begin, before, ours))
            self._warn(
                warnings_before(
                    self.record["machine_before"],
                    cores=len(os.sched_getaffinity(0)),
                    weights_bytes=self.inputs.manifest["weights_bytes"],
                )
            )
            self._warn([warning("cores", note, CORES_REMEDY) for note in cores.notes])
            environment = engine_environment(
                os.environ,
                visible_gpus=device.visible,
                threads=cores.threads,
                marker=self.workplace.folder.name,
                padding=self.workplace.padding,
            )
            self.record["engine_environment"] = recorded_environment(environment)
        return self._run_engine(watch, machine, cores, monitor, before, environment)

    def _run_engine(
        self,
        watch: Watch,
        machine: Machine,
        cores: Cores,
        monitor: Sidecar,
        before: Snapshot,
        environment: dict[str, str],
    ) -> Outcome:
        stdout = self.folder / "engine.stdout"
        start_ns, kills = time.monotonic_ns(), out_of_memory_kills()
        quota = read_quota()
        throttled_before_seconds = quota.throttled_seconds()
        try:
            process = start_engine(
                [str(self.inputs.binary), "--spec", str(self.workplace.spec), "--events", str(self.workplace.events)],
                folder=self.workplace.scratch,
                environment=environment,
                cores=cores.engine,
                stdout=stdout,
                log=self.folder / "engine.log",
            )
        except OSError as error:
            monitor.stop()
            stdout.unlink()
            reason = f"{self.inputs.engine['binary_path']} cannot be executed: {error.strerror}"
            return Outcome("unavailable", reason, "Build the engine on this machine: snakemake engines")
        self.log.write(f"engine runs as process {process.pid}")
        run = supervise(process, watch, monitor, self.inputs.system["launch_timeout_seconds"])
        window = Window(start_ns, run.exit.time_ns)
        self._warn(warnings_of_quota(quota, quota.throttled_seconds() - throttled_before_seconds))
        self.stopwatch.parts["engine_ms"] = round(window.seconds * 1e3, 3)
        self.stopwatch.parts["cleanup_ms"] = round((time.monotonic_ns() - window.end_ns) / 1e6, 3)
        with self.stopwatch.part("monitor_stop_ms"):
            monitor.stop()
        with self.stopwatch.part("record_ms"):
            return self._conclude(run, window, machine, cores, before, out_of_memory_kills() - kills)

    def _conclude(
        self, run: EngineRun, window: Window, machine: Machine, cores: Cores, before: Snapshot, kills: int
    ) -> Outcome:
        """Read what engine and monitor wrote and decide."""
        folder, record = self.folder, self.record
        words = last_words(folder / "engine.log")
        printed_bytes = keep_stdout(folder / "engine.stdout", folder / "engine.log")
        report = read_events(self.workplace.events, record["spec"], window, self.inputs.vocab_size)
        metrics = take_apart(read_json_lines(folder / "metrics.jsonl"))
        report = self._hold_against_clock(report, metrics.samples)
        summary = summarise(
            metrics,
            window,
            run.exit.usage,
            engine_cores=cores.engine,
            measured=report.measured,
        )
        busy = busy_processes(before, take_snapshot(), {os.getpid()})
        record.update(
            hello=report.hello,
            load=report.load,
            iterations=report.iterations,
            error=report.error,
            engine_exit=run.exit.describe(),
            engine_window=window._asdict(),
            engine_usage=run.exit.usage._asdict(),
            monitor=summary,
            machine_after=machine.state(busy),
        )
        self._warn(warnings_during(summary, busy))
        self._warn(warnings_of_threads(summary, report.load, cores.threads))
        self._warn(warnings_of_standstill(summary, (suspended_ns() - self._suspended_ns) / 1e6))
        self._warn(warnings_of_conduct(summary))
        may_use_gpu = machine.gpu is not None and self.inputs.system["device"] == "auto"
        self._warn(warnings_of_engine(run, report, printed_bytes, may_use_gpu=may_use_gpu, device=record["device"]))
        ending = Ending(run.cause, run.message, run.exit.code, run.exit.signal, kills, words)
        return decide(ending, report)

    def _hold_against_clock(self, report: EventReport, samples: list[Sample]) -> EventReport:
        """The report, with a problem where its times cannot be true."""
        if report.problem is not None:
            return report
        return report._replace(problem=doubt(report, self.workplace.events, samples))

    def _warn(self, warnings: list[dict[str, str]]) -> None:
        self.record["warnings"].extend(warnings)
        for entry in warnings:
            self.log.write(f"warning: {entry['message']}")
