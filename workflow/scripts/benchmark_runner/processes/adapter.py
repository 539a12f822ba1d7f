"""Runs an adapter: the one way for all who do (launch, fidelity, conformance). Whatever it does, all of it ends here.

Its words come through pipes, its events are held by descriptor, and how far it has come is heard from them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from benchmark_runner.errors import lack_of
from benchmark_runner.processes.client import CLIENT, CLIENT_WORDS, SERVED, Client, Server, called
from benchmark_runner.processes.engine import EngineExit, ask_to_end, collect_exit, start_engine
from benchmark_runner.processes.files import MOST_EVENTS_BYTES, HeldFile, flooded, own_folder, remove
from benchmark_runner.processes.orphans import MARKER_VARIABLE, below_process, end_all, of_launch
from benchmark_runner.processes.watch import Alert, Watch
from benchmark_runner.processes.words import Words

ENGINE: Final = "engine"
SPEC: Final = "spec.json"
EVENTS: Final = "events.jsonl"
LOG: Final = "engine.log"
SCRATCH: Final = "scratch"
"""Files of a run, and the engine's working folder."""

REPLACED: Final = "the engine removed or replaced events.jsonl, the file that --events names"
WORDS: Final = ("stdout", "stderr")

AFTER_DONE_SECONDS: Final = 10.0
"""Chosen: an engine frees tens of gigabytes in this time; what it measured is complete whether or not it does."""
LOOK_SECONDS: Final = 10.0
"""How often events are looked at while the engine works (chosen): one small read beside minutes of computing."""
LOOKS_A_LIMIT: Final = 4
LINE_BYTES: Final = 4096
_EVENT: Final = re.compile(rb'"event"\s*:\s*"(\w{1,20})"')

STDOUT_FOLLOWS: Final = b"\n--- what the engine printed on stdout, which the protocol keeps empty ---\n"
CLIENT_FOLLOWS: Final = b"\n--- what the load client printed ---\n"


class CannotExecuteError(Exception):
    """The system does not start the program; the message is its word on why."""


class Limit(NamedTuple):
    """A time, and the setting that it comes from."""

    seconds: float
    origin: str


class Limits(NamedTuple):
    """How long an engine may take: in all, up to load_end, and from one event to the next after that."""

    whole: Limit
    load: Limit
    silence: Limit


class Companion(Protocol):
    """What runs beside an engine and may have it ended: the monitor."""

    @property
    def key(self) -> str:
        """By which the watch tells that it has alerts."""

    @property
    def pid(self) -> int:
        """Its process."""

    def watch_engine(self, pid: int, client: int | None) -> None:
        """Look after that process, of which the load client is no part."""

    def alerts(self) -> Sequence[Alert]:
        """What it found."""


class AdapterRun(NamedTuple):
    """How a run ended and what it left behind."""

    cause: str
    """exit (by itself), after_done (ended by us, all done), served (a server, ended by us when its client had ended),
    timeout, failed (its client died), or the kind of a companion's alert."""
    message: str
    exit: EngineExit
    start_ns: int
    lingering: list[str]
    """Names of processes that the engine left running when it ended by itself; they have been ended."""
    survivors: list[str]
    """Names of processes that SIGKILL did not end in time."""
    printed_bytes: int
    """On stdout."""
    last_words: str
    """The last line on stderr."""
    client: EngineExit | None = None
    """How the load client of a server ended."""


