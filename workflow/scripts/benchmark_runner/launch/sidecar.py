"""The launch command's side of the monitor process."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

from benchmark_runner.launch.cores import Cores
from benchmark_runner.launch.device import Device
from benchmark_runner.launch.workplace import Workplace
from benchmark_runner.monitor.probe import SWITCHES
from benchmark_runner.processes.engine import python_command
from benchmark_runner.processes.watch import EXIT_MONITOR_DIED, InterruptedLaunchError, Watch

# Chosen: it takes a tenth of a second on an idle machine; a driver that must be loaded first takes some seconds.
READY_LIMIT_SECONDS: Final = 60.0
# Chosen: it writes two lines and exits.
STOP_LIMIT_SECONDS: Final = 20.0
KEY: Final = "monitor"


class Alert(NamedTuple):
    """A limit that the monitor saw exceeded; kind is the launch's status."""

    kind: str
    message: str


def monitor_command(
    system: Mapping[str, Any],
    monitoring: Mapping[str, Any],
    *,
    metrics: Path,
    workplace: Workplace,
    device: Device,
    cores: Cores,
) -> list[str]:
    """Command line of the monitor for one launch."""
    memory_gb = system["max_memory_gb"]
    limits = {
        "engine_rss_bytes": round(memory_gb * 1e9) if memory_gb is not None else None,
        "temperature_celsius": system["thermal_limit_celsius"],
    }
    return [
        *python_command("benchmark_runner.monitor"),
        f"--interval-ms={monitoring['sample_interval_ms']}",
        f"--metrics={metrics}",
        f"--events={workplace.events}",
        f"--members={workplace.members}",
        f"--launch={os.getpid()}",
        f"--engine-cores={','.join(map(str, cores.engine))}",
        f"--limits={json.dumps(limits)}",
        f"--marker={workplace.folder.name}",
        f"--cores={','.join(map(str, cores.monitor))}",
        f"--gpu={device.visible}",
        f"--gpu-absent={device.absent_reason}",
        f"--off={','.join(switch for switch in SWITCHES if not monitoring[switch])}",
    ]


class Sidecar:
    """A running monitor. Its death interrupts the launch: what it did not see cannot be measured again."""

    def __init__(self, command: Sequence[str], watch: Watch, log: TextIO) -> None:
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
        status = self._process.wait()
        return InterruptedLaunchError(
            f"the monitor died (exit status {status}), so nobody would watch the engine", EXIT_MONITOR_DIED
        )

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

    def _tell(self, line: str) -> None:
        try:
            self._commands.write(f"{line}\n".encode())
        except BrokenPipeError:
            raise self._died() from None

    def watch_engine(self, pid: int) -> None:
        """Let it sample that process and all below it."""
        self._tell(f"engine {pid}")

    def alerts(self) -> list[Alert]:
        """Limits that it reports, when wait() has given its key; raises InterruptedLaunchError where it has died."""
        return [Alert(line["alert"], line["message"]) for line in self._lines()]

    def stop(self) -> None:
        """Let it write its last sample and wait for its end; raises InterruptedLaunchError where it does not."""
        self._watch.remove(self._reports.fileno())
        self._tell("stop")
        pidfd = os.pidfd_open(self._process.pid)
        select.select([pidfd], [], [], STOP_LIMIT_SECONDS)
        os.close(pidfd)
        if self._process.poll() is None:
            self._process.kill()
        if self._process.wait() != 0:
            raise self._died()
        self._commands.close()
        self._reports.close()
