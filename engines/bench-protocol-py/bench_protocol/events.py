"""The events file: one JSON object a line, each written whole."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bench_protocol.engine import Description, Loaded
    from bench_protocol.failure import AdapterError
    from bench_protocol.timings import Timings

FILE_MODE = 0o666
"""Before the umask, as for any file that a program creates."""


class EventLog:
    """Appends events to a file."""

    def __init__(self, path: Path) -> None:
        """Open the file for appending; raises OSError where that fails."""
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)

    def _write(self, event: str, **content: Any) -> None:
        line = json.dumps({"event": event, **content}, allow_nan=False, separators=(",", ":")) + "\n"
        left = memoryview(line.encode())
        while left:
            left = left[os.write(self._file, left) :]

    def hello(self, description: Description, protocol: int) -> None:
        """Who speaks."""
        self._write(
            "hello",
            engine=description.engine,
            version=description.version,
            protocol=protocol,
            build=description.build,
            capabilities=description.capabilities._asdict(),
        )

    def load_start(self, time_ns: int) -> None:
        """The model's files are about to be opened."""
        self._write("load_start", time_ns=time_ns)

    def load_end(self, time_ns: int, loaded: Loaded, batching: str | None) -> None:
        """The first prompt could be taken; batching is told of launches under load alone."""
        told = {name: value for name, value in {**loaded._asdict(), "batching": batching}.items() if value is not None}
        self._write("load_end", time_ns=time_ns, **told)

    def iteration(self, *, index: int, warmup: bool, case: int, start_ns: int, end_ns: int, timings: Timings) -> None:
        """One request, after it ended."""
        margins = timings.margins[: timings.count]
        extra: dict[str, Any] = {} if None in margins else {"margins": margins}
        for name in ("used_prompt_ids", "tokenized_ns"):
            if (value := getattr(timings, name)) is not None:
                extra[name] = value
        self._write(
            "iteration",
            index=index,
            warmup=warmup,
            case=case,
            start_ns=start_ns,
            token_ids=timings.token_ids[: timings.count],
            token_ns=timings.token_ns[: timings.count],
            end_ns=end_ns,
            finish=timings.finish,
            **extra,
        )

    def level(self, events: Iterable[dict[str, Any]]) -> None:
        """Requests of a level of load, and last the level itself, after it has ended."""
        for event in events:
            self._write(**event)

    def error(self, error: AdapterError) -> None:
        """Why the adapter ends without done."""
        self._write("error", kind=error.kind, message=str(error) or type(error).__name__)

    def done(self) -> None:
        """All that the spec asks for has happened."""
        self._write("done")
