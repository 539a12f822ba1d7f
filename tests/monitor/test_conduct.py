"""What an engine takes beyond the cores and the priority that it was given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark_runner.monitor.engine_tree import Conduct
from launch_case import killed_at_last, wait_for

CORES = sorted(os.sched_getaffinity(0))


def test_a_thread_within_what_it_was_given_took_nothing():
    given = Conduct.given(",".join(map(str, CORES)))
    assert given.beyond([os.getpid(), os.getppid()]) == given._replace(cores=frozenset())


@pytest.mark.skipif(len(CORES) < 2, reason="one core cannot be divided")
def test_a_core_that_only_one_of_its_threads_took_is_told():
    code = (
        "import os, threading, time\n"
        f"os.sched_setaffinity(0, [{CORES[0]}])\n"
        f"wide = lambda: (os.sched_setaffinity(0, {CORES}), time.sleep(600))\n"
        "threading.Thread(target=wide, daemon=True).start(); time.sleep(600)"
    )
    given = Conduct.given(str(CORES[0]))
    with killed_at_last(subprocess.Popen([sys.executable, "-c", code])) as process:

        def others() -> list[int]:
            tasks = [int(task.name) for task in Path(f"/proc/{process.pid}/task").iterdir()]
            return [thread for thread in tasks if thread != process.pid]

        wait_for(lambda: given.beyond(others()).cores == set(CORES[1:]), "the wide thread")
        assert given.beyond([process.pid]).cores == frozenset()


def test_a_priority_above_that_of_the_start_is_told():
    with killed_at_last(subprocess.Popen(["sleep", "600"])) as process:
        own = os.getpriority(os.PRIO_PROCESS, process.pid)
        given = Conduct(frozenset(range(os.cpu_count() or 1)), own + 1)
        assert given.beyond([process.pid]).priorities == {f"nice {own}"}
        assert given._replace(nice=own).beyond([process.pid]).priorities == frozenset()


def test_a_thread_that_has_ended_took_nothing():
    process = subprocess.Popen(["true"])
    process.wait()
    assert Conduct(frozenset(), -20).beyond([process.pid]) == Conduct(frozenset(), -20)
