"""The Makefile's calls of Snakemake and of pytest."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmark_runner.processes.cgroup import usable_cores
from beside import wait_for_end
from launch_case import WAIT_SECONDS, killed_at_last, wait_for


def commands(repository, target: str) -> str:
    made = subprocess.run(["make", "-n", target], cwd=repository, capture_output=True, text=True, check=True)
    return made.stdout


@pytest.mark.parametrize("target", ["plan", "doctor", "report"])
def test_the_target_stands_before_the_options_that_take_every_word_that_follows(repository, target):
    words = commands(repository, target).split()
    call = words[words.index(".venv/bin/snakemake") :]
    assert call[1] == target
    assert call.index(target) < call.index("--configfile")


def test_run_makes_everything_with_one_launch_at_a_time(repository):
    text = commands(repository, "run")
    assert "--resources gpu=1" in text
    assert "--configfile config/config.yaml" in text
    assert f"--cores {usable_cores()} " in text


def made_up_snakemake(folder, script: str) -> list[str]:
    """A call of make whose Snakemake is that script."""
    snakemake = folder / "bin" / "snakemake"
    snakemake.parent.mkdir()
    snakemake.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    snakemake.chmod(0o755)
    return ["make", "-o", f"{folder}/workflow.stamp", f"VENV={folder}"]


def test_who_ends_make_ends_snakemake(repository, tmp_path):
    pid = tmp_path / "pid"
    call = made_up_snakemake(tmp_path, f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 60")
    with killed_at_last(subprocess.Popen([*call, "run"], cwd=repository, stderr=subprocess.DEVNULL)) as make:
        wait_for(pid.is_file, "Snakemake")
        make.terminate()
        make.wait(timeout=WAIT_SECONDS)
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_closed_stream_costs_no_work(repository, tmp_path, closed):
    call = made_up_snakemake(tmp_path, f"touch {tmp_path}/$1")
    subprocess.run(["bash", "-c", f'"$@" {closed}', "bash", *call, "plan"], cwd=repository, check=False)
    assert (tmp_path / "plan").is_file()


def make_test(repository, folder, *, beside: str, rest: str) -> tuple[bool, list[list[str]]]:
    """Whether `make test` ends well, with a line of shell for each pytest, and the arguments of its calls."""
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.write_text(
        f'#!/bin/sh\necho "$*" >> "{folder}/calls"\necho "$BENCHMARK_RUNNER_LOCK" >> "{folder}/locks"\n'
        f'case "$*" in *--ignore*) {rest} ;; *) {beside} ;; esac\n',
        encoding="utf-8",
    )
    python.chmod(0o755)
    call = ["make", "-o", f"{folder}/test.stamp", "test", f"VENV={folder}", "PYTEST_FLAGS=-x"]
    made = subprocess.run(call, cwd=repository, capture_output=True, text=True, check=False)
    calls = (folder / "calls").read_text(encoding="utf-8").splitlines()
    return made.returncode == 0, [line.split() for line in calls]


def test_what_runs_beside_the_tests_is_left_out_of_the_rest_and_nothing_else_is(repository, tmp_path):
    ended_well, calls = make_test(repository, tmp_path, beside="exit 0", rest="sleep 0.2; exit 0")
    beside, rest = sorted(calls, key=lambda call: "--ignore" in " ".join(call))
    assert ended_well and "-x" in beside and "-x" in rest
    named = [word for word in beside if word.startswith("tests/")]
    assert [f"--ignore={name}" for name in named] == [word for word in rest if word.startswith("--ignore")]
    files = [file for name in named for file in ([repository / name, *(repository / name).glob("**/test_*.py")])]
    assert set(repository.glob("tests/*/test_simul*.py")) < set(files)
    texts = {str(file.relative_to(repository)): file.read_text(encoding="utf-8") for file in files if file.is_file()}
    del texts["tests/house/test_crates.py"]  # asks cargo alone, which waits for itself
    # Engines would take each other's cores, and two Snakemakes in one folder refuse each other.
    assert [name for name, text in texts.items() if "mark.real_engine" in text] == []
    calling = [text for text in texts.values() if "mark.workflow" in text]
    assert calling and not any("cwd=repository" in text for text in calling)
    # Launches that wait for nobody: those beside have a lock of the machine that is not the rest's.
    locks = (tmp_path / "locks").read_text(encoding="utf-8").splitlines()
    assert len({*locks}) == 2 and f"{tmp_path / 'beside' / 'lock'}" in locks
    assert beside[-2] == "--tell" and rest[-3] == "--beside" and beside[-1] == rest[-1]


@pytest.mark.parametrize("status", [1, 2, 5])
def test_the_run_that_counts_all_tests_says_how_they_ended(repository, tmp_path, status):
    assert not make_test(repository, tmp_path, beside="exit 0", rest=f"exit {status}")[0]


def test_what_an_earlier_run_told_is_not_taken_for_this_ones(repository, tmp_path):
    told = tmp_path / "beside.jsonl"
    told.write_text("{}")
    assert make_test(repository, tmp_path, beside="exit 0", rest=f"test ! -e {told}")[0]


@pytest.mark.parametrize("rest", ["kill -INT $PPID; exit 2", "exit 1"], ids=["Ctrl-C", "failed at once"])
def test_what_runs_beside_ends_with_the_rest(repository, tmp_path, rest):
    pid, undisturbed = tmp_path / "pid", tmp_path / "undisturbed"
    until = f"while [ ! -s {pid} ]; do sleep 0.1; done"
    beside = f"echo $$ > {pid}; sleep 60; touch {undisturbed}"
    ended_well, _ = make_test(repository, tmp_path, beside=beside, rest=f"{until}; {rest}")
    assert not ended_well
    wait_for_end(int(pid.read_text()))
    assert not undisturbed.exists()
