"""The folder in which an engine works: drawn anew for each launch, so that no name is a property of an engine.

The lengths of command line, environment and working folder move a process's stack, and with it what its memory accesses
cost. So the folder's name is random and of one length for all engines, and a variable of random length pads the
environment: what the layout does to the times is a chance of each launch, which the statistics see as such.
(Mytkowicz et al., Producing wrong data without doing anything obviously wrong, ASPLOS 2009.)
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.launch.placing import INTERRUPTED, RECORD, SHOWN, Identity, show
from benchmark_runner.launch.record import boot_id
from benchmark_runner.processes.files import HeldFile, own_folder, remove, require_room
from benchmark_runner.processes.orphans import end_launch, of_launch
from benchmark_runner.processes.procfs import Process, read_process, works_in

MEMBERS: Final = "members"
NAME: Final = re.compile(r"\.[0-9a-f]{16}")
# A page: beyond that the layout repeats.
PADDING_BYTES: Final = 4096
QUIET_SECONDS: Final = 180.0
"""An attempt on another machine has ended with it where none of its files has changed for so long: three times what may
lie between two samples of the monitor (chosen)."""
LOOK_SECONDS: Final = 2.0
"""Chosen: beside launches of minutes, on another machine than the one that measures."""


class Workplace(NamedTuple):
    """One launch's folder for its engine, with spec and events in it, and the padding of its environment."""

    folder: Path
    padding: str

    @property
    def spec(self) -> Path:
        """The file behind --spec."""
        return self.folder / "spec.json"

    @property
    def events(self) -> Path:
        """The file behind --events."""
        return self.folder / "events.jsonl"

    @property
    def scratch(self) -> Path:
        """The engine's working folder, empty when it starts."""
        return self.folder / "scratch"

    @property
    def kept(self) -> Path:
        """What becomes the launch's folder: the files of the launch itself."""
        return self.folder / "kept"

    @property
    def members(self) -> Path:
        """The file in which the launch's processes are noted, its command and the guard above that first."""
        return self.folder / MEMBERS

    def describe(self) -> dict[str, Any]:
        """The record's field `drawn`."""
        return {"folder": self.folder.name, "padding_bytes": len(self.padding)}


def draw(launch_folder: Path) -> Workplace:
    """A workplace beside the folders of all engines (launches/<engine>/<workload>.<identity>/<block>); not yet made."""
    padding_bytes = int.from_bytes(os.urandom(4), "big") % PADDING_BYTES
    return Workplace(launch_folder.parents[2] / f".{os.urandom(8).hex()}", "x" * padding_bytes)


@contextlib.contextmanager
def prepared(workplace: Workplace, launch_folder: Path) -> Iterator[Identity]:
    """Inside, the workplace is there and the launch's folder, which is given for take_place, shows it; then of the
    workplace is left what becomes that folder, and who works on it.

    Raises MeasuredAlreadyError where the launch has a record, and BenchmarkError where the disk is full or another one.
    """
    shown = [workplace.kept / name for name in SHOWN if name != workplace.events.name]
    # First: by it the next attempt finds what a killed one leaves.
    begun = show(launch_folder, [workplace.events, *shown])
    launches = workplace.folder.parent
    if launches.stat().st_dev != begun[0]:
        raise BenchmarkError(
            f"{launch_folder} is on another file system than {launches}, from which what is measured takes its place "
            "by one rename; let it be a folder there, no link and no mount, and run again"
        )
    require_room(launches)
    try:
        workplace.scratch.mkdir(parents=True)
        workplace.kept.mkdir()
        pair = (process for process in map(read_process, (os.getpid(), os.getppid())) if process is not None)
        lines = [f"{boot_id()} {os.uname().nodename}", *(f"{process.pid} {process.start_ticks}" for process in pair)]
        workplace.members.write_text("\n".join(lines) + "\n", encoding="ascii", errors="replace")
        yield begun
    finally:
        _own(workplace)
        for entry in workplace.folder.iterdir():
            if entry not in (workplace.kept, workplace.members):
                remove(entry)


def _own(workplace: Workplace) -> None:
    """Let the folders of the launch itself be there, whatever an engine did to them."""
    own_folder(workplace.folder)
    own_folder(workplace.kept)


@contextlib.contextmanager
def events_of(workplace: Workplace) -> Iterator[HeldFile]:
    """The engine's events; afterwards they are in the folder that becomes the launch's."""
    events = HeldFile(workplace.events)
    try:
        yield events
    finally:
        _own(workplace)
        events.put_at(workplace.kept / workplace.events.name)


