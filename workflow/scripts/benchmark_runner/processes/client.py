"""The load client beside an engine that is a server: a process of its own that asks it and writes the events."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.processes.engine import (
    EngineExit,
    collect_exit,
    python_command,
    signal_words,
    start_engine,
)
from benchmark_runner.processes.orphans import MARKER_VARIABLE
from benchmark_runner.processes.watch import Watch

CLIENT: Final = "client"
CLIENT_WORDS: Final = "client_words"
"""Keys of its end and of its words in a watch."""
SERVER: Final = "server.json"
"""What the client is told of the server, beside the spec."""
LIBRARY: Final = Path(__file__).resolve().parents[2]
"""Where this library lies, however this process found it."""
DRIVER: Final = "benchmark_runner.load.driver"
CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables by which Python's TLS finds certificates."""
SERVED: Final = "served"
"""The cause of a run whose client has ended with done or error: the server was then ended by us, as is right."""


class Server(NamedTuple):
    """An engine that is asked over HTTP: how its program is called, and what its client is told."""

    arguments: Sequence[str] | None
    """Behind the program, in place of --spec and --events; None of one that already runs and is not started."""
    environment: Mapping[str, str]
    """Variables beside those that every engine has."""
    told: Mapping[str, Any]
    """Content of server.json but for started_ns."""
    cores: Sequence[int]
    """Of the client: those of the monitor."""
    has_own_cores: bool
    """Whether they are none of the server's."""


class Client:
    """One client, started once its server has been."""

    def __init__(self, command: Sequence[str], file: Path, told: Mapping[str, Any], cores: Sequence[int]) -> None:
        self.cores = list(cores)
        self.exit: EngineExit | None = None
        """How it ended; None before that."""
        self._command = command
        self._file = file
        self._told = told
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, started_ns: int, watch: Watch, *, environment: Mapping[str, str], stream: int) -> int:
        """Its process: in a session of its own, with this command's variables and folder, and the marker."""
        self._file.write_text(json.dumps({**self._told, "started_ns": started_ns}), encoding="utf-8")
        path = os.pathsep.join(filter(None, (str(LIBRARY), os.environ.get("PYTHONPATH"))))
        own = {**os.environ, "PYTHONPATH": path, MARKER_VARIABLE: environment.get(MARKER_VARIABLE, "")}
        process = self._process = start_engine(
            self._command, folder=Path(), environment=own, cores=self.cores, stdout=stream, stderr=stream
        )
        self._watch = watch
        self._pidfd = os.pidfd_open(process.pid)
        watch.add(self._pidfd, CLIENT)
        return process.pid

    def end(self) -> None:
        """End it where it still runs."""
        if self._process is None:
            return
        self._watch.remove(self._pidfd)
        with contextlib.suppress(ProcessLookupError):  # Popen.kill would collect the exit status itself
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        self.exit = collect_exit(self._process)
        os.close(self._pidfd)

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        if self.exit is None:
            return "it was not started"
        return signal_words(self.exit.signal) if self.exit.signal is not None else f"exit status {self.exit.code}"


class Call(NamedTuple):
    """How an engine is started for a spec, and who asks it; an adapter needs nobody."""

    command: list[str]
    environment: dict[str, str]
    client: Client | None


def _asking_environment(key_variable: str | None) -> dict[str, str]:
    """What the client needs of this command's variables where it runs in the engine's place: the library, certificates
    of the user's own, and the key, which nothing else is told."""
    names = [name for name in (*CERTIFICATES, key_variable) if name and name in os.environ]
    path = os.pathsep.join(filter(None, (str(LIBRARY), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path, **{name: os.environ[name] for name in names}}


def called(binary: Path, spec: Path, events: Path, environment: Mapping[str, str], server: Server | None) -> Call:
    """The call of an adapter, or of a server and its client, which has its server.json beside the spec; of the client
    alone where the server already runs."""
    files = ["--spec", str(spec), "--events", str(events)]
    if server is None:
        return Call([str(binary), *files], dict(environment), None)
    told = spec.with_name(SERVER)
    if server.arguments is None:
        told.write_text(json.dumps(server.told), encoding="utf-8")
        command = [*python_command(DRIVER), *files, "--server", str(told)]
        return Call(command, {**environment, **_asking_environment(server.told["api_key_env"])}, None)
    own = ["--cores", ",".join(map(str, server.cores))] if server.has_own_cores else []
    command = [*python_command(DRIVER), *files, "--server", str(told), *own]
    client = Client(command, told, server.told, server.cores)
    return Call([str(binary), *server.arguments], {**environment, **server.environment}, client)
