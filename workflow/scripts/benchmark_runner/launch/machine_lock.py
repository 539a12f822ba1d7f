"""One measurement at a time on a machine, whichever folder its campaign runs in, and a pause between two.

A launch holds the lock while it measures; another one waits. The kernel lets go of it however its holder ends. A lock
file that was removed meanwhile is still found and waited for; a launch that finds another one in its place is not
measured. The lock's modification time says when the last measurement ended, of whichever campaign it was: an engine
starts no sooner than system.cool_down_seconds after that, so that one launch does not heat the next; the first launch
of all does not wait. Then no engine starts while a temperature is above the thermal limit; that wait is bounded.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.locks import holder_of, in_place, is_signed, open_lock, removed, sign, take
from benchmark_runner.processes.watch import EXIT_MONITOR_DIED, InterruptedLaunchError, Watch

VARIABLE: Final = "BENCHMARK_RUNNER_LOCK"
"""Names another file, for jobs of a batch system that each have a /tmp of their own."""

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_FREE: Final = "machine free"
# Chosen: how long one sleep may last; another one follows it.
_SLEEP_SECONDS: Final = 3600.0
# Chosen: a processor that is not below its limit after two idle minutes is kept warm by something else.
THERMAL_WAIT_LIMIT_SECONDS: Final = 120.0
# Chosen: temperatures of idle processors fall by some degrees a second.
THERMAL_RECHECK_SECONDS: Final = 1.0
# Fixed numbers of Linux (include/linux/proc_ns.h).
_FIRST_NAMESPACES: Final = {"ipc": 0xEFFFFFFF, "pid": 0xEFFFFFFC}


def lock_path(environment: Mapping[str, str], user: int) -> Path:
    """The lock of all campaigns of one user (its number) on this machine, or the file that VARIABLE names.

    Neither in TMPDIR nor in XDG_RUNTIME_DIR: a campaign in a login shell and those of cron or of two jobs of a batch
    system must find the same file.
    """
    named = environment.get(VARIABLE)
    return Path(named).absolute() if named else Path("/tmp") / f"benchmark-runner-{user}" / "measuring"


def is_outermost(namespaces: Path = Path("/proc/self/ns")) -> bool:
    """Whether this process is in the namespaces with which the kernel began, as no container's is: a machine that was
    made from a container's image keeps such files as /.dockerenv."""
    found = ((namespaces / name, number) for name, number in _FIRST_NAMESPACES.items())
    return all(file.exists() and file.stat().st_ino == number for file, number in found)


def is_apart(path: Path, mounts: Callable[[Path], bool] = os.path.ismount) -> bool:
    """Whether a container's lock lies in its own files, which nobody outside sees: no folder above is mounted."""
    return not any(mounts(folder) for folder in path.parents if folder != Path("/"))


def _open(path: Path) -> int:
    """Open the lock, made where it is missing; raises BenchmarkError where others may write to its folder."""
    with contextlib.suppress(OSError):  # opening the lock tells what is wrong
        path.parent.mkdir(mode=0o700, parents=True)
    try:
        folder = path.parent.lstat()
    except OSError:
        return open_lock(path)
    if not stat.S_ISDIR(folder.st_mode) or folder.st_uid != os.geteuid() or folder.st_mode & _OTHERS_WRITE:
        raise BenchmarkError(
            f"{path.parent} is not a folder that you alone may write to, so campaigns cannot keep out of each other's "
            f"way by a lock there; set {VARIABLE} to a file in one that is"
        )
    return open_lock(path)


def require_lock(path: Path) -> None:
    """Raise BenchmarkError where no launch could hold the lock, which is made where it is missing."""
    os.close(_open(path))


def _wait_for(lock: int, watch: Watch) -> None:
    """Take the lock as soon as it is free, asleep until then: a look now and then would disturb who measures.

    Raises InterruptedLaunchError where the launch is stopped meanwhile; the thread and its pipe then end with the
    process, since a descriptor closed under the thread could be another file's by the time it is used.
    """
    import threading  # rarely needed, and slow to import

    reader, writer = os.pipe()

    def take() -> None:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.write(writer, b"\n")

    threading.Thread(target=take, daemon=True).start()
    watch.add(reader, _FREE)
    while _FREE not in watch.wait(_SLEEP_SECONDS):
        pass
    watch.remove(reader)
    os.close(reader)
    os.close(writer)


def _taken(lock: int, watch: Watch, on_wait: Callable[[str], object]) -> float | None:
    """Take the lock, as soon as it is free; gives when it was last let go, None where nobody has held it yet."""
    if not take(lock):
        on_wait(holder_of(lock))
        _wait_for(lock, watch)
    return os.fstat(lock).st_mtime if is_signed(lock) else None


def _held(path: Path, watch: Watch, on_wait: Callable[[str], object]) -> tuple[int, float | None]:
    """The lock that lies at path, taken, and when the last measurement ended. One that was removed while it was held
    is waited for too."""
    while True:
        lock = _open(path)
        ends = [_taken(lock, watch, on_wait)]
        if in_place(lock, path):
            break
        os.close(lock)
    if ends == [None]:
        ends.extend(_taken(one, watch, on_wait) for one in removed(path))
    return lock, max((end for end in ends if end is not None), default=None)


def _was_alone(lock: int, path: Path) -> bool:
    """Whether no other lock was held at path meanwhile, as far as can be seen: one that only waits is unsigned."""
    with contextlib.suppress(OSError):
        return in_place(lock, path) or path.lstat().st_size == 0
    return True


@contextmanager
def machine_alone(path: Path, who: str, watch: Watch, on_wait: Callable[[str], object]) -> Iterator[float | None]:
    """No other measurement of this user runs inside; gives when the last one ended (s of the files' clock), or None.

    on_wait is told who measures, before the wait begins; who is what others are told of this one. Raises
    InterruptedLaunchError where the launch is stopped while it waits, and at the end where the lock was replaced, since
    who found another one may have measured beside it.
    """
    lock, last_end = _held(path, watch, on_wait)
    sign(lock, who)
    try:
        yield last_end
        if not _was_alone(lock, path):
            reason = (
                f"{path}, the machine's lock, was replaced while this launch measured, so that another may have "
                "measured beside it; leave that file alone and run the same command again"
            )
            raise InterruptedLaunchError(reason, EXIT_MONITOR_DIED)
    finally:
        os.utime(lock)
        os.close(lock)


def seconds_left(cool_down_seconds: float, last_end: float | None, now: float) -> float:
    """Rest of the cool-down; all times in seconds of one clock. An end in the future costs one full cool-down."""
    if last_end is None:
        return 0.0
    return min(cool_down_seconds, max(0.0, last_end + cool_down_seconds - now))


class ThermalWait(NamedTuple):
    """How the wait for the thermal limit ended; celsius is None where no temperature can be read."""

    celsius: float | None
    cool: bool


def wait_until_cool(
    limit_celsius: float | None,
    read_celsius: Callable[[], float | None],
    pause: Callable[[float], object],
    limit_seconds: float = THERMAL_WAIT_LIMIT_SECONDS,
) -> ThermalWait:
    """Pause until the highest temperature is at or below the limit, or the time is up."""
    celsius = read_celsius()
    waited_seconds = 0.0
    while limit_celsius is not None and celsius is not None and celsius > limit_celsius:
        if waited_seconds >= limit_seconds:
            return ThermalWait(celsius, cool=False)
        pause(THERMAL_RECHECK_SECONDS)
        waited_seconds += THERMAL_RECHECK_SECONDS
        celsius = read_celsius()
    return ThermalWait(celsius, cool=True)
