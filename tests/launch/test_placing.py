"""Each attempt fills a folder of its own; the first that is over takes the launch's place, and its record stays."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.launch import placing
from benchmark_runner.launch.placing import MeasuredAlreadyError, show, take_place
from launch_case import WAIT_SECONDS, LaunchCase, killed_at_last, processes_of, wait_for

UNAVAILABLE = '{"attempt": 1, "status": "unavailable"}\n'


def attempt(folder: Path, name: str, **files: str) -> Path:
    """An attempt's folder beside that of its launch, with files by their names without suffix."""
    made = folder.parent / name
    made.mkdir(parents=True)
    for file, content in files.items():
        (made / f"{file}.json").write_text(content)
    return made


def ok(who: str) -> str:
    return f'{{"attempt": 1, "status": "ok", "by": "{who}"}}\n'


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "1"


def test_of_two_attempts_the_first_that_is_over_stands(folder):
    first, second = (attempt(folder, name, record=ok(name), spec="{}") for name in ("a", "b"))
    begun = [show(folder, [one / "spec.json"]) for one in (first, second)]
    assert (folder / "spec.json").samefile(second / "spec.json")
    take_place(first, folder, begun[0])
    with pytest.raises(MeasuredAlreadyError, match="another campaign has measured"):
        take_place(second, folder, begun[1])
    assert content(folder) == {"record.json": ok("a"), "spec.json": "{}"}


def test_an_interrupted_attempt_gives_way_to_one_that_has_measured_and_never_takes_its_place(folder):
    stopped, late = (attempt(folder, name, interrupted="{}") for name in ("a", "c"))
    measured = attempt(folder, "b", record=ok("b"))
    begun = show(folder, [])
    take_place(stopped, folder, begun)
    take_place(measured, folder, begun)
    with pytest.raises(MeasuredAlreadyError):
        take_place(late, folder, begun)
    assert content(folder) == {"record.json": ok("b")}


def test_no_attempt_begins_on_a_record_and_what_it_shows_is_left_alone(folder):
    take_place(attempt(folder, "a", record=ok("a"), spec="{}"), folder, show(folder, []))
    before = content(folder)
    with pytest.raises(MeasuredAlreadyError):
        show(folder, [])
    assert content(folder) == before


@pytest.mark.parametrize(
    ("ended", "record"), [({"interrupted": "{}"}, UNAVAILABLE), ({"record": ok("b")}, ok("b"))], ids=["stopped", "ok"]
)
def test_the_record_of_an_engine_that_was_unavailable_stands_until_there_is_another(folder, ended, record):
    take_place(attempt(folder, "a", record=UNAVAILABLE), folder, show(folder, []))
    begun = show(folder, [])
    take_place(attempt(folder, "b", **ended), folder, begun)
    assert content(folder)["record.json"] == record


def test_what_is_no_attempts_stays_beside_the_record(folder):
    begun = show(folder, [])
    (folder / "record.json.broken").write_text("of before")
    (folder / "launch.log").write_text("words")
    (folder / "record.json").mkdir()
    take_place(attempt(folder, "a", record=ok("a")), folder, begun)
    assert content(folder) == {"record.json": ok("a"), "record.json.broken": "of before", "launch.log": "words"}


def test_a_record_that_an_engine_puts_into_the_folder_that_shows_it_is_no_attempts(folder):
    begun = show(folder, [])
    (folder / "record.json").write_text(ok("forged"))
    take_place(attempt(folder, "a", record=ok("a")), folder, begun)
    assert content(folder) == {"record.json": ok("a")}


def test_who_is_emptying_a_folder_takes_nothing_from_the_one_that_takes_its_place(folder, monkeypatch):
    first, second = (attempt(folder, name, record=ok(name), spec="{}") for name in ("a", "b"))
    begun, clear = show(folder, []), placing._clear

    def another_is_faster(there: Path, mine: Path) -> None:
        if mine == second and first.exists():
            take_place(first, folder, begun)
        clear(there, mine)

    monkeypatch.setattr(placing, "_clear", another_is_faster)
    monkeypatch.setattr(placing, "_BETWEEN_TRIES_SECONDS", 0)
    with pytest.raises(MeasuredAlreadyError):
        take_place(second, folder, begun)
    assert content(folder) == {"record.json": ok("a"), "spec.json": "{}"}


def test_an_attempt_that_begins_as_another_takes_the_place_finds_its_record(folder, monkeypatch):
    done, begun, check = attempt(folder, "a", record=ok("a")), show(folder, []), placing._require_unmeasured

    def then_another_comes(there: Path, of: Path) -> None:
        check(there, of)
        if done.exists():
            take_place(done, folder, begun)

    monkeypatch.setattr(placing, "_require_unmeasured", then_another_comes)
    monkeypatch.setattr(placing, "_BETWEEN_TRIES_SECONDS", 0)
    with pytest.raises(MeasuredAlreadyError):
        show(folder, [folder.parent / "b" / "spec.json"])
    assert content(folder) == {"record.json": ok("a")}


def test_a_folder_that_is_taken_away_whenever_it_is_there_ends_with_one_line(folder, monkeypatch):
    def gone(_there: Path, _of: Path) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(placing, "_require_unmeasured", gone)
    monkeypatch.setattr(placing, "_BETWEEN_TRIES_SECONDS", 0)
    with pytest.raises(BenchmarkError, match="is taken away again and again; see who writes there"):
        show(folder, [])


def test_a_folder_that_never_gives_way_ends_with_one_line_and_the_attempt_stays(folder, monkeypatch):
    made = attempt(folder, "a", record=ok("a"))

    def kept_open(_source: Path, _target: Path) -> None:
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))

    monkeypatch.setattr(placing, "_BETWEEN_TRIES_SECONDS", 0)
    begun = show(folder, [])
    monkeypatch.setattr(Path, "rename", kept_open)
    with pytest.raises(BenchmarkError, match="does not become empty"):
        take_place(made, folder, begun)
    assert content(made) == {"record.json": ok("a")}


def test_a_launch_that_another_machine_has_measured_meanwhile_leaves_that_record_and_nothing_of_its_own(tmp_path):
    case = LaunchCase(tmp_path, options={"load_ms": 1500})
    with killed_at_last(case.start()) as process:
        wait_for((case.out_dir / "events.jsonl").is_file, "the engine")
        other = attempt(case.out_dir, "other", record=ok("other machine"))
        take_place(other, case.out_dir, show(case.out_dir, []))
        out, err = process.communicate(timeout=WAIT_SECONDS)
    assert (process.returncode, err) == (0, "")
    assert "another campaign has measured this launch" in out
    assert content(case.out_dir) == {"record.json": ok("other machine")}
    assert {path.name for path in case.out_dir.parents[2].iterdir()} == {"fake"}
    assert processes_of(case.folder) == {}
