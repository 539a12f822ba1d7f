"""The adapter protocol (docs/protocol.md) for engines written in Python.

An adapter subclasses Engine and ends with ``run(MyEngine(), sys.argv[1:])``. This package reads the spec,
refuses what the engine's capabilities exclude before anything is loaded, runs the rounds, takes the times and writes
the events. It needs the standard library alone (only the module decode needs numpy) and imports fast, since its import
is part of each launch.
"""

from bench_protocol.engine import Capabilities, Description, Engine, Loaded
from bench_protocol.failure import (
    AdapterError,
    BadSpecError,
    EngineError,
    EngineMemoryError,
    UnsupportedError,
    flag_option,
    require_known_options,
)
from bench_protocol.refusals import require_files, require_known_ids
from bench_protocol.run import run
from bench_protocol.spec import PROTOCOL, Case, Launch, Load, Sampling, Spec
from bench_protocol.timings import Timings

__all__ = [
    "PROTOCOL",
    "AdapterError",
    "BadSpecError",
    "Capabilities",
    "Case",
    "Description",
    "Engine",
    "EngineError",
    "EngineMemoryError",
    "Launch",
    "Load",
    "Loaded",
    "Sampling",
    "Spec",
    "Timings",
    "UnsupportedError",
    "flag_option",
    "require_files",
    "require_known_ids",
    "require_known_options",
    "run",
]
