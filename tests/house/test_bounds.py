"""No test waits without bound, and none depends on the signals that its caller ignores."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import conftest


def test_a_phase_that_never_ends_is_a_failure_that_names_it(monkeypatch):
    monkeypatch.setitem(conftest.LIMIT_SECONDS, "call", 1)
    words = "call of some test had not ended after 1 s"
    with pytest.raises(pytest.fail.Exception, match=words), conftest.bounded("call", "some test"):
        time.sleep(60)


@pytest.mark.parametrize("number", conftest.IGNORED_IN_BACKGROUND)
def test_what_the_caller_ignores_is_ignored_here_and_not_inherited(number):
    code = (
        "import signal, subprocess, sys\n"
        f"sys.path.insert(0, {str(Path(conftest.__file__).parent)!r})\n"
        f"signal.signal({int(number)}, signal.SIG_IGN)\n"
        "import conftest\n"
        "conftest.pytest_configure()\n"
        f"signal.raise_signal({int(number)})\n"
        "print(subprocess.run(['grep', 'SigIgn', '/proc/self/status'], stdout=subprocess.PIPE, text=True).stdout)"
    )
    path = ":".join(filter(None, sys.path))
    told = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True, timeout=60
    )
    assert not int(told.stdout.split()[1], 16) & 1 << int(number) - 1
    assert signal.getsignal(number) is not signal.SIG_IGN
