"""One launch of a server, which is a shell script, and of a scripted client beside it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from launch_case import REPOSITORY, LaunchCase

SECTION = {
    "arguments": ["--port", "{port}", "--slots", "{concurrency}", "--length", "{context_total}"],
    "engine": "scripted",
    "path": "/v1/completions",
    "model": "{model_dir}",
    "body": {"reuse": False},
    "ids": {"in": True, "stream": "token_ids", "whole": None},
    "dtypes": {"f32": "float32"},
    "capabilities": {"sampling": ["greedy"], "seed": False, "past_eos": "goes_on"},
}

# The launch's command with the scripted client in the place of the shipped one.
LAUNCH = f"""
import os, sys
os.environ["PYTHONPATH"] += os.pathsep + {str(REPOSITORY / "tests" / "scripted_client")!r}
from benchmark_runner.processes import client
client.DRIVER = "scripted_client"
from benchmark_runner.errors import exit_status
from benchmark_runner.launch.__main__ import main
from benchmark_runner.processes.guard import guarded
sys.exit(guarded(lambda: exit_status(main, sys.argv[1:])))
"""


class ServedCase(LaunchCase):
    """A LaunchCase whose engine is a server; options are those of the scripted engine that answers for it."""

    def __init__(self, folder: Path, script: str, **arguments: Any) -> None:
        program = folder / "server"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        super().__init__(folder, binary=program, **arguments)
        self.plan["engines"][0]["server"] = SECTION
        (folder / "plan.json").write_text(json.dumps(self.plan))

    def command(self, block: int = 1) -> list[str]:
        _, _, _, *arguments = super().command(block)
        return [sys.executable, "-c", LAUNCH, *arguments]
