"""Two runs of pytest that end as one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

GOOD = "def test_good():\n    pass\n"
MIXED = f"""import pytest
{GOOD}
def test_bad():
    assert "told" == "lost"

@pytest.mark.skip(reason="no such tool here")
def test_left_out():
    pass

@pytest.mark.xfail(reason="known")
def test_known():
    assert False
"""


def run_both(folder: Path, beside: str, rest: str) -> tuple[int, str]:
    """Exit status and words of a run on `rest`, beside another one on `beside`."""
    for name, text in (("beside", beside), ("rest", rest)):
        (folder / f"test_{name}.py").write_text(text, encoding="utf-8")
    told = str(folder / "told.jsonl")
    call = [sys.executable, "-m", "pytest", "-p", "beside", "-p", "no:cacheprovider", "-c", os.devnull, "-ra"]
    call += ["--rootdir", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(TESTS), "COLUMNS": "200", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    with subprocess.Popen(
        [*call, "test_beside.py", "--tell", told], cwd=folder, env=environment, stdout=subprocess.DEVNULL
    ) as other:
        whole = [*call, "test_rest.py", "--beside", str(other.pid), told]
        done = subprocess.run(whole, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def counted(words: str) -> set[str]:
    """The numbers of the closing line."""
    return set(re.findall(r"\d+ [a-z]+(?=[, ])", words.splitlines()[-1].partition(" in ")[0] + " "))


def test_the_closing_line_counts_the_tests_of_both_and_a_failure_of_either_is_one(tmp_path):
    status, words = run_both(tmp_path, MIXED, GOOD)
    assert (status, counted(words)) == (1, {"1 failed", "2 passed", "1 skipped", "1 xfailed"})
    assert "'told' == 'lost'" in words and "no such tool here" in words
    assert re.search(r"^two runs of tests side by side: here \d+ s, beside \d+ s$", words, re.MULTILINE)


@pytest.mark.parametrize(
    ("beside", "rest", "status", "found"),
    [
        (GOOD, "", 0, {"1 passed"}),
        ("", "", 5, set()),
        ("import os\ndef test_dies():\n    os._exit(0)\n", GOOD, 1, {"1 passed", "1 error"}),
        ("import no_such_module\n", GOOD, 1, {"1 passed", "1 error"}),
    ],
    ids=["rest empty", "both empty", "beside dies", "beside not collected"],
)
def test_nothing_of_the_run_beside_is_lost(tmp_path, beside, rest, status, found):
    ended, words = run_both(tmp_path, beside, rest)
    assert (ended, counted(words)) == (status, found), words
