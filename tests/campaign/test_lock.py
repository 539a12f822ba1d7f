"""One holder a folder; a holder that is killed leaves nothing to clean up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.locks import HeldFolder
from launch_case import WAIT_SECONDS, killed_at_last

HOLD = """
import sys, time
from pathlib import Path
from benchmark_runner.locks import HeldFolder
held = HeldFolder(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_holder_is_refused_with_the_first_ones_process_until_that_is_killed(tmp_path, repository):
    lock = tmp_path / "state" / "lock"
    environment = os.environ | {"PYTHONPATH": str(repository / "workflow" / "scripts")}
    command = [sys.executable, "-c", HOLD, str(lock)]
    with killed_at_last(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BenchmarkError, match=f"process {holder.pid}"):
            HeldFolder(lock)
        holder.send_signal(signal.SIGKILL)
        holder.wait(WAIT_SECONDS)
    HeldFolder(lock).close()
