"""What a stage prints cannot fail it, whatever stdout is and whatever the words hold."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from benchmark_runner.terminal import printable, say, visible

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
PROGRAM = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from benchmark_runner.errors import BenchmarkError, exit_status
    from benchmark_runner.terminal import say

    def stage(argv):
        say("begins — 2 µs")
        print("Größe 3 µs — 中文 \\udcff", flush=True)
        print("x" * 100_000)
        if argv:
            raise BenchmarkError(argv[0])
        Path("result").write_text("kept")
        return 0

    sys.exit(exit_status(stage, sys.argv[1:]))
    """
)


def run(folder: Path, redirection: str = "", *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    return subprocess.run(
        ["bash", "-c", f'exec "$0" program.py "$@" {redirection}', sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(SCRIPTS)} | environment,
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp437", "utf-8", "utf-16", "ascii:strict"])
def test_words_that_an_encoding_lacks_do_not_fail_a_stage(tmp_path, encoding):
    ended = run(tmp_path, PYTHONIOENCODING=encoding)
    assert (ended.returncode, (tmp_path / "result").read_text()) == (0, "kept"), ended.stderr
    assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", "</dev/null >&-"])
def test_a_stage_ends_well_where_its_words_go_nowhere(tmp_path, redirection):
    ended = run(tmp_path, redirection)
    assert (ended.returncode, (tmp_path / "result").read_text()) == (0, "kept"), ended.stderr
    assert b"Traceback" not in ended.stderr


def test_a_reader_that_leaves_does_not_fail_a_stage(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    command = f"{sys.executable} program.py 2>err | head -c 5 > /dev/null; exit ${{PIPESTATUS[0]}}"
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}
    assert subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, check=False).returncode == 0
    assert "Traceback" not in (tmp_path / "err").read_text()
    assert (tmp_path / "result").exists()


@pytest.mark.parametrize("redirection", ["", ">&- 2>&-", "2>/dev/full"])
def test_the_exit_status_of_a_refusal_stays(tmp_path, redirection):
    assert run(tmp_path, redirection, "the disk is in another machine").returncode == 1


def test_a_refusal_sends_nothing_that_a_terminal_obeys(tmp_path):
    ended = run(tmp_path, "", "engine \x1b[2Jsays\a \x9b31m\r\N{RIGHT-TO-LEFT OVERRIDE}no")
    assert b"error: engine \\x1b[2Jsays\\x07 \\x9b31m\\r\\u202eno\n" in ended.stderr


def test_words_from_outside_stay_in_their_line():
    assert printable("a\nb\tc\N{LINE SEPARATOR}d\x00") == "a\\nb\\tc\\u2028d\\x00"
    assert visible("a\nb\x1b") == "a\nb\\x1b"
    assert printable("µs — ü, 中文") == "µs — ü, 中文"


def test_progress_is_lost_where_its_stream_was_closed(monkeypatch):
    class Gone:
        encoding = "utf-8"

        def write(self, _text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    say("nobody reads this")
