"""The check that is run by hand: do the Rust adapters build for a GPU, link and start, on a machine without one?"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.build.__main__ import main as build
from benchmark_runner.build.adapter import load_adapter
from benchmark_runner.configuration.cache import own_cache
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.jsonio import read_json, read_json_lines
from benchmark_runner.terminal import say
from benchmark_runner.units import MS_PER_MINUTE

BYTES_PER_MB: Final = 1_000_000

START_TIMEOUT_S: Final = 60
"""A start reads some hundred MB of libraries, from a slow disk at worst (chosen)."""

DRIVER_LIBRARY: Final = "libcuda.so.1"

_NEEDED: Final = re.compile(r"\(NEEDED\).*\[(.+)\]")


class CheckError(BenchmarkError):
    """A program that was built and is not what the check wants."""


def gpu_adapters(engines: Path) -> list[Path]:
    """Folders of the adapters that cargo builds for a GPU; raises BenchmarkError where there are none."""
    folders = [path.parent for path in sorted(engines.glob("*/adapter.yaml"))]
    found = [folder for folder in folders if (cargo := load_adapter(folder).cargo) and cargo.cuda_features]
    if not found:
        raise BenchmarkError(f"{engines} holds no adapter with cargo.cuda_features; name the workflow's folder engines")
    return found


def needed_libraries(program: Path) -> list[str]:
    """Shared libraries that the loader opens for a program, by readelf (binutils, which come with a C compiler)."""
    done = subprocess.run(["readelf", "--dynamic", program], capture_output=True, text=True, check=True)
    return _NEEDED.findall(done.stdout)


def start(program: Path, stub: Path, scratch: Path) -> tuple[dict[str, Any], str]:
    """Start a program with an empty spec and every symbol bound; gives its hello and what it says on stderr.

    The stub stands in for the driver, so that the loader succeeds: each call of it answers an error. Raises
    CheckError where there is no hello.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    link, spec, events = scratch / DRIVER_LIBRARY, scratch / "spec.json", scratch / "events.jsonl"
    link.unlink(missing_ok=True)
    link.symlink_to(stub)
    spec.write_text("{}", encoding="utf-8")
    events.unlink(missing_ok=True)
    done = subprocess.run(
        [program, "--spec", spec, "--events", events],
        env={**os.environ, "LD_LIBRARY_PATH": str(scratch), "LD_BIND_NOW": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=START_TIMEOUT_S,
    )
    hello = next(iter(read_json_lines(events)), None) if events.is_file() else None
    if hello is None or hello["event"] != "hello":
        raise CheckError(f"{program} does not start (status {done.returncode}): {done.stderr.strip()}")
    return hello, done.stderr.strip()


def check(folder: Path, out: Path, cache: Path) -> list[str]:
    """Build one adapter and start it; what was seen, a line each. Raises CheckError where it is not as it should be."""
    name = folder.name
    binary, record_path = out / name, out / f"{name}.build.json"
    build(
        [
            *("--adapter", str(folder), "--binary", str(binary), "--record", str(record_path)),
            *("--device", "cuda", "--cache", str(cache)),
        ]
    )
    record = read_json(record_path)
    if record["status"] != "built":
        raise CheckError(f"{name} was not built: {record['reason']}; {record['remedy']}")
    toolkit = record["cuda_toolkit"]
    hello, said = start(binary, Path(toolkit["folder"]) / "lib64" / "stubs" / "libcuda.so", out / f"{name}.start")
    if hello["build"].get("cuda") is not True:
        raise CheckError(f"{name} says in hello that it was not built for cuda: {hello['build']}")
    if "not found" in said:
        raise CheckError(f"{name} does not find all of its libraries: {said}")
    capability = toolkit["compute_capability"] or "any (its kernels are compiled when it runs)"
    return [
        f"{name}: built in {record['duration_ms'] / MS_PER_MINUTE:.1f} minutes, "
        f"{record['binary_bytes'] / BYTES_PER_MB:.1f} MB",
        f"  CUDA {toolkit['version']} ({toolkit['origin']}) in {toolkit['folder']}; compute capability {capability}",
        f"  needs {', '.join(needed_libraries(binary))}",
        # The second line is what it says of the empty spec.
        f"  starts beside a stub of the driver and says: {said.partition(chr(10))[0] or 'nothing'}",
    ]


def main(argv: Sequence[str]) -> int:
    """Check every adapter; status 1 where one fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmark_runner.build.cuda_check", description=__doc__)
    parser.add_argument("--engines", type=Path, required=True, help="folder of the adapters")
    parser.add_argument("--out", type=Path, required=True, help="where the programs are put")
    parser.add_argument("--cache", type=Path, default=own_cache(), help="folder for what clones can share")
    options = parser.parse_args(argv)
    failures = 0
    for folder in gpu_adapters(options.engines):
        try:
            print("\n".join(check(folder, options.out.absolute(), options.cache)), flush=True)
        except CheckError as error:
            failures += 1
            say(f"error: {error}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
