"""The place in which an engine works is drawn for each launch: nothing of an engine's name reaches its process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from benchmark_runner.launch.placing import take_place
from benchmark_runner.launch.workplace import (
    PADDING_BYTES,
    QUIET_SECONDS,
    clear_left_behind,
    draw,
    events_of,
    left_behind,
    pause_in_sight,
    prepared,
    wait_for_others,
)
from launch_case import SCRIPTS, WAIT_SECONDS, LaunchCase, killed_at_last, processes_of

SHARED_MEMORY = Path("/dev/shm")
"""A file system of its own on Linux."""

TELLING = """#!/bin/sh
{ tr '\\0' '\\n' < /proc/self/environ; echo "cwd=$PWD"; echo "argv=$*"; echo "files=$(ls -A)"; cat "$2"; } >&2
exit 1
"""


def told(folder: Path, engine: str) -> tuple[dict[str, str], dict]:
    """What a program sees of its place when its engine has this name, and the launch's record."""
    folder.mkdir()
    binary = folder / "program"
    binary.write_text(TELLING)
    binary.chmod(0o755)
    case = LaunchCase(folder, binary=binary)
    text = (folder / "plan.json").read_text().replace('"fake"', f'"{engine}"').replace("/fake/", f"/{engine}/")
    (folder / "plan.json").write_text(text)
    command = [part.replace("=fake", f"={engine}").replace("/fake/", f"/{engine}/") for part in case.command()]
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS), "TMPDIR": str(folder)}
    subprocess.run(command, env=environment, check=True, timeout=WAIT_SECONDS, stdout=subprocess.DEVNULL)
    out_dir = Path(str(case.out_dir).replace("/fake/", f"/{engine}/"))
    assert {path.name for path in out_dir.parents[2].iterdir()} == {engine}
    seen = dict(line.split("=", 1) for line in (out_dir / "engine.log").read_text().splitlines() if "=" in line)
    return seen | {"spec": json.dumps(json.loads((out_dir / "spec.json").read_text()))}, json.loads(
        (out_dir / "record.json").read_text()
    )


def test_an_engine_s_name_reaches_neither_its_command_nor_folder_nor_environment_nor_spec(tmp_path):
    short, _ = told(tmp_path / "a", "x7")
    long, record = told(tmp_path / "b", "an_engine_with_a_rather_long_name")
    for name in ("cwd", "argv", "spec"):
        assert len(short[name]) == len(long[name])
    assert not any("rather_long" in value for value in long.values())
    assert long["files"] == ""
    assert len(long["BENCHMARK_RUNNER_PADDING"]) == record["drawn"]["padding_bytes"]
    assert record["drawn"]["folder"] in long["cwd"]


def test_folder_and_padding_are_drawn_anew(tmp_path):
    drawn = [draw(tmp_path / "launches" / "e" / "w.0" / "1") for _ in range(64)]
    assert len({workplace.folder for workplace in drawn}) == 64
    assert len({len(workplace.folder.name) for workplace in drawn}) == 1
    lengths = [len(workplace.padding) for workplace in drawn]
    assert max(lengths) < PADDING_BYTES and max(lengths) - min(lengths) > PADDING_BYTES / 2


def test_the_events_are_seen_where_they_will_lie(tmp_path):
    folder = tmp_path / "launches" / "e" / "w.0" / "1"
    workplace = draw(folder)
    with prepared(workplace, folder) as begun, events_of(workplace):
        workplace.events.write_text("hello")
        (workplace.kept / "engine.log").write_text("words")
        assert (folder / "events.jsonl").read_text() == "hello"
        assert (folder / "engine.log").read_text() == "words"
    take_place(workplace.kept, folder, begun)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "events.jsonl": "hello",
        "engine.log": "words",
    }
    assert not any(path.is_symlink() for path in folder.iterdir())


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../precious/events.jsonl", "../../../.0123/events.jsonl"])
def test_a_link_to_anything_else_is_no_workplace(tmp_path, target):
    folder = tmp_path / "launches" / "e" / "w.0" / "1"
    for path in (folder, tmp_path / "launches" / "precious", tmp_path / "launches" / ".0123"):
        path.mkdir(parents=True)
    (folder / "events.jsonl").symlink_to(target)
    assert left_behind(folder) is None


