"""The monitor's loop: samples at absolute deadlines, obeys commands on stdin, reports alerts on stdout."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from typing import Any, TextIO

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.monitor.counters import CounterProbe
from benchmark_runner.monitor.engine_tree import EngineProbe
from benchmark_runner.monitor.probe import Limits, Probe, Sample, exceeded
from benchmark_runner.processes.watch import readable


class Commands:
    """Lines that the launch command writes to the monitor: `engine <pid>`, with the load client's, and `stop`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._partial = b""

    def wait(self, seconds: float) -> list[str] | None:
        """Lines that came within the time, possibly none; None when the launch command is gone."""
        ready = readable([self._descriptor], seconds)
        if not ready:
            return []
        content = os.read(self._descriptor, 4096)
        if not content:
            return None
        *lines, self._partial = (self._partial + content).split(b"\n")
        return [line.decode() for line in lines]


class Loop:
    """One launch's sampling; run() ends at `stop` (True) or when the launch command has died (False)."""

    def __init__(
        self,
        probes: Sequence[Probe],
        engine: EngineProbe,
        counters: CounterProbe,
        *,
        metrics: TextIO,
        alerts: TextIO,
        interval_ms: int,
        limits: Limits,
        unrecorded: frozenset[str] = frozenset(),
    ) -> None:
        self._probes = probes
        self.engine = engine
        self._counters = counters
        self._metrics = metrics
        self._alerts = alerts
        self._interval_ns = interval_ms * 1_000_000
        self._limits = limits
        self._unrecorded = unrecorded
        self._alerted: set[str] = set()
        self._samples = 0
        self._missed = 0

    def write(self, content: dict[str, Any]) -> None:
        """Append one line to metrics.jsonl."""
        self._metrics.write(json.dumps(content, allow_nan=False, separators=(",", ":")) + "\n")
        self._metrics.flush()

    def _tell(self, content: dict[str, Any]) -> None:
        self._alerts.write(json.dumps(content) + "\n")
        self._alerts.flush()

    def _sample(self) -> None:
        sample: Sample = {"event": "sample", "time_ns": time.monotonic_ns()}
        for probe in self._probes:
            probe.read(sample)
        sample["monitor_cpu_seconds"] = round(time.process_time(), 4)
        alert = exceeded(sample, self._limits)
        self.write({name: value for name, value in sample.items() if name not in self._unrecorded})
        self._samples += 1
        if alert is not None and alert.kind not in self._alerted:
            self._alerted.add(alert.kind)
            self._tell({"alert": alert.kind, "message": alert.message})
        if alert is not None and alert.kind == "memory_limit" and self.engine.launch_is_stopped():
            self.engine.kill()  # nobody else can, and each moment takes more memory

    def _obey(self, line: str) -> bool:
        """Carry out one command; True where it says stop."""
        word, *arguments = line.split(" ")
        if word == "stop":
            return True
        if word != "engine" or not arguments or not all(map(str.isdigit, arguments)):
            raise BenchmarkError(
                f"the monitor was told '{line}', which is neither 'engine <pid> [<pid of its client>]' nor 'stop'"
            )
        pid, *apart = map(int, arguments)
        refusal = self._counters.attach(pid)
        self.engine.attach(pid, apart)
        if refusal is not None:
            self.write({"event": "absent", "absent": {"instructions": refusal, "cycles": refusal}})
        return False

    def run(self, commands: Commands) -> bool:
        """Sample until told to stop; a first sample comes at once and a last one at the end."""
        self._tell({"ready": True})
        deadline_ns = time.monotonic_ns()
        while True:
            self._sample()
            deadline_ns += self._interval_ns
            late_ns = time.monotonic_ns() - deadline_ns
            if late_ns > 0:
                skipped = late_ns // self._interval_ns + 1
                self._missed += skipped
                deadline_ns += skipped * self._interval_ns
            while (left_ns := deadline_ns - time.monotonic_ns()) > 0:
                lines = commands.wait(left_ns / 1e9)
                if lines is None:
                    return False
                if any(map(self._obey, lines)):
                    self._sample()
                    self.write({"event": "end", "samples": self._samples, "missed": self._missed})
                    return True
