"""Memory, processes, threads and open files that a machine has no more of: told as that, blamed on nothing else."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark_runner.errors import BenchmarkError, exit_status, lack_of
from benchmark_runner.jsonio import read_bytes
from benchmark_runner.namedfile import read_named_text
from benchmark_runner.processes.adapter import CannotExecuteError, Limit, Limits, run_in_folder
from benchmark_runner.processes.watch import Watch
from benchmark_runner.records.table import opened_table

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
NO_PROCESS = OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
NO_MEMORY = ImportError("/lib/blas.so: failed to map segment from shared object")


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (NO_PROCESS, "ulimit -u"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (pa.ArrowException("Unknown error: Failed to launch worker thread: Resource temporarily unavailable"), "-u"),
        (MemoryError(), "ulimit -v"),
        (NO_MEMORY, "ulimit -v"),
        (pa.ArrowMemoryError("malloc of size 64 failed"), "ulimit -v"),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), "ulimit -v"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE), "some/file"), "ulimit -n"),
    ],
)
def test_a_stage_that_lacks_something_says_what_helps_in_one_line(capsys, error, remedy):
    def stage(_argv: object) -> int:
        raise error

    assert exit_status(stage, []) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: ") and remedy in told and told.endswith("run the same command again\n")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        ImportError("No module named 'nothing'"),
        RuntimeError("dictionary changed size during iteration"),
        OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), "a/pipe"),
        OSError(errno.ENOENT, os.strerror(errno.ENOENT)),
    ],
)
def test_other_errors_are_no_lack(error):
    assert lack_of(error) is None


def test_a_thread_that_may_not_be_started_is_one(monkeypatch, capsys):
    def refused(*_arguments: object, **_names: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)

    def stage(_argv: object) -> int:
        threading.Thread(target=print).start()
        return 0

    assert exit_status(stage, []) == 1
    assert "No further process or thread may be started for this stage" in capsys.readouterr().err


def test_a_table_is_not_blamed_for_a_thread_that_could_not_be_started(tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "table")
    words = "Failed to launch worker thread: Resource temporarily unavailable"
    with pytest.raises(pa.ArrowException, match=words), opened_table(tmp_path / "table"):
        raise pa.ArrowException(words)


@pytest.mark.parametrize("read", [read_bytes, read_named_text])
def test_a_file_is_not_blamed_for_a_limit_on_open_files(tmp_path, monkeypatch, read):
    file = tmp_path / "file"
    file.write_text("text")

    def refused(*_arguments: object, **_names: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(file))

    monkeypatch.setattr(Path, "open", refused)
    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(BenchmarkError, match=r"Too many open files\); raise the limit \(ulimit -n\)"):
        read(file)


def run_adapter_in(folder: Path) -> object:
    limit = Limit(1.0, "a test")
    with Watch() as watch:
        return run_in_folder(
            folder / "program",
            "{}",
            folder=folder / "run",
            environment={},
            cores=[0],
            limits=Limits(limit, limit, limit),
            watch=watch,
        )


@pytest.mark.parametrize(
    ("number", "raised"), [(errno.EAGAIN, OSError), (errno.ENOMEM, OSError), (errno.ENOEXEC, CannotExecuteError)]
)
def test_an_engine_is_not_called_unavailable_where_no_process_may_be_started(tmp_path, monkeypatch, number, raised):
    def refused(*_arguments: object, **_names: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("benchmark_runner.processes.adapter.start_engine", refused)
    with pytest.raises(raised, match=os.strerror(number)):
        run_adapter_in(tmp_path)


def loading(folder: Path, stage: str, broken: str) -> subprocess.CompletedProcess[str]:
    """A stage whose numpy does not load."""
    (folder / "numpy.py").write_text(broken, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": f"{folder}:{SCRIPTS}", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", f"benchmark_runner.{stage}"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("stage", ["statistics", "records.tabulate", "plots.latency", "report"])
def test_a_stage_whose_libraries_find_no_memory_says_so_in_one_line(tmp_path, stage):
    ended = loading(tmp_path, stage, f"raise ImportError({str(NO_MEMORY)!r})")
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: No memory is left for this stage; ") and ended.stderr.count("\n") == 1


def test_ctrl_c_while_libraries_are_loaded_ends_a_stage_without_a_word(tmp_path):
    ended = loading(tmp_path, "statistics", "raise KeyboardInterrupt")
    assert ended.returncode != 0
    assert ended.stderr == ""


def test_a_fault_while_libraries_are_loaded_is_shown_whole(tmp_path):
    ended = loading(tmp_path, "statistics", "raise ImportError('numpy is broken')")
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr and "numpy is broken" in ended.stderr


@pytest.mark.parametrize("broken", [f"raise ImportError({str(NO_MEMORY)!r})", "raise MemoryError"])
def test_a_gate_that_cannot_be_loaded_cannot_tell(tmp_path, broken):
    (tmp_path / "comparison.json").write_text("{}")
    (tmp_path / "yaml.py").write_text(broken, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{SCRIPTS}", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "benchmark_runner.comparison.gate", str(tmp_path / "comparison.json")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
