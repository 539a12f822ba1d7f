"""A file that the disk has no room for: one line that names it, the old file as it was, nothing half written."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from benchmark_runner.build.tools import install_program
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.jsonio import write_json, write_text_atomic, written_whole
from benchmark_runner.model.source import made_whole
from benchmark_runner.plots.style import save
from benchmark_runner.records.raw_data import RawRecord, write_raw
from benchmark_runner.records.tabulate import write_iterations

LIMIT_BYTES = 512


@contextmanager
def no_room() -> Iterator[None]:
    """Inside, files of this process end at LIMIT_BYTES, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def folder_of_files(out: Path) -> None:
    with made_whole(out) as fresh:
        (fresh / "weights").write_bytes(bytes(2 * LIMIT_BYTES))


WRITERS: dict[str, Callable[[Path], object]] = {
    "JSON": lambda path: write_json(path, "x" * 2 * LIMIT_BYTES),
    "a page": lambda path: write_text_atomic(path, "x" * 2 * LIMIT_BYTES),
    "raw data": lambda path: write_raw(path, [RawRecord({"x": "y" * 2 * LIMIT_BYTES}, b"[]")], lambda _heads: {}),
    "a table": lambda path: write_iterations([], path, 2.0),
    "a plot": lambda path: save(Figure(), path, "png"),
    "a program": lambda path: install_program(bytes(2 * LIMIT_BYTES), path),
    "a folder": folder_of_files,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_the_file_is_named_and_nothing_half_written_stays(tmp_path, writer):
    out = tmp_path / "made" / "result"
    with (
        no_room(),
        pytest.raises(BenchmarkError, match=r"result cannot be written: .*; raise the limit \(ulimit -f\) and") as told,
    ):
        WRITERS[writer](out)
    assert "\n" not in str(told.value)
    assert list((tmp_path / "made").iterdir()) == []


def test_the_old_file_stays(tmp_path):
    write_json(tmp_path / "result", "old")
    with no_room(), pytest.raises(BenchmarkError):
        write_json(tmp_path / "result", "x" * 2 * LIMIT_BYTES)
    assert (tmp_path / "result").read_text() == '"old"\n'


def test_a_stage_that_meets_a_full_disk_says_so_in_one_line(tmp_path, capsys):
    def stage(_argv: object) -> int:
        (tmp_path / "other").write_bytes(bytes(2 * LIMIT_BYTES))
        return 0

    with no_room():
        assert exit_status(stage, []) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: ") and shown.count("\n") == 1
    assert "ulimit -f" in shown


def test_a_file_that_this_user_may_not_use_is_told_in_one_line(capsys):
    def stage(_argv: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", "results/made_as_root")

    assert exit_status(stage, []) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: results/made_as_root cannot be used: Permission denied; let this user")
    assert shown.count("\n") == 1


def test_a_file_that_went_while_a_stage_ran_is_told_in_one_line(tmp_path, capsys):
    def stage(_argv: object) -> int:
        (tmp_path / "input").read_text()
        return 0

    assert exit_status(stage, []) == 1
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: {tmp_path / 'input'} cannot be used: No such file or directory; see what became")
    assert shown.count("\n") == 1


def test_a_limit_on_open_files_is_told_with_its_remedy_whether_a_file_or_a_pipe_met_it(capsys):
    def stage(argv):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            os.open(argv[0], os.O_RDONLY) if argv else os.pipe()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    told = [(exit_status(stage, argv), capsys.readouterr().err) for argv in (["/proc/self/stat"], [])]
    words = "error: Too many open files for this stage; raise the limit (ulimit -n) and run the same command again\n"
    assert told == [(1, words)] * 2


def test_ctrl_c_ends_a_stage_without_a_traceback(capsys):
    def stage(_argv: object) -> int:
        raise KeyboardInterrupt

    assert exit_status(stage, []) == 130
    assert capsys.readouterr().err == ""


def test_a_folder_in_place_of_a_file_is_named(tmp_path):
    (tmp_path / "result").mkdir()
    with pytest.raises(BenchmarkError, match="result cannot be written: Is a directory"):
        write_json(tmp_path / "result", {})
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "made").write_text("no folder")
    with pytest.raises(BenchmarkError, match=r"result cannot be written: .*; see to it that it can be written"):
        write_json(tmp_path / "made" / "result", {})


def test_errors_of_other_files_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), written_whole(tmp_path / "result"):
        (tmp_path / "input").read_text()


def test_a_link_in_place_of_the_partial_file_is_not_written_through(tmp_path, monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: 1)
    (tmp_path / "foreign").write_text("kept")
    (tmp_path / f".result.{os.uname().nodename[:16]}.1.partial").symlink_to("foreign")
    write_json(tmp_path / "result", 1)
    assert (tmp_path / "foreign").read_text() == "kept"


def test_what_a_killed_writer_left_goes_with_the_next_write_and_another_machines_stays(tmp_path):
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    node = os.uname().nodename[:16]
    dead, alive = (f".result.{node}.{pid}.partial" for pid in (gone.pid, os.getppid()))
    elsewhere = f".result.elsewhere.{gone.pid}.partial"
    for name in (dead, alive, elsewhere):
        (tmp_path / name).write_text("half")
    write_json(tmp_path / "result", 1)
    assert {path.name for path in tmp_path.iterdir()} == {"result", alive, elsewhere}
