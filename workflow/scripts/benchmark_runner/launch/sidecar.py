"""The launch command's side of the monitor process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.launch.device import Place
from benchmark_runner.launch.inputs import LaunchInputs
from benchmark_runner.launch.workplace import Workplace
from benchmark_runner.monitor.engine_tree import STOPPED_STATES, EngineProbe
from benchmark_runner.monitor.probe import SWITCHES, Limits, Sample, exceeded
from benchmark_runner.processes.cgroup import read_quota
from benchmark_runner.processes.engine import python_command
from benchmark_runner.processes.files import HeldFile
from benchmark_runner.processes.orphans import END_LIMIT_SECONDS, Members
from benchmark_runner.processes.procfs import read_process
from benchmark_runner.processes.watch import (
    EXIT_MONITOR_DIED,
    LOOK_SECONDS,
    Alert,
    InterruptedLaunchError,
    Watch,
    readable,
)

# Chosen: it takes a tenth of a second on an idle machine; a driver that must be loaded first takes some seconds.
READY_LIMIT_SECONDS: Final = 60.0
# Chosen: it writes two lines and exits.
STOP_LIMIT_SECONDS: Final = 20.0
KEY: Final = "monitor"
# Chosen: who stopped the monitor for so long does not mean to let it go on; a driver's call may take some seconds.
STOPPED_SECONDS: Final = 5.0
HANGS_SECONDS: Final = 30.0
# Chosen: for so long nobody need look after the engine's memory instead.
SILENT_SECONDS: Final = 1.0


def highest_values(system: Mapping[str, Any], reserved_bytes: int | None = None) -> Limits:
    """What the engine may not exceed, by the configuration's section `system`, the control group and the memory that a
    batch system gives it, which would end the whole launch."""
    memory_gb, group_bytes = system["max_memory_gb"], read_quota().memory_bytes
    asked_bytes = [] if memory_gb is None else [round(memory_gb * 1e9), group_bytes]
    limits_bytes = [limit for limit in (*asked_bytes, reserved_bytes) if limit is not None]
    return Limits(min(limits_bytes, default=None), system["thermal_limit_celsius"])


class Silence:
    """For how long the monitor has written no sample beyond its interval, or has been stopped."""

    def __init__(self, metrics: Path, pid: int, interval_seconds: float) -> None:
        self._metrics = os.open(metrics, os.O_RDONLY | os.O_CLOEXEC)  # whatever becomes of its name
        self._pid = pid
        self._interval_seconds = interval_seconds
        self._bytes = -1
        self._written = self._running = self._looked = time.monotonic()

    def look(self) -> tuple[float, float]:
        """Time without a sample that is due, and time in which it was stopped, unit: s.

        Both begin anew where this process was held up itself, since it may have been both.
        """
        now, size = time.monotonic(), os.fstat(self._metrics).st_size
        held_up = now - self._looked > 2 * LOOK_SECONDS
        process = read_process(self._pid)
        if held_up or size != self._bytes:
            self._bytes, self._written = size, now
        if held_up or process is None or process.state not in STOPPED_STATES:
            self._running = now
        self._looked = now
        return now - self._written - self._interval_seconds, now - self._running


def monitor_command(
    inputs: LaunchInputs, place: Place, workplace: Workplace, *, metrics: HeldFile, events: HeldFile
) -> list[str]:
    """Command line of the monitor for one launch."""
    return [
        *python_command("benchmark_runner.monitor"),
        f"--interval-ms={inputs.monitoring['sample_interval_ms']}",
        f"--metrics={metrics.content}",
        f"--events={events.content}",
        f"--members={workplace.members}",
        f"--launch={os.getpid()}",
        f"--engine-cores={','.join(map(str, place.cores.engine))}",
        f"--limits={json.dumps(highest_values(inputs.system, inputs.reserved_bytes)._asdict())}",
        f"--marker={workplace.folder.name}",
        f"--cores={','.join(map(str, place.cores.monitor))}",
        f"--gpu={place.device.visible}",
        f"--gpu-absent={place.device.absent_reason}",
        f"--off={','.join(switch for switch in SWITCHES if not inputs.monitoring[switch])}",
    ]


class Sidecar:
    """A running monitor. Its death interrupts the launch: what it did not see cannot be measured again.

    A monitor that falls silent interrupts it too; until then this process looks after the engine's memory.
    """

    key: Final = KEY

    def __init__(
        self, command: Sequence[str], watch: Watch, log: int, *, metrics: Path, interval_ms: int, limits: Limits
    ) -> None:
        self._metrics = metrics
        self._interval_seconds = interval_ms / 1e3
        self._limits = limits
        self._own_alerts: list[Alert] = []
        self._engine: EngineProbe | None = None
        # In a session of its own: Ctrl-C must reach the launch command alone, which then ends it in order.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0, start_new_session=True
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._commands, self._reports = self._process.stdin, self._process.stdout
        self._partial = b""
        self._watch = watch
        watch.add(self._reports.fileno(), KEY)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def _died(self) -> InterruptedLaunchError:
        status = self._ended(STOP_LIMIT_SECONDS)
        return InterruptedLaunchError(
            f"the monitor died (exit status {status}), so nobody would watch the engine", EXIT_MONITOR_DIED
        )

    def _ended(self, limit_seconds: float) -> int | str:
        """Its exit status, brought about by SIGKILL after the limit; words where not even that ends it."""
        if self._process.returncode is not None:  # it was waited for: the number may be another process's by now
            return self._process.returncode
        pidfd = os.pidfd_open(self.pid)
        ready: list[int] = []
        for seconds in (limit_seconds, END_LIMIT_SECONDS):
            ready = readable([pidfd], seconds)
            if ready:
                break
            self._process.kill()
        os.close(pidfd)
        return self._process.wait() if ready else "none: it hangs in the kernel"

    def _lines(self) -> list[dict[str, Any]]:
        content = os.read(self._reports.fileno(), 65536)
        if not content:
            raise self._died()
        *lines, self._partial = (self._partial + content).split(b"\n")
        return [json.loads(line) for line in lines]

    def wait_until_ready(self) -> None:
        """Return when it samples; raises InterruptedLaunchError where it does not come up."""
        if KEY not in self._watch.wait(READY_LIMIT_SECONDS):
            raise InterruptedLaunchError(
                f"the monitor was not ready after {READY_LIMIT_SECONDS:g} s", EXIT_MONITOR_DIED
            )
        self._lines()
        self._silence = Silence(self._metrics, self.pid, self._interval_seconds)

    def _tell(self, line: str) -> None:
        try:
            self._commands.write(f"{line}\n".encode())
        except BrokenPipeError:
            raise self._died() from None

    def watch_engine(self, pid: int, client: int | None) -> None:
        """Let it sample that process and all below it but the load client, and see that it does."""
        apart = () if client is None else (client,)
        self._tell(" ".join(map(str, ("engine", pid, *apart))))
        self._engine = EngineProbe(Members(), launch=os.getpid(), spared={self.pid, *apart})
        self._engine.attach(pid)
        self._watch.look_after(self._look)

    def _look(self) -> set[str]:
        """Whether it still samples; its key where this process saw a limit exceeded in its place."""
        silent_seconds, stopped_seconds = self._silence.look()
        if max(silent_seconds, stopped_seconds) < SILENT_SECONDS or self._engine is None:
            return set()
        sample: Sample = {}
        self._engine.read(sample)
        if (alert := exceeded(sample, self._limits)) is not None:
            self._own_alerts.append(alert)
            return {KEY}
        if stopped_seconds >= STOPPED_SECONDS:
            what = f"was stopped (SIGSTOP, or a debugger) for {stopped_seconds:.0f} s"
        elif silent_seconds >= HANGS_SECONDS:
            what = f"hung: it took no sample for {silent_seconds:.0f} s beyond its interval"
        else:
            return set()
        raise InterruptedLaunchError(f"the monitor {what}, so nobody watched the engine", EXIT_MONITOR_DIED)

    def alerts(self) -> list[Alert]:
        """Limits that it reports, when wait() has given its key; raises InterruptedLaunchError where it has died."""
        return self._own_alerts or [Alert(line["alert"], line["message"]) for line in self._lines()]

    def stop(self) -> None:
        """Let it write its last sample and wait for its end; raises InterruptedLaunchError where it does not."""
        self._watch.look_after(None)
        self._watch.remove(self._reports.fileno())
        self._tell("stop")
        self._process.send_signal(signal.SIGCONT)  # it may be stopped, and has a last sample to write
        if self._ended(STOP_LIMIT_SECONDS) != 0:
            raise self._died()
        self._commands.close()
        self._reports.close()