class Heard:
    """How far an engine has come by its events, as far as they have been looked at."""

    def __init__(
        self, events: HeldFile, limits: Limits, clock: Callable[[], float] = time.monotonic, unit: str = "iteration"
    ) -> None:
        self._clock = clock
        self._unit = unit
        self._descriptor = events.descriptor
        self._limits = limits
        self._begin = self._last = self._clock()
        self._place = 0
        self._partial = b""
        self._kinds: dict[str, int] = {}
        self._latest = ""

    def look(self) -> None:
        """Take in what has been written since, up to where the file ends now: an engine may write faster than this."""
        size = min(os.fstat(self._descriptor).st_size, MOST_EVENTS_BYTES + 1)
        while self._place < size and (chunk := os.pread(self._descriptor, 1 << 20, self._place)):
            self._place += len(chunk)
            self._last = self._clock()
            text, place = self._partial + chunk, 0
            end = text.rfind(b"\n") + 1
            self._partial = text[end : end + LINE_BYTES]
            while (found := _EVENT.search(text, place, end)) is not None:  # the first of each line
                self._latest = found[1].decode()
                self._kinds[self._latest] = self._kinds.get(self._latest, 0) + 1
                place = text.find(b"\n", found.end()) + 1

    @property
    def is_done(self) -> bool:
        """Whether the engine has said that all is done."""
        return "done" in self._kinds

    @property
    def is_over(self) -> bool:
        """Whether it has said so, or that it gives up."""
        return self.is_done or "error" in self._kinds

    @property
    def _words(self) -> str:
        count = self._kinds.get(self._latest, 0)
        return f"the last event was {self._latest}{f' ({count} so far)' if count > 1 else ''}" if count else "no event"

    def _phase(self) -> tuple[float, str]:
        """When the present phase has lasted too long, and what to say then."""
        whole, load, silence = self._limits
        told = f"; {self._words}"
        if self.is_done:
            phase = self._last + AFTER_DONE_SECONDS, f"the engine did not end within {AFTER_DONE_SECONDS:g} s of done"
        elif "load_end" not in self._kinds:
            words = f"the engine had not loaded after {load.seconds:g} s ({load.origin})"
            phase = self._begin + load.seconds, words
        else:
            begun = {"iteration", "stage"} & self._kinds.keys()
            what = f"the next {min(begun)} or done" if begun else f"the first {self._unit}"
            words = f"{what} did not come within {silence.seconds:g} s ({silence.origin})"
            phase = self._last + silence.seconds, words
        in_all = f"the engine had not ended after {whole.seconds:g} s ({whole.origin})"
        end, words = min(phase, (self._begin + whole.seconds, in_all))
        return end, words + told

    def seconds_left(self) -> float:
        """Time until it is to be looked again."""
        shortest = min(limit.seconds for limit in self._limits)
        return max(0.0, min(LOOK_SECONDS, shortest / LOOKS_A_LIMIT, self._phase()[0] - self._clock()))

    def overdue(self) -> str | None:
        """What took too long; None where nothing did."""
        self.look()
        if self._place > MOST_EVENTS_BYTES:
            return flooded(self._place)
        end, words = self._phase()
        return words if self._clock() >= end else None


class _Streams:
    """stdout and stderr of a run, and the log that they go to."""

    def __init__(self, watch: Watch, log: HeldFile, names: Sequence[str]) -> None:
        self._watch = watch
        self._log = log
        self.words = {name: Words() for name in names}
        for name, stream in self.words.items():
            watch.add(stream.reader, name)

    def _write(self, content: bytes) -> None:
        with contextlib.suppress(OSError):  # a full disk: the words are kept here for the record all the same
            self._log.write(content)

    def close_writers(self) -> None:
        """Leave the writing ends to the engine, and to its client, alone."""
        for stream in self.words.values():
            os.close(stream.writer)

    def take(self, ready: set[str]) -> None:
        """Read the streams that are ready; the kept beginning of stderr goes to the log at once."""
        for name in ready & self.words.keys():
            stream = self.words[name]
            first = stream.take()
            if name == "stderr":
                self._write(first)
            if not stream.is_open:
                self._watch.remove(stream.reader)

    def finish(self) -> None:
        """Read what is left and complete the log."""
        for stream in self.words.values():
            if stream.is_open:
                self._watch.remove(stream.reader)
        stderr = self.words["stderr"]
        self._write(stderr.finish() + stderr.ending)
        for name, heading in (("stdout", STDOUT_FOLLOWS), (CLIENT_WORDS, CLIENT_FOLLOWS)):
            if name in self.words:
                self.words[name].finish()
                self._write(heading + self.words[name].text if self.words[name].total_bytes else b"")

    def last(self, name: str) -> str:
        """The last line on a stream, behind words that lead to it; empty where there is none."""
        words = self.words[name].last
        return f"; its last words: {words}" if words else ""


def _first_end(watch: Watch, heard: Heard, streams: _Streams, companion: Companion | None) -> tuple[str, str]:
    """(cause, message) of whatever ends the engine first."""
    look_at = watch.clock() + heard.seconds_left()
    while True:
        ready = watch.wait(look_at - watch.clock())
        streams.take(ready)
        if companion is not None and companion.key in ready:
            for alert in companion.alerts():
                return alert.kind, alert.message
        if ENGINE in ready:
            return "exit", ""
        if CLIENT in ready:
            heard.look()
            return (SERVED, "") if heard.is_over else ("failed", "the load client died before done")
        if watch.clock() >= look_at:
            if (words := heard.overdue()) is not None:
                return "after_done" if heard.is_done else "timeout", words
            look_at = watch.clock() + heard.seconds_left()


