"""One launch with the scripted engine: its input files, its command, and what it leaves."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark_runner.launch.machine_lock import VARIABLE
from build_case import build_record as completed

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPTS = REPOSITORY / "workflow" / "scripts"
FAKE_ENGINE = REPOSITORY / "tests" / "fake_engine" / "fake-engine"
IDENTITY = "0123456789ab"
WAIT_SECONDS = 60
"""For things that take milliseconds on an idle machine."""

SYSTEM = {
    "gpu_device": 0,
    "device": "auto",
    "threads": None,
    "max_memory_gb": None,
    "cpu_affinity": None,
    "thermal_limit_celsius": None,
    "cool_down_seconds": 0,
    "launch_timeout_seconds": 60,
}
MONITORING = {"sample_interval_ms": 20, "gpu_metrics": True, "memory_tracking": True, "power_monitoring": True}
PROMPTS = {
    "eos_ids": [2],
    "workloads": {"quick": [{"case": "case_1", "prompt_ids": [5, 6, 7]}, {"case": "case_2", "prompt_ids": [5, 6]}]},
}
MANIFEST = {
    "schema_version": 1,
    "source": {"kind": "folder"},
    "weights_dtype": "f32",
    "name": "tiny",
    "identity": "tiny-1",
    "weights": "model.safetensors",
    "weights_bytes": 1000,
    "files": {"model.safetensors": {"sha256": hashlib.sha256(bytes(1000)).hexdigest(), "bytes": 1000}},
    "architecture": {"layers": 1, "kv_heads": 1, "head_dim": 4, "context_length": 64, "vocab_size": 1200},
}


class LaunchCase:
    """Files of a campaign of one engine and one workload, and the command for its launches."""

    def __init__(
        self,
        folder: Path,
        *,
        options: Mapping[str, Any] | None = None,
        system: Mapping[str, Any] | None = None,
        monitoring: Mapping[str, Any] | None = None,
        binary: Path = FAKE_ENGINE,
        blocks: int = 2,
        iterations: int = 2,
        build_record: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        self.out_dir = folder / "results" / "launches" / "fake" / f"quick.{IDENTITY}" / "1"
        self.lock = folder / "tmp" / "machine" / "measuring"
        """The lock of the machine, as its launches see it."""
        record_path = None
        if build_record is not None:
            record_path = str(folder / "engine.build.json")
            Path(record_path).write_text(json.dumps(completed(**build_record)))
        engine = {
            "name": "fake",
            "control_of": None,
            "binary_path": str(binary),
            "adapter": "fake" if build_record is not None else None,
            "build_device": "cpu",
            "build_record": record_path,
            "dtype": "f32",
            "options": dict(options or {}),
        }
        case = {"max_new_tokens": 4, "temperature": 0, "top_p": 1, "ignore_eos": True, "seed": 0}
        self.plan = {
            "schema_version": 1,
            "config": {"system": SYSTEM | dict(system or {}), "monitoring": MONITORING | dict(monitoring or {})},
            "model": {"name": "tiny", "path": str(folder / "model"), "identity": "tiny-1"},
            "engines": [engine],
            "workloads": [
                {
                    "name": "quick",
                    "iterations_per_launch": iterations,
                    "warmup_iterations": 1,
                    "cases": [{"name": name, **case} for name in ("case_1", "case_2")],
                }
            ],
            "order": [
                {
                    "position": block,
                    "block": block,
                    "engine": "fake",
                    "workload": "quick",
                    "identity": IDENTITY,
                    "folder": str(self.out_dir.parent / str(block)),
                }
                for block in range(1, blocks + 1)
            ],
        }
        (folder / "model").mkdir()
        (folder / "model" / "model.safetensors").write_bytes(bytes(1000))
        for name, content in (("plan", self.plan), ("prompts", PROMPTS), ("manifest", MANIFEST)):
            (folder / f"{name}.json").write_text(json.dumps(content))

    def plan_with_model_here(self) -> None:
        """Write the manifest of the weights that lie in the model's folder now."""
        content = (self.folder / "model" / "model.safetensors").read_bytes()
        files = {"model.safetensors": {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}}
        (self.folder / "manifest.json").write_text(json.dumps(MANIFEST | {"files": files}))

    def command(self, block: int = 1) -> list[str]:
        return [
            sys.executable,
            "-m",
            "benchmark_runner.launch",
            f"--plan={self.folder / 'plan.json'}",
            f"--prompts={self.folder / 'prompts.json'}",
            f"--model-manifest={self.folder / 'manifest.json'}",
            "--engine=fake",
            "--workload=quick",
            f"--identity={IDENTITY}",
            f"--block={block}",
            "--attempt=1",
            f"--out-dir={self.out_dir.parent / str(block)}",
            f"--log={self.folder / 'launch.log'}",
        ]

    def start(self, block: int = 1, **arguments: Any) -> subprocess.Popen[str]:
        # A lock of its own: it neither waits for other launches on this machine nor holds them up.
        environment = os.environ | {"PYTHONPATH": str(SCRIPTS), VARIABLE: str(self.lock)}
        return subprocess.Popen(
            self.command(block), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **arguments
        )

    def run(self, block: int = 1) -> subprocess.CompletedProcess[str]:
        with killed_at_last(self.start(block)) as process:
            out, err = process.communicate(timeout=WAIT_SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def record(self, block: int = 1) -> dict[str, Any]:
        return json.loads((self.out_dir.parent / str(block) / "record.json").read_text())


@contextmanager
def killed_at_last(process: subprocess.Popen[Any]) -> Iterator[subprocess.Popen[Any]]:
    """The process, gone at the end whatever a test found."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> Any:
    """Value of condition as soon as it is true; what takes long to ask is asked seldom."""
    deadline = time.monotonic() + seconds
    while (asked := time.monotonic()) < deadline:
        if value := condition():
            return value
        time.sleep(min(0.5, max(0.01, 9 * (time.monotonic() - asked))))
    raise AssertionError(f"{what}: not within {seconds} s")


def processes_of(folder: Path) -> dict[int, str]:
    """Command lines of living processes that name the folder or work in it: launch, monitor, engine, what it left."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            working_folder = str((entry / "cwd").readlink())
        except OSError:
            continue
        if command and (str(folder) in command or str(folder) in working_folder):
            found[int(entry.name)] = command
    return found


def process_named(folder: Path, text: str) -> int | None:
    """Pid of the process of this launch whose command line holds the text."""
    return next((pid for pid, command in processes_of(folder).items() if text in command), None)
