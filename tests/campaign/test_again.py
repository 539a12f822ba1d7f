"""A process that becomes the same command again."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, sys, tempfile
from pathlib import Path
from benchmark_runner.campaign.again import call_again

began = Path(sys.argv[1])
folder = tempfile.TemporaryDirectory(dir=began.resolve().parent)
print(os.getpid(), os.getcwd(), len(list(began.resolve().parent.glob("tmp*"))), flush=True)
if not began.exists():
    began.write_text("")
    call_again(os.getcwd())
    os.chdir("/")
else:
    sys.exit(3)
"""


def test_the_same_process_is_the_same_command_in_the_same_folder_and_leaves_nothing(tmp_path, repository):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    result = subprocess.run(
        [sys.executable, "program.py", "began"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(repository / "workflow" / "scripts")},
    )
    first, again = result.stdout.splitlines()
    assert first == again and first.endswith(f" {tmp_path} 1"), result.stderr
    assert result.returncode == 3
    assert not list(tmp_path.glob("tmp*"))
