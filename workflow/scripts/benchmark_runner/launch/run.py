"""One launch from beginning to end: what is done in which order, and what happens when it is stopped."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json_lines
from benchmark_runner.launch import preflight
from benchmark_runner.launch.arrival import changed_since, doubt
from benchmark_runner.launch.device import Place, choose_place, limits_of
from benchmark_runner.launch.identity import altered_file, holds
from benchmark_runner.launch.inputs import LaunchInputs, build_spec
from benchmark_runner.launch.machine_lock import lock_path, machine_alone, seconds_left, wait_until_cool
from benchmark_runner.launch.outcome import Ending, Outcome, decide, ended
from benchmark_runner.launch.placing import INTERRUPTED, RECORD, Identity, MeasuredAlreadyError, shows, take_place
from benchmark_runner.launch.preflight import Snapshot, take_snapshot, warning
from benchmark_runner.launch.program import cannot_load, not_executed, why_missing
from benchmark_runner.launch.progress import waiting_line
from benchmark_runner.launch.record import (
    Log,
    Record,
    Stopwatch,
    describe_client,
    new_record,
    out_of_memory_kills,
    touch_outputs,
    utc_now,
)
from benchmark_runner.launch.running import OwnProcess, changed, is_running, of_pass, own_process
from benchmark_runner.launch.server import server_of
from benchmark_runner.launch.sidecar import Sidecar, highest_values, monitor_command
from benchmark_runner.launch.under_load import (
    energy_of_levels,
    measured_tokens,
    record_of_load,
    warnings_of_load,
    warnings_of_model,
)
from benchmark_runner.launch.workplace import draw, events_of, noted, pause_in_sight, prepared
from benchmark_runner.locks import this_process
from benchmark_runner.monitor.summary import Metrics, summarise, take_apart
from benchmark_runner.processes.adapter import REPLACED, AdapterRun, CannotExecuteError, run_adapter
from benchmark_runner.processes.cgroup import read_quota
from benchmark_runner.processes.client import Call, called
from benchmark_runner.processes.engine import become_subreaper, engine_environment, recorded_environment
from benchmark_runner.processes.files import HeldFile, remove, require_room
from benchmark_runner.processes.orphans import below_process, end_all
from benchmark_runner.processes.procfs import ancestors
from benchmark_runner.processes.shared_memory import left_behind, shared_objects
from benchmark_runner.processes.watch import EXIT_MONITOR_DIED, InterruptedLaunchError, Watch
from benchmark_runner.protocol.events import Window, read_events
from benchmark_runner.protocol.requests import is_load
from benchmark_runner.records.checksum import write_record
from benchmark_runner.remembered import HASHES
from benchmark_runner.status import Status
from benchmark_runner.terminal import printable

CUDA_REMEDY: Final = (
    "Name a GPU that this process may use (system.gpu_device, CUDA_VISIBLE_DEVICES), or set system.device: auto"
)
ALTERED_REMEDY: Final = "Run the same command again, which plans with the files as they are; or put back what was there"


def read_metrics(path: Path) -> tuple[Metrics, str | None]:
    """What the monitor wrote; no samples, and what is wrong, where the file no longer holds all of it."""
    lines: list[dict[str, Any]] = []
    with contextlib.suppress(BenchmarkError):  # a line that is none: then the last one is not the monitor's last
        lines.extend(read_json_lines(path))
    told = lines[-1] if lines else {}
    if told.get("event") == "end" and told.get("samples") == sum(line.get("event") == "sample" for line in lines):
        return take_apart(lines), None
    return take_apart([]), "metrics.jsonl, the monitor's file, was cut or changed while the engine ran"


def _require_kept(launches: Path, begun: os.stat_result) -> None:
    if not launches.is_dir() or not os.path.samestat(launches.stat(), begun):
        raise BenchmarkError(f"{launches} was removed or moved while the launch ran; run the same command again")
    require_room(launches)


class RunningLaunch:
    """One launch; run() gives back its record, which then stands in its folder, or raises InterruptedLaunchError.

    It raises MeasuredAlreadyError where the folder has a record, which is a fact and stays.
    """

    _watch: Watch
    _place: Place
    _machine: preflight.MachineState
    """Known from when the launch has the machine."""
    _events: HeldFile
    _metrics: HeldFile
    """What engine and monitor write, from when the workplace is prepared."""

    def __init__(self, inputs: LaunchInputs, out_dir: Path, attempt: int, stopwatch: Stopwatch, log: Log) -> None:
        self.inputs = inputs
        self.folder = out_dir.absolute()
        self.workplace = draw(self.folder)
        self.stopwatch = stopwatch
        self.log = log
        self.record: Record = new_record(inputs, attempt, stopwatch)
        self._begun: Identity | None = None
        """The launch's folder as it shows this attempt; None before it has the machine."""
        self._held: list[HeldFile] = []
        self._own: OwnProcess | None = None
        self._spent_before: tuple[float, int] | None = None

    def run(self) -> Record:
        """Do all of it; whatever happens, nothing that it started is left running."""
        become_subreaper()
        try:
            self._watch = Watch()
            self._close(self._measure())
        except InterruptedLaunchError as interruption:
            self._close(ended(Status.INTERRUPTED, interruption.reason))
            end_all(below_process(os.getpid()))
            self._stand(INTERRUPTED)
            raise
        finally:
            end_all(below_process(os.getpid()))
        self._stand(RECORD)
        return self.record

    def _stand(self, name: str) -> None:
        """Write the record into this attempt's folder, which from then on is the launch's."""
        if self._begun is None:  # what the launch's folder shows may be of another attempt, which has the machine
            write_record(self.folder / name, self.record)
            return
        write_record(self.workplace.kept / name, self.record)
        try:
            take_place(self.workplace.kept, self.folder, self._begun)
        except MeasuredAlreadyError:
            remove(self.workplace.folder)
            raise
        remove(self.workplace.folder)

    def _close(self, outcome: Outcome) -> None:
        if self._begun is not None:
            self._put_back()
            touch_outputs(self.workplace.kept)
        self.record.update(outcome._asdict(), ended_at=utc_now(), ended_ns=self.stopwatch.total())
        from benchmark_runner.launch.readable import make_readable  # slow to import: in the next one's cool-down

        make_readable(self.record)
        status, reason = self.record["status"], self.record["reason"]
        self.log.add(f"{status}{f': {reason}' if reason else ''}")

    def _measure(self) -> Outcome:
        with ExitStack() as held:
            with self.stopwatch.part("machine_wait_ms"):
                lock = lock_path(os.environ, os.getuid())
                last_end = held.enter_context(machine_alone(lock, this_process(), self._watch, self._tell_waiting))
            self._begun = held.enter_context(prepared(self.workplace, self.folder))
            if (missing := why_missing(self.inputs.engine, self.inputs.build, self.inputs.derived)) is not None:
                return ended(Status.UNAVAILABLE, *missing)
            if (unable := cannot_load(self.inputs.engine, self.inputs.asked)) is not None:
                return ended(Status.UNAVAILABLE, *unable)
            if (altered := altered_file(self.inputs, HASHES)) is not None:
                return ended(Status.UNAVAILABLE, altered, ALTERED_REMEDY)
            begin = take_snapshot()
            with self.stopwatch.part("preflight_ms"):
                self._place = choose_place(self.inputs.system, self.inputs.engine)
                if (refused := self._place.device.refused) is not None:
                    return ended(Status.UNAVAILABLE, f"system.device is cuda, and {refused}", CUDA_REMEDY)
                self._write_spec()
                self._machine = preflight.MachineState(self._place.gpu)
            if (too_hot := self._cool_down(last_end)) is not None:
                return too_hot
            self._suspended_ns = preflight.suspended_ns()
            self.record["drawn"] = self.workplace.describe()
            self._events = held.enter_context(events_of(self.workplace))
            return self._unless_full(begin)

    def _unless_full(self, begin: Snapshot) -> Outcome:
        """The outcome; raises BenchmarkError where a full disk may have made the engine fail or the monitor die, or who
        took away the results folder."""
        launches, begun = self.workplace.folder.parent, self.workplace.folder.parent.stat()
        try:
            outcome = self._unless_altered(self._beside_monitor(begin))
        except InterruptedLaunchError as interruption:
            if interruption.exit_status == EXIT_MONITOR_DIED:
                _require_kept(launches, begun)
            raise
        if outcome.status == Status.FAILED:
            _require_kept(launches, begun)
        return outcome

    def _unless_altered(self, outcome: Outcome) -> Outcome:
        """The outcome, unless something that the launch ran was changed while it ran."""
        altered = altered_file(self.inputs, HASHES)
        if altered is None and not holds(self.workplace.spec, self.record["spec"]):
            altered = f"{self.workplace.spec} is not the spec that the engine was given"
        if outcome.status != Status.OK or altered is None:
            return outcome
        return ended(Status.FAILED, f"{altered}, while the launch ran", ALTERED_REMEDY)

    def _tell_waiting(self, holder: str) -> None:
        line = waiting_line(self.record, holder)
        self.log.add(line)
        print(printable(line), flush=True)

    def _write_spec(self) -> None:
        """The first file of a launch that starts an engine."""
        device, cores, gpu = self._place
        spec = build_spec(self.inputs, device=device.name, threads=cores.threads)
        text = json.dumps(spec, allow_nan=False, ensure_ascii=False) + "\n"
        self._held.append(HeldFile.of(self.workplace.kept / self.workplace.spec.name, text.encode()))
        self.workplace.spec.write_text(text, encoding="utf-8")  # the engine's own: no way back to the launch's
        self.record.update(spec=spec, affinity=cores.describe(), threads=cores.threads, device=device.name)
        self.record["gpu"] = preflight.describe_gpu(device, gpu)
        self.log.add(f"{device.name}, {cores.threads} threads, engine on cores {cores.engine}, {cores.notes}")

    def _cool_down(self, last_end: float | None) -> Outcome | None:
        """Wait; an outcome where the machine stays too hot to measure."""
        with self.stopwatch.part("cool_down_ms"):
            seconds = seconds_left(self.inputs.system["cool_down_seconds"], last_end, time.time())
            pause_in_sight(self.workplace, seconds, self._watch.pause)
        limit = self.inputs.system["thermal_limit_celsius"]
        with self.stopwatch.part("thermal_wait_ms"):
            wait = wait_until_cool(limit, self._machine.celsius, self._watch.pause)
        if wait.cool:
            return None
        reason = f"the machine stayed at {wait.celsius:g} °C, above the {limit:g} °C of system.thermal_limit_celsius"
        return ended(Status.THERMAL_LIMIT, reason)

    def _beside_monitor(self, begin: Snapshot) -> Outcome:
        """Start the monitor, look at the machine while it comes up, then run the engine between its samples."""
        metrics, events = self._hold("metrics.jsonl"), self._events
        self._metrics = metrics
        with self.stopwatch.part("monitor_start_ms"):
            monitor = Sidecar(
                monitor_command(self.inputs, self._place, self.workplace, metrics=metrics, events=events),
                self._watch,
                self.log.descriptor,
                metrics=metrics.content,
                interval_ms=self.inputs.monitoring["sample_interval_ms"],
                limits=highest_values(self.inputs.system, self.inputs.reserved_bytes),
            )
            monitor.wait_until_ready()
        with self.stopwatch.part("preflight_ms"):
            before = take_snapshot()
            busy = preflight.busy_processes(begin, before, {monitor.pid} | ancestors(os.getpid()))
            state = self.record["machine_before"] = self._machine.state(busy)
            usable, weights_bytes = len(os.sched_getaffinity(0)), self.inputs.manifest["weights_bytes"]
            self._warn(preflight.warnings_before(state, cores=usable, weights_bytes=weights_bytes))
            self._warn(warning("cores", note) for note in self._place.cores.notes)
            environment = engine_environment(
                os.environ,
                visible_gpus=self._place.device.visible,
                threads=self._place.cores.threads,
                marker=self.workplace.folder.name,
                padding=self.workplace.padding,
            )
            self.record["engine_environment"] = recorded_environment(environment)
        return self._run_engine(monitor, before, environment)

    def _call(self, environment: dict[str, str]) -> Call:
        """How the engine is started, and what a server is asked by whom stands in the record."""
        cores, limits = self._place.cores, limits_of(self.inputs.system)
        server = server_of(self.inputs.engine, self.record["spec"], self.inputs.build, cores=cores, limits=limits)
        if server is not None:
            self.record["server"] = {"arguments": list(server.arguments or ()), **server.told}
        if is_running(self.inputs.engine):
            from benchmark_runner.launch.answering import says  # the load client, which no other engine needs here

            self._own = own_process(self.inputs.engine)
            said = says(self.inputs.engine)
            process = None if self._own is None else self._own.how
            self.record["server"] |= {"restarted": False, "says": said, "process": process}
            if other := changed(self.folder, said):
                self._warn([warning("server_changed", f"the server says other things of itself than before: {other}")])
            self._spent_before = self._own and self._own.usage()
        return called(self.inputs.binary, self.workplace.spec, self.workplace.events, environment, server)

    def _spent(self) -> tuple[float, int] | None:
        """Computing time in this pass and highest memory of a server that already ran; None where that is not known."""
        if self._own is None or self._spent_before is None or (now := self._own.usage()) is None:
            return None
        return now[0] - self._spent_before[0], now[1]

    def _run_engine(self, monitor: Sidecar, before: Snapshot, environment: dict[str, str]) -> Outcome:
        kills, quota, shared = out_of_memory_kills(), read_quota(), shared_objects()
        throttled_before_seconds = quota.throttled_seconds()
        call = self._call(environment)
        try:
            run = run_adapter(
                call.command,
                folder=self.workplace.scratch,
                events=self._events,
                log=self._hold("engine.log"),
                environment=call.environment,
                cores=self._place.cores.engine,
                limits=limits_of(self.inputs.system),
                watch=self._watch,
                companion=monitor,
                notes=self.workplace.members,
                client=call.client,
            )
        except CannotExecuteError as error:
            monitor.stop()
            return ended(Status.UNAVAILABLE, *not_executed(self.inputs.engine["binary_path"], error))
        window = Window(run.start_ns, run.exit.time_ns)
        members, _ = noted(self.workplace.members)
        self._warn(preflight.warnings_of_shared_memory(left_behind(shared, {pid for pid, _ in members})))
        self._warn(preflight.warnings_of_quota(quota, quota.throttled_seconds() - throttled_before_seconds))
        self.stopwatch.parts["engine_ms"] = round(window.seconds * 1e3, 3)
        self.stopwatch.parts["cleanup_ms"] = round((time.monotonic_ns() - window.end_ns) / 1e6, 3)
        with self.stopwatch.part("monitor_stop_ms"):
            monitor.stop()
        with self.stopwatch.part("record_ms"):
            return self._conclude(run, window, before, out_of_memory_kills() - kills)

    def _conclude(self, run: AdapterRun, window: Window, before: Snapshot, kills: int) -> Outcome:
        """Read what engine and monitor wrote and decide."""
        record, cores = self.record, self._place.cores
        report = read_events(self._events.content, record["spec"], window, self.inputs.vocab_size)
        metrics, lost = read_metrics(self._metrics.content)
        running = is_running(self.inputs.engine)
        if report.problem is None:
            # The times of a server are those of our own client, which may ask once more between two iterations.
            told = self._events.content, metrics.samples
            found = doubt(report, *told) if run.client is None and not running else changed_since(*told)
            report = report._replace(problem=found)
        client = run.exit if running else run.client
        spent = self._spent()
        asked_seconds = run.client.usage.cpu_seconds if run.client is not None else spent[0] if spent else 0.0
        summary = summarise(
            metrics,
            window,
            run.exit.usage,
            engine_cores=cores.engine,
            measured=report.measured,
            client_seconds=asked_seconds,
        )
        summary |= energy_of_levels(report, metrics)
        if running:
            summary = of_pass(summary, spent)
        if summary["measured"] is not None:
            summary["measured"] |= measured_tokens(report)
        busy = preflight.busy_processes(before, take_snapshot(), {os.getpid()})
        record.update(
            hello=report.hello,
            load=report.load,
            iterations=report.iterations,
            **record_of_load(report, record["spec"]),
            error=report.error,
            engine_exit=run.exit.describe(),
            engine_window=window._asdict(),
            engine_usage=None if running else run.exit.usage._asdict(),
            monitor=summary,
            machine_after=self._machine.state(busy),
        )
        if client is not None:
            record["client"] = describe_client(client, cores.engine if running else cores.monitor)
        self._warn(preflight.warnings_during(summary, busy))
        self._warn(preflight.warnings_of_threads(summary, report.load, cores.threads))
        suspended_ms = (preflight.suspended_ns() - self._suspended_ns) / 1e6
        self._warn(preflight.warnings_of_standstill(summary, suspended_ms))
        self._warn(preflight.warnings_of_conduct(summary))
        self._warn(warnings_of_load(report, record["spec"]))
        self._warn(warnings_of_model(report, record.get("server")))
        may_use_gpu = self._place.gpu is not None and self.inputs.system["device"] == "auto"
        self._warn(preflight.warnings_of_engine(run, report, may_use_gpu=may_use_gpu, device=record["device"]))
        ending = Ending(run.cause, run.message, run.exit.code, run.exit.signal, kills, run.last_words)
        outcome = decide(ending, report, under_load=is_load(record["spec"]))
        if not self._events.in_place:
            lost = REPLACED
        return outcome if lost is None or outcome.status != Status.OK else ended(Status.FAILED, lost)

    def _hold(self, name: str) -> HeldFile:
        """A new file of this attempt's folder, put back at the end if it has gone."""
        self._held.append(HeldFile(self.workplace.kept / name))
        return self._held[-1]

    def _put_back(self) -> None:
        """Let this attempt's folder hold what the launch wrote, whatever the engine did to it or to what shows it."""
        for file in self._held:
            if not file.in_place or not shows(self.folder, file.path):
                self._warn([warning("file_replaced", f"{file.path.name} was removed or replaced; it is back")])
            file.put_at(file.path)

    def _warn(self, warnings: Iterable[dict[str, str]]) -> None:
        for entry in warnings:
            self.record["warnings"].append(entry)
            self.log.add(f"warning: {entry['message']}")
