"""A campaign's files as far as the fidelity commands read them, with the scripted engine as reference and as engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmark_runner.schemas import require_valid
from launch_case import killed_at_last
from tiny_model import make_tiny_model

TEXTS = {"Hi": [74, 75], "Ho ho": [74, 80, 3, 74, 80]}
MARGINS = [1.0, 0.5, 0.25, 0.125, 0.001, 0.001]
WAIT_SECONDS = 60
"""For things that take milliseconds on an idle machine."""


class FidelityCase:
    """Files in a folder, and the two commands on them."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.folder = folder
        self.repository = repository
        self.out = folder / "fidelity"
        fake = str(repository / "tests" / "fake_engine" / "fake-engine")
        self.plan: dict[str, Any] = {
            "campaign": {"baseline": "base"},
            "model": {"path": str(make_tiny_model(folder / "model"))},
            "config": {
                "system": {
                    "gpu_device": 0,
                    "device": "cpu",
                    "threads": 1,
                    "cpu_affinity": None,
                    "launch_timeout_seconds": WAIT_SECONDS,
                }
            },
            "fidelity": {"reference": "base", "max_new_tokens": 6, "prompts": list(TEXTS), "sampling": None},
            "engines": [
                {
                    "name": name,
                    "control_of": None,
                    "binary_path": fake,
                    "adapter": None,
                    "build_device": "cpu",
                    "build_record": None,
                    "dtype": "f32",
                    "options": {},
                }
                for name in ("base", "other")
            ],
        }
        self.base, self.other = self.plan["engines"]
        self.base["options"] = {"margin": MARGINS}
        # Another file, since a check of the reference's own program is a shorter one.
        program = folder / "other-engine"
        program.symlink_to(fake)
        self.other.update(binary_path=str(program), options={"margin": MARGINS})
        self.prompts = {
            "model_identity": "tiny-1",
            "eos_ids": [1],
            "fidelity": [{"text": text, "prompt_ids": ids} for text, ids in TEXTS.items()],
            "unseen": [[70, 71, 72], [81, 82]],
        }

    @property
    def reference_file(self) -> Path:
        return self.out / "reference" / "reference.json"

    def command(self, module: str, *flags: str) -> list[str]:
        files = []
        for name in ("plan", "prompts"):
            path = self.folder / f"{name}.json"
            path.write_text(json.dumps(getattr(self, name)))
            files.append(f"--{name}={path}")
        return [sys.executable, "-m", f"benchmark_runner.fidelity.{module}", *files, *flags]

    def start(self, module: str, *flags: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(module, *flags),
            env=os.environ | {"PYTHONPATH": str(self.repository / "workflow" / "scripts")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _run(self, module: str, *flags: str) -> str:
        with killed_at_last(self.start(module, *flags)) as process:
            out, err = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 0, err
        return out

    def reference(self) -> dict[str, Any]:
        self._run("reference", f"--out={self.reference_file}")
        return json.loads(self.reference_file.read_text())

    def check_flags(self, engine: str) -> list[str]:
        return [f"--engine={engine}", f"--reference={self.reference_file}", f"--out={self.out / f'{engine}.json'}"]

    def check(self, engine: str = "other") -> dict[str, Any]:
        if not self.reference_file.exists():
            self.reference()
        self._run("check", *self.check_flags(engine))
        content = json.loads((self.out / f"{engine}.json").read_text())
        require_valid("fidelity", content, f"fidelity of {engine}")
        return content