def run_adapter(
    command: Sequence[str],
    *,
    folder: Path,
    events: HeldFile,
    log: HeldFile,
    environment: Mapping[str, str],
    cores: Sequence[int],
    limits: Limits,
    watch: Watch,
    companion: Companion | None = None,
    notes: Path | None = None,
    client: Client | None = None,
) -> AdapterRun:
    """Run it to its end or bring that about, and end all that it started; its words stand in log, of bounded size.

    notes is a file that is told the names of its streams, as /proc shows them to whoever looks for who holds them.
    A client asks an engine that is a server, writes its events, and ends the run by its own end.
    Raises CannotExecuteError, InterruptedLaunchError where this command is stopped meanwhile, and OSError where this
    machine may start no process, which says nothing of the program.
    """
    streams = _Streams(watch, log, WORDS if client is None else (*WORDS, CLIENT_WORDS))
    if notes is not None:
        with notes.open("a", encoding="ascii") as file:
            file.writelines(f"{stream.name}\n" for stream in streams.words.values())
    start_ns = time.monotonic_ns()
    try:
        writers = {name: stream.writer for name, stream in streams.words.items()}
        # Servers log on both: only an adapter's stdout has to be empty.
        stdout = writers["stdout" if client is None else "stderr"]
        process = start_engine(
            command, folder=folder, environment=environment, cores=cores, stdout=stdout, stderr=writers["stderr"]
        )
    except OSError as error:
        streams.close_writers()
        streams.finish()
        if lack_of(error) is not None:
            raise
        raise CannotExecuteError(error.strerror) from error

    def start_client() -> int | None:
        pid = None
        if client is not None:
            pid = client.start(start_ns, watch, environment=environment, stream=writers[CLIENT_WORDS])
        streams.close_writers()
        return pid

    spared = frozenset() if companion is None else frozenset({companion.pid})
    find = below_process(os.getpid(), spared)
    heard = Heard(events, limits, watch.clock, "iteration" if client is None else "iteration or load level")
    try:
        cause, message, ended = _to_its_end(process, watch, heard, streams, companion, start_client)
        if client is not None:
            client.end()
        left = [member.name for member in find().values() if member.state != "Z"] if cause == "exit" else []
    finally:
        survivors = [member.name for member in end_all(find).values()]
        streams.finish()
    if client is not None and cause == "failed":
        message += f" ({client.ending}){streams.last(CLIENT_WORDS)}"
    elif client is not None and cause == "timeout":
        message += streams.last("stderr")
    printed, words = streams.words["stdout"].total_bytes, streams.words["stderr"].last
    return AdapterRun(cause, message, ended, start_ns, left, survivors, printed, words, client.exit if client else None)


class FolderRun(NamedTuple):
    """A run in a folder of its own, which holds what was asked and what came back."""

    run: AdapterRun
    events: Path
    replaced: str | None
    """What is wrong where the engine took its events file away or put another in its place."""


def run_in_folder(
    binary: Path,
    spec: str,
    *,
    folder: Path,
    environment: Mapping[str, str],
    cores: Sequence[int],
    limits: Limits,
    watch: Watch,
    server: Server | None = None,
) -> FolderRun:
    """As run_adapter, with spec.json, events.jsonl and engine.log in folder and an empty working folder below it.

    What an earlier run in this folder left, whose every guard was killed, is ended first: it carries the folder's mark.
    """
    marker = hashlib.sha256(str(folder.absolute()).encode("utf-8", "surrogateescape")).hexdigest()
    end_all(of_launch(None, marker))
    own_folder(folder)
    scratch = folder / SCRATCH
    remove(scratch)
    scratch.mkdir()
    events = HeldFile(folder / EVENTS)
    held = [HeldFile.of(folder / SPEC, spec.encode()), HeldFile(folder / LOG), events]
    call = called(binary.absolute(), folder / SPEC, events.path, {**environment, MARKER_VARIABLE: marker}, server)
    try:
        run = run_adapter(
            call.command,
            folder=scratch,
            events=events,
            log=held[1],
            environment=call.environment,
            cores=cores,
            limits=limits,
            watch=watch,
            client=call.client,
        )
        return FolderRun(run, events.path, None if events.in_place else REPLACED)
    finally:
        own_folder(folder)
        remove(scratch)
        for file in held:
            file.put_at(file.path)
            file.close()


def _to_its_end(
    process: subprocess.Popen[bytes],
    watch: Watch,
    heard: Heard,
    streams: _Streams,
    companion: Companion | None,
    start_client: Callable[[], int | None],
) -> tuple[str, str, EngineExit]:
    """(cause, message, exit) of the engine's process, which is gone then, also where this command is stopped."""
    pidfd = os.pidfd_open(process.pid)
    watch.add(pidfd, ENGINE)
    cause = ""
    try:
        client = start_client()
        if companion is not None:
            companion.watch_engine(process.pid, client)
        cause, message = _first_end(watch, heard, streams, companion)
    finally:
        watch.remove(pidfd)
        if cause == "memory_limit":
            process.kill()  # each moment of grace takes more memory
        elif cause != "exit":
            ask_to_end(process, pidfd)
        ended = collect_exit(process)
        os.close(pidfd)
    return cause, message, ended
