"""Shared memory that came while an engine ran and that nobody uses: removed where the kernel says whose, else told."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark_runner.processes.shared_memory import SEGMENTS, left_behind, shared_objects
from launch_case import FAKE_ENGINE, LaunchCase

LIBC = ctypes.CDLL(None)
MEMORY = Path("/dev/shm")
BYTES = 8192
PRIVATE_KEY, CREATE, REMOVE = 0, 0o1600, 0
"""Of shmget and shmctl; the mode with IPC_CREAT."""

MAKE = f"import ctypes; print(ctypes.CDLL(None).shmget({PRIVATE_KEY}, {BYTES}, {CREATE}))"


def segments() -> set[int]:
    return {int(line.split()[1]) for line in SEGMENTS.read_text().splitlines()[1:]}


@pytest.fixture
def segment():
    """A segment that a process which has ended made, and the number of that process."""
    with subprocess.Popen([sys.executable, "-c", MAKE], stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        number = int(maker.stdout.read())
    if number < 0:
        pytest.skip("this machine has no shared memory of System V")
    yield number, maker.pid
    LIBC.shmctl(number, REMOVE, None)


def test_a_segment_of_a_process_of_the_launch_is_removed_and_another_is_told_and_stays(segment):
    number, maker = segment
    before = {key: one for key, one in shared_objects().items() if one.number != number}
    assert number not in [one.number for one in left_behind(shared_objects(), {maker}).removed]
    left = left_behind(before, {os.getpid()})
    assert [one.number for one in left.unknown if one.number is not None] == [number] and number in segments()
    left = left_behind(before, {maker})
    assert [(one.number, one.size_bytes) for one in left.removed] == [(number, BYTES)]
    assert number not in segments()


def test_a_segment_in_use_is_neither_told_nor_removed(segment):
    number, maker = segment
    before = {key: one for key, one in shared_objects().items() if one.number != number}
    LIBC.shmat.restype = ctypes.c_void_p
    place = LIBC.shmat(number, None, 0)
    left = left_behind(before, {maker})
    LIBC.shmdt(ctypes.c_void_p(place))
    assert number in segments()
    assert [*left.removed, *[one for one in left.unknown if one.number == number]] == []


def test_a_file_that_nobody_has_open_is_told_with_its_size_and_stays(tmp_path):
    old, new, used = tmp_path / "old", tmp_path / "new", tmp_path / "used"
    old.write_bytes(bytes(BYTES))
    before = shared_objects(tmp_path)
    new.write_bytes(bytes(BYTES))
    used.write_bytes(bytes(BYTES))
    (tmp_path / "link").symlink_to(old)
    with used.open("rb"):
        left = left_behind(before, {os.getpid()}, tmp_path)
    assert [str(one) for one in left.unknown if str(tmp_path) in one.name] == [f"{new} ({BYTES} bytes)"]
    assert left.removed == []
    assert new.is_file()


def test_a_file_that_follows_under_its_name_is_another(tmp_path):
    file = tmp_path / "psm_1"
    file.touch()
    before = shared_objects(tmp_path)
    (tmp_path / "other").touch()
    (tmp_path / "other").replace(file)
    assert file in [Path(one.name) for one in left_behind(before, (), tmp_path).unknown]


def test_what_an_engine_that_died_left_is_a_warning_of_its_launch(tmp_path):
    engine = tmp_path / "engine"
    name = f"benchmark_runner_test_{os.getpid()}"
    make = f"import ctypes, mmap, os\nctypes.CDLL(None).shmget({PRIVATE_KEY}, {BYTES}, {CREATE})\n"
    make += f"open('/dev/shm/{name}', 'wb').write(bytes({BYTES}))\n"
    engine.write_text(f"#!{sys.executable}\nimport sys\n{make}os.execv({str(FAKE_ENGINE)!r}, sys.argv)\n")
    engine.chmod(0o755)
    case = LaunchCase(
        tmp_path, binary=engine, options={"crash_at": {"stage": "generate", "iteration": 1, "signal": "SIGKILL"}}
    )
    before = segments()
    try:
        assert case.run().returncode == 0
        found = [one["message"] for one in case.record()["warnings"] if one["kind"] == "shared_memory_left"]
        assert segments() == before
        assert any("which was removed: System V segment" in message for message in found)
        assert any(f"rm /dev/shm/{name}" in message for message in found)
        assert (MEMORY / name).is_file()
    finally:
        (MEMORY / name).unlink(missing_ok=True)