def pause_in_sight(workplace: Workplace, seconds: float, pause: Callable[[float], object]) -> None:
    """Pause so that other machines see that the attempt goes on."""
    while True:
        pause(min(seconds, QUIET_SECONDS / 3))
        os.utime(workplace.members)
        if (seconds := seconds - QUIET_SECONDS / 3) <= 0:
            return


def left_behind(launch_folder: Path) -> Path | None:
    """The workplace of an attempt that was killed; None where there is none."""
    shown = launch_folder / "events.jsonl"
    if not shown.is_symlink():
        return None
    name = shown.readlink().parent.name
    folder = launch_folder.parents[2] / name
    return folder if NAME.fullmatch(name) and folder.is_dir() and not folder.is_symlink() else None


def _quiet_seconds(launch_folder: Path) -> float:
    """For how long nothing that an attempt writes has changed, by the files' own clock."""
    with tempfile.TemporaryFile(dir=launch_folder.parent) as probe:  # a folder that gives way must be empty
        last, now = -math.inf, os.fstat(probe.fileno()).st_mtime
    workplace = left_behind(launch_folder)
    for file in (*(launch_folder / name for name in SHOWN), *([workplace / MEMBERS] if workplace else [])):
        with contextlib.suppress(OSError):  # gone, as an attempt that ends moves its files
            last = max(last, file.stat().st_mtime)
    return now - last


def _machine_of(workplace: Path | None) -> str | None:
    """Name of the other machine on which an attempt works, or has worked; None where it is this one."""
    if workplace is None or not (members := workplace / MEMBERS).is_file():
        return None
    boot, _, host = members.read_text(encoding="ascii", errors="replace").partition("\n")[0].partition(" ")
    return host if host and host != os.uname().nodename and boot != boot_id() else None


def wait_for_others(launch_folder: Path, pause: Callable[[float], object], tell: Callable[[str], object]) -> None:
    """Pause for as long as another machine that shares the folder measures this launch: to clear away what it works
    with would spoil what it measures. tell is told once which machine that is.
    """
    host = None
    while (other := _machine_of(left_behind(launch_folder))) is not None or host is not None:
        # Its record comes when its workplace has gone, and a shared file system shows it late.
        ended = other is None and any((launch_folder / name).is_file() for name in (RECORD, INTERRUPTED))
        if ended or _quiet_seconds(launch_folder) > QUIET_SECONDS:
            return
        if host is None:
            host = other
            tell(f"waits for {host}, which measures this launch now")
        pause(LOOK_SECONDS)


def clear_left_behind(launch_folder: Path) -> None:
    """End what a killed attempt of this launch left running, and remove its workplace.

    Its processes are those that were noted (by pid and start time in this boot), those that carry its marker, and those
    without a terminal, begun after it, that work in its workplace or hold its streams, which nobody else knows. Raises
    BenchmarkError where the attempt is still alive.
    """
    workplace = left_behind(launch_folder)
    if workplace is None:
        return
    pairs, streams = noted(workplace / MEMBERS)
    if len(pairs) > 1:
        launch, guard, *seen = pairs
        if _alive(launch) and _alive(guard):
            raise BenchmarkError(
                f"{launch_folder} is being measured by process {launch[0]}; wait for its end, or end it and run again"
            )

        def belongs(process: Process) -> bool:
            fresh = process.start_ticks >= launch[1] and not process.terminal
            return fresh and works_in(process.pid, str(workplace), streams)

        end_launch(of_launch(None, workplace.name, [launch, *seen], belongs))
    remove(workplace)
    for link in (launch_folder / name for name in SHOWN):
        if link.is_symlink():  # a link to nowhere is nothing that Snakemake could put an earlier file at
            remove(link)


def _alive(member: tuple[int, int]) -> bool:
    process = read_process(member[0])
    return process is not None and process.start_ticks == member[1] and process.state != "Z"


def noted(path: Path) -> tuple[list[tuple[int, int]], list[str]]:
    """An attempt's command, the guard above it and all that were seen, and the engine's streams; of this boot alone."""
    if not path.is_file():
        return [], []
    # An engine may write there too.
    first, *lines = path.read_text(encoding="ascii", errors="replace").split("\n")
    pairs = [line.split() for line in lines]
    members = [(int(pair[0]), int(pair[1])) for pair in pairs if len(pair) == 2 and all(map(str.isdecimal, pair))]
    return (members, [pair[0] for pair in pairs if len(pair) == 1]) if first.split(" ")[0] == boot_id() else ([], [])
