"""A lock file holds a holder's line or nothing; whatever else lies in its place is refused and stays as it is."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.locks import HeldFolder, held_by, holder_of, open_lock, sign, take, this_process
from launch_case import SCRIPTS

PRECIOUS = "not a lock\n"


def link(lock, other):
    lock.symlink_to(other)


def second_name(lock, other):
    os.link(other, lock)


def dangling(lock, other):
    lock.symlink_to(other.parent / "nothing")


def pipe(lock, _other):
    os.mkfifo(lock)


def folder(lock, _other):
    lock.mkdir()


def foreign(lock, _other):
    lock.write_text(PRECIOUS)


def binary(lock, _other):
    lock.write_bytes(b"\xff\xfe17")


@pytest.mark.parametrize("put", [link, second_name, dangling, pipe, folder, foreign, binary])
def test_what_is_no_lock_is_refused_by_name_and_left_alone(tmp_path, put):
    lock, other = tmp_path / "lock", tmp_path / "precious"
    other.write_text(PRECIOUS)
    put(lock, other)
    before = lock.lstat()
    with pytest.raises(BenchmarkError, match=str(lock)):
        open_lock(lock)
    assert lock.lstat() == before and other.read_text() == PRECIOUS
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("left", [b"", b"17\n", b"process 17 in /some where\n", bytes(40)])
def test_what_a_holder_left_blocks_nobody_and_is_signed_anew(tmp_path, left):
    path = tmp_path / "lock"
    path.write_bytes(left)
    first, second = open_lock(path), open_lock(path)
    assert take(first)
    sign(first, this_process())
    assert not take(second)
    assert holder_of(second).startswith(f"process {os.getpid()} on ")
    os.close(first)
    assert take(second)
    os.close(second)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_told_in_one_line_with_what_to_do(tmp_path, monkeypatch, number):
    def no_locks(_descriptor: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    path = tmp_path / "state" / "lock"
    with pytest.raises(BenchmarkError, match=r"lock cannot be locked \(.*with locks \(flock\), or") as told:
        HeldFolder(path)
    assert str(path) in str(told.value) and "\n" not in str(told.value)


def test_who_holds_a_lock_is_seen_without_a_right_to_hold_it(tmp_path, monkeypatch):
    flock, path = fcntl.flock, tmp_path / "lock"

    def as_nfs_does(descriptor: int, operation: int) -> None:
        if operation & fcntl.LOCK_EX and fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", as_nfs_does)
    held = HeldFolder(path)
    assert str(held_by(path)).startswith(f"process {os.getpid()} on ")
    held.close()
    assert held_by(path) is None


def test_nobody_holds_a_lock_where_there_are_none(tmp_path, monkeypatch):
    def no_locks(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    HeldFolder(tmp_path / "lock").close()
    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert held_by(tmp_path / "lock") is None


def test_a_folder_that_the_server_lets_nobody_write_to_is_named(tmp_path, monkeypatch):
    def squashed(*_: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", squashed)
    with pytest.raises(BenchmarkError, match=r"lock cannot be used as a lock \(Permission denied\); see to it"):
        HeldFolder(tmp_path / "lock")


def test_the_holder_is_told_in_one_line_whatever_the_folder_is_called(tmp_path, monkeypatch):
    odd = tmp_path / "a\nb\x1b[31m"
    odd.mkdir()
    monkeypatch.chdir(odd)
    lock = open_lock(tmp_path / "lock")
    sign(lock, this_process())
    assert holder_of(lock).endswith("a\\nb\\x1b[31m")
    os.close(lock)


HOLD = """
import sys
from pathlib import Path
from benchmark_runner.locks import HeldFolder
held = HeldFolder(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_elsewhere(lock: Path) -> Iterator[int]:
    """Another process holds the lock; its number."""
    command, streams = [sys.executable, "-c", HOLD, str(lock)], {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(SCRIPTS)}, **streams) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield holder.pid


def gone(lock):
    lock.unlink()


def another_unsigned(lock):
    lock.unlink()
    lock.touch()


def with_its_folder(lock):
    shutil.rmtree(lock.parent)


@pytest.mark.parametrize("remove", [gone, another_unsigned, with_its_folder])
def test_a_lock_that_was_removed_while_it_is_held_keeps_others_out_until_its_holder_ends(tmp_path, remove):
    lock = tmp_path / "state" / "lock"
    with held_elsewhere(lock) as pid:
        remove(lock)
        assert str(held_by(lock)).startswith(f"process {pid} on ")
        with pytest.raises(BenchmarkError, match=f"another Snakemake .process {pid} on .* holds"):
            HeldFolder(lock)
    assert held_by(lock) is None
    HeldFolder(lock).close()


def another_signed(lock):
    lock.unlink()
    lock.write_text("17\n")


@pytest.mark.parametrize("remove", [gone, another_unsigned, another_signed, with_its_folder])
def test_a_holder_sees_that_its_lock_has_gone(tmp_path, remove):
    lock = tmp_path / "state" / "lock"
    held = HeldFolder(lock)
    held.require_in_place()
    remove(lock)
    with pytest.raises(
        BenchmarkError, match=r"lock, by which this .* was removed or replaced; .* run the same command"
    ):
        held.require_in_place()
    held.close()