def test_a_killed_attempt_leaves_no_workplace_to_the_next(tmp_path):
    case = LaunchCase(tmp_path)
    case.out_dir.mkdir(parents=True)
    workplace = draw(case.out_dir)
    workplace.scratch.mkdir(parents=True)
    (workplace.scratch / "cache").touch()
    (case.out_dir / "events.jsonl").symlink_to(workplace.events)
    assert case.run().returncode == 0
    assert case.record()["status"] == "ok"
    assert [path.name for path in case.out_dir.parents[2].iterdir()] == ["fake"]
    assert processes_of(case.folder) == {}


def attempt_elsewhere(folder: Path, quiet_seconds: float) -> Path:
    """What the attempt of another machine that shares the folder shows, and its workplace; nothing was written for so
    long."""
    folder.mkdir(parents=True)
    workplace = draw(folder).folder
    workplace.mkdir()
    (workplace / "members").write_text("4f1c-another-boot node7\n12 34\n")
    (folder / "events.jsonl").symlink_to(workplace / "events.jsonl")
    for path in (workplace / "events.jsonl", folder / "metrics.jsonl"):
        path.write_text("{}\n")
    for path in (workplace / "members", workplace / "events.jsonl", folder / "metrics.jsonl"):
        os.utime(path, (0, path.stat().st_mtime - quiet_seconds))
    return workplace


def test_a_launch_that_another_machine_measures_is_waited_for_until_its_record_is_there(tmp_path):
    folder = tmp_path / "launches" / "e" / "w.0" / "1"
    workplace = attempt_elsewhere(folder, quiet_seconds=60)
    steps = iter(
        [
            lambda: None,
            lambda: (workplace / "events.jsonl").rename(folder / "events.jsonl"),
            lambda: shutil.rmtree(workplace),
            lambda: (folder / "record.json").write_text("{}\n"),
        ]
    )
    told: list[str] = []
    wait_for_others(folder, lambda _: next(steps)(), told.append)
    assert list(steps) == []
    assert told == ["waits for node7, which measures this launch now"]


def test_an_attempt_of_a_machine_that_has_died_is_not_waited_for(tmp_path):
    folder = tmp_path / "launches" / "e" / "w.0" / "1"
    workplace = attempt_elsewhere(folder, quiet_seconds=600)
    wait_for_others(folder, pytest.fail, pytest.fail)
    clear_left_behind(folder)
    assert not workplace.exists()


def test_an_attempt_that_cools_down_for_long_is_seen_to_be_alive(tmp_path):
    folder = tmp_path / "launches" / "e" / "w.0" / "1"
    workplace = draw(folder)
    with prepared(workplace, folder):
        seen = []

        def pause(seconds: float) -> None:
            os.utime(workplace.members, (0, 0))
            seen.append(seconds)

        pause_in_sight(workplace, 150.0, pause)
        assert (sum(seen), max(seen) <= QUIET_SECONDS / 2) == (150.0, True)
        assert workplace.members.stat().st_mtime > 0


def test_a_launch_beside_the_attempt_of_another_machine_waits_and_leaves_its_record(tmp_path):
    case = LaunchCase(tmp_path)
    workplace = attempt_elsewhere(case.out_dir, quiet_seconds=0)
    with killed_at_last(case.start()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits for node7, which measures this launch now\n"
        assert (workplace / "events.jsonl").read_text() == "{}\n"
        (case.out_dir / "engine.log").touch()
        shutil.rmtree(workplace)
        record = '{"attempt": 1, "status": "ok"}\n'
        (case.out_dir / "record.json").write_text(record)
        out, err = process.communicate(timeout=WAIT_SECONDS)
    assert (process.returncode, err) == (0, "")
    assert "another campaign has measured this launch" in out
    assert (case.out_dir / "record.json").read_text() == record


def test_an_engine_s_folder_on_another_file_system_is_refused_before_anything_is_measured(tmp_path):
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as elsewhere:
        if Path(elsewhere).stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip(f"the tests' folder is on the file system of {SHARED_MEMORY} itself")
        case = LaunchCase(tmp_path)
        case.out_dir.parents[2].mkdir(parents=True)
        case.out_dir.parents[1].symlink_to(elsewhere)
        ended = case.run()
    assert ended.returncode == 1
    assert "is on another file system than" in ended.stderr and "no link and no mount, and run again" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert list(case.out_dir.parents[2].glob(".*")) == []
