from __future__ import annotations

import fcntl
import os
import subprocess

from benchmark_runner.processes.procfs import (
    TICKS_PER_SECOND,
    Process,
    carries,
    descendants,
    open_files,
    parse_stat,
    read_process,
    scan,
    works_in,
)
from launch_case import wait_for

LINE = (
    b"4242 (a (b) c) S 17 4242 4000 0 -1 4194304 100 0 0 0 250 150 30 20 20 0 3 0 987654 1000000 25 "
    b"18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n"
)


def test_a_name_may_hold_brackets_and_spaces():
    process = parse_stat(LINE)
    assert (process.pid, process.name, process.state, process.parent) == (4242, "a (b) c", "S", 17)
    assert (process.session, process.threads, process.start_ticks) == (4000, 3, 987654)
    assert process.cpu_seconds == 400 / TICKS_PER_SECOND
    assert process.waited_cpu_seconds == 50 / TICKS_PER_SECOND
    assert process.rss_bytes == 25 * os.sysconf("SC_PAGE_SIZE")


def test_this_process_is_found_with_its_parent():
    table = scan()
    assert table[os.getpid()].parent == os.getppid()
    assert table[os.getpid()].rss_bytes > 1_000_000


def test_a_process_that_has_ended_is_none():
    with subprocess.Popen(["true"]) as process:
        pass
    assert read_process(process.pid) is None
    assert not carries(process.pid, "A=1")


def process(pid: int, parent: int) -> Process:
    return Process(pid, "p", "S", parent, pid, 0.0, 0.0, 1, 0, 0)


def test_descendants_are_all_generations_without_the_root():
    table = {pid: process(pid, parent) for pid, parent in ((1, 0), (2, 1), (3, 2), (4, 3), (9, 1))}
    assert descendants(table, [2]) == {3, 4}
    assert descendants(table, [7]) == set()


def test_the_environment_of_the_start_is_seen():
    with subprocess.Popen(["sleep", "600"], env={"PATH": os.environ["PATH"], "MARK": "yes"}) as child:
        try:
            wait_for(lambda: carries(child.pid, "MARK=yes"), "the end of exec")
            assert not carries(child.pid, "MARK=ye")
        finally:
            child.kill()


def test_a_descriptor_that_is_closed_while_a_process_is_looked_at_hides_none_of_its_others(tmp_path):
    # As that by which the descriptors of this process are listed, which has a lower number.
    with (tmp_path / "words").open("w") as file:
        late = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 200)
    assert f"/proc/{os.getpid()}/fd/{late}" in {str(path) for path, _ in open_files(os.getpid())}
    assert works_in(os.getpid(), str(tmp_path))
    os.close(late)
    assert not works_in(os.getpid(), str(tmp_path))
