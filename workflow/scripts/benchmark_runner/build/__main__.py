"""The stage that builds one adapter: the program and its record, which says `unavailable` where it cannot be built."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from benchmark_runner.build.adapter import Adapter, load_adapter
from benchmark_runner.build.environment import build_python
from benchmark_runner.build.rust import build_rust
from benchmark_runner.build.source import own_lines, source_hash
from benchmark_runner.build.tools import BuildError, end_with_parent
from benchmark_runner.configuration.cache import own_cache
from benchmark_runner.errors import exit_status, lack_of
from benchmark_runner.hashes import file_sha256
from benchmark_runner.jsonio import write_json
from benchmark_runner.schemas import require_valid
from benchmark_runner.terminal import say
from benchmark_runner.units import NS_PER_MS

SCHEMA_VERSION: Final = 1


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmark_runner.build", description=__doc__)
    parser.add_argument("--adapter", type=Path, required=True, help="folder under engines/")
    parser.add_argument("--binary", type=Path, required=True, help="where the program is put")
    parser.add_argument("--record", type=Path, required=True, help="where the build record is put")
    parser.add_argument("--log", type=Path, help="where the tools' words are kept (default: beside the record)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="what the build is for")
    parser.add_argument("--cache", type=Path, default=own_cache(), help="folder for what clones can share")
    parser.add_argument("--environment-root", type=Path, default=Path("target/environments"))
    return parser.parse_args(argv)


def _built(adapter: Adapter, options: argparse.Namespace, log: IO[str]) -> dict[str, Any]:
    """The parts of the record that only a build that succeeded knows."""
    source = source_hash(adapter)
    try:
        if adapter.language == "rust":
            parts = build_rust(adapter, options.device, options.cache.absolute(), options.binary, log)
        else:
            parts = build_python(adapter, options.environment_root, options.binary, log)
        content = options.binary.read_bytes()
    except OSError as error:
        if lack_of(error) is not None:  # of this machine, not of the adapter
            raise
        raise BuildError(
            f"{error.filename or adapter.name}: {error.strerror}", "free space or rights for it, then run again"
        ) from error
    if source_hash(adapter) != source:
        raise BuildError("its source was changed while it was built", "run the same command again")
    return {
        **parts,
        "status": "built",
        "installed_bytes": parts.get("installed_bytes", 0) + len(content),
        "adapter_lines": own_lines(adapter),
        "source_sha256": source,
        "binary_sha256": hashlib.sha256(content).hexdigest(),
        "binary_bytes": len(content),
    }


def main(argv: Sequence[str]) -> int:
    """Build an adapter. A failed build is a result too: status 0, and the record says why."""
    end_with_parent()
    options = _arguments(argv)
    adapter = load_adapter(options.adapter)
    began_ns = time.monotonic_ns()
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        **dict.fromkeys(("reason", "remedy", "missing_tool", "binary_sha256", "binary_bytes")),
        **dict.fromkeys(("compiler", "flags", "python", "cuda_toolkit", "sources", "environment")),
        **dict.fromkeys(("from_nothing", "installed_bytes", "adapter_lines")),
        "adapter": adapter.name,
        "language": adapter.language,
        "device": options.device,
        "lock_sha256": file_sha256(adapter.lock),
        "source_sha256": source_hash(adapter),
        "packages": {},
        **({} if adapter.server is None else {"server": adapter.server}),
    }
    log_path = options.log or options.record.with_suffix(".log")
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("w", encoding="utf-8") as log:
        try:
            record |= _built(adapter, options, log)
        except BuildError as error:
            say(f"{adapter.name} is unavailable: {error.reason}\n{error.remedy}")
            record |= {"status": "unavailable", **vars(error)}
            options.binary.unlink(missing_ok=True)  # of an older source, which must not be measured in its place
    record["built_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    record["duration_ms"] = int((time.monotonic_ns() - began_ns) / NS_PER_MS)
    require_valid("build", record, str(options.record))
    write_json(options.record, record)
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
