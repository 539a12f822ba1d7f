"""`python -m benchmark_runner.campaign.node`: the machine that a block is measured on, beside those of before.

A block that was begun on another node has both. Blocks of one campaign run on machines of one kind.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.campaign.machine import refused, this_machine
from benchmark_runner.commands import command
from benchmark_runner.environment.__main__ import machine_document
from benchmark_runner.environment.kind import require_alike
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.jsonio import read_json, write_json

SCHEMA_VERSION: Final = 1


def require_given(system: Mapping[str, Any]) -> None:
    """Raise BenchmarkError for what system.strict insists on and this machine lacks."""
    found = refused(system, this_machine(system)) if system["strict"] else []
    if found:
        raise BenchmarkError("; ".join(f"{'.'.join(map(str, key))}: {words}" for key, words in found))


def main(argv: Sequence[str]) -> int:
    """Add this machine to those of a block; to be run on the node, before the block's launches."""
    parser = command("campaign.node", main.__doc__, "plan", "environment", out="<block>.json")
    options = parser.parse_args(argv)
    require_given(read_json(options.plan)["config"]["system"])
    machine = machine_document(Path("/"))
    require_alike(machine, read_json(options.environment))
    before = read_json(options.out)["machines"] if options.out.is_file() else []
    others = [one for one in before if one["host"] != machine["host"]]
    write_json(options.out, {"schema_version": SCHEMA_VERSION, "machines": [*others, machine]})
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
