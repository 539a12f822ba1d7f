"""Whatever an engine does to files and folders, its launch ends with a record, and nothing elsewhere is touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark_runner.launch.record import opened_log
from benchmark_runner.processes.files import KEPT_BYTES as KEPT_FILE_BYTES
from benchmark_runner.processes.words import KEPT_BYTES
from benchmark_runner.schemas import require_valid
from launch_case import FAKE_ENGINE, LaunchCase, processes_of

OUTPUTS = {"record.json", "spec.json", "events.jsonl", "metrics.jsonl", "engine.log"}


def test_the_log_holds_nothing_that_a_terminal_would_obey(tmp_path):
    with opened_log(tmp_path / "launch.log") as log:
        log.add("said \x1b[31mred\u202e \ud83d")
    assert (tmp_path / "launch.log").read_text().endswith("said \\x1b[31mred\\u202e \\ud83d\n")


def case_that_ends_with(folder: Path, commands: str, **more: object) -> LaunchCase:
    """A sound engine that runs shell commands when it is done, which know its events and folders by variables."""
    case = LaunchCase(folder, binary=folder / "engine", **more)
    (folder / "foreign").mkdir()
    (folder / "foreign" / "precious").write_text("kept")
    case.binary = folder / "engine"
    case.binary.write_text(
        f'#!/bin/sh\n"{FAKE_ENGINE}" "$@" || exit 1\n'
        f'EVENTS="$4"; WORK="$(dirname "$4")"; OUT="{case.out_dir}"; FOREIGN="{folder}/foreign"\n{commands}\nexit 0\n'
    )
    case.binary.chmod(0o755)
    return case


def recorded(case: LaunchCase) -> dict:
    ended = case.run()
    assert (ended.returncode, ended.stderr) == (0, "")
    record = case.record()
    require_valid("record", record, "record.json")
    assert (case.folder / "foreign" / "precious").read_text() == "kept"
    assert not case.out_dir.is_symlink()
    assert {path.name for path in case.out_dir.iterdir()} == OUTPUTS
    assert all(path.is_file() and not path.is_symlink() for path in case.out_dir.iterdir())
    assert {path.name for path in case.out_dir.parents[2].iterdir()} == {"fake"}
    assert processes_of(case.folder) == {}
    return record


@pytest.mark.parametrize(
    "commands",
    [
        'rm "$EVENTS"',
        'rm "$EVENTS"; mkfifo "$EVENTS"',
        'rm "$EVENTS"; mkdir -p "$EVENTS/a"',
        'cp "$EVENTS" "$WORK/other"; mv "$WORK/other" "$EVENTS"',
        'mv "$EVENTS" "$WORK/other"; ln -s "$WORK/other" "$EVENTS"',
        'cd /; rm -r "$WORK"',
        'cd /; rm -r "$WORK"; ln -s "$FOREIGN" "$WORK"',
        'cd /; rm -r "$WORK"; echo x > "$WORK"',
    ],
)
def test_an_engine_that_takes_its_events_away_fails_with_the_place(tmp_path, commands):
    record = recorded(case_that_ends_with(tmp_path, commands))
    assert record["status"] == "failed"
    assert "removed or replaced events.jsonl" in record["reason"]


@pytest.mark.parametrize("commands", ["", 'rm "$4"'])
def test_an_engine_that_writes_events_without_end_is_ended_and_its_file_cut(tmp_path, commands):
    binary = tmp_path / "engine"
    binary.write_text(f'#!/bin/sh\ntruncate -s 9T "$4"\n{commands}\nexec sleep 600\n')  # holes take no disk
    binary.chmod(0o755)
    case = LaunchCase(tmp_path, binary=binary, system={"launch_timeout_seconds": 3600})
    case.run()
    record = case.record()
    assert record["status"] == "failed"
    assert "GB into its events file" in record["reason"]
    assert (case.out_dir / "events.jsonl").stat().st_size == KEPT_FILE_BYTES


@pytest.mark.parametrize("commands", [': > "$EVENTS"', 'head -c 400 "$EVENTS" > x; cat x > "$EVENTS"'])
def test_an_engine_that_cuts_its_events_fails(tmp_path, commands):
    record = recorded(case_that_ends_with(tmp_path, commands))
    assert record["status"] == "failed"


@pytest.mark.parametrize(
    "commands",
    [
        'rmdir "$PWD"',
        'd="$PWD"; rmdir "$d"; ln -s "$FOREIGN" "$d"',
        'ln -s "$FOREIGN" link; mkfifo pipe; mkdir locked; touch locked/x; chmod 000 locked',
        'rm "$WORK/spec.json"',
        'mkdir -p "$OUT/record.json/a"',
        'mkfifo "$OUT/record.json"',
        'ln -s "$FOREIGN/precious" "$OUT/record.json"',
    ],
)
def test_nothing_of_value_is_lost_and_the_launch_is_ok(tmp_path, commands):
    record = recorded(case_that_ends_with(tmp_path, commands))
    assert (record["status"], record["reason"]) == ("ok", None)


@pytest.mark.parametrize("instead", ['mkfifo "$S"', 'mkdir "$S"', 'ln -s /dev/zero "$S"'])
def test_a_spec_that_is_replaced_by_something_else_fails_the_launch_and_is_not_waited_for(tmp_path, instead):
    record = recorded(case_that_ends_with(tmp_path, f'S="$WORK/spec.json"; rm "$S"; {instead}'))
    assert record["status"] == "failed"
    assert "spec.json is not the spec" in record["reason"]


@pytest.mark.parametrize("name", ["metrics.jsonl", "engine.log", "spec.json"])
@pytest.mark.parametrize("instead", ["", 'mkfifo "$F"', 'mkdir "$F"', 'ln -s "$FOREIGN/precious" "$F"'])
def test_a_file_that_was_removed_or_replaced_is_put_back_with_a_warning(tmp_path, name, instead):
    case = case_that_ends_with(tmp_path, f'F="$OUT/{name}"; rm "$F"; {instead}')
    record = recorded(case)
    assert record["status"] == "ok"
    told = [entry["message"] for entry in record["warnings"] if entry["kind"] == "file_replaced"]
    assert [message.partition(" ")[0] for message in told] == [name]
    assert json.loads((case.out_dir / "spec.json").read_text()) == record["spec"]
    lines = [json.loads(line) for line in (case.out_dir / "metrics.jsonl").read_text().splitlines()]
    assert (lines[0]["event"], lines[-1]["event"], lines[-1]["samples"]) == ("start", "end", len(lines) - 2)


@pytest.mark.parametrize("commands", [': > "$OUT/metrics.jsonl"', 'head -c 9 /dev/zero > "$OUT/metrics.jsonl"'])
def test_metrics_that_were_cut_or_changed_fail_the_launch(tmp_path, commands):
    record = recorded(case_that_ends_with(tmp_path, commands))
    assert record["status"] == "failed"
    assert "metrics.jsonl" in record["reason"]


@pytest.mark.parametrize(
    "commands", ['rm -r "$OUT"', 'rm -r "$OUT"; ln -s "$FOREIGN" "$OUT"', 'rm -r "$OUT"; touch "$OUT"']
)
def test_a_launch_folder_that_was_taken_away_is_made_again(tmp_path, commands):
    assert recorded(case_that_ends_with(tmp_path, commands))["status"] == "ok"


def test_what_a_killed_attempt_left_in_place_of_files_hinders_no_other(tmp_path):
    case = case_that_ends_with(tmp_path, ":")
    case.out_dir.mkdir(parents=True)
    (case.out_dir / "spec.json").symlink_to(tmp_path / "foreign" / "precious")
    for name in ("events.jsonl", "record.json", "engine.log"):
        (case.out_dir / name / "within").mkdir(parents=True)
    assert recorded(case)["status"] == "ok"


@pytest.mark.parametrize("stream", [1, 2])
def test_of_a_flood_of_words_both_ends_are_kept(tmp_path, stream):
    flood = f'{{ echo first; head -c 3000000 /dev/zero | tr "\\0" x; echo; echo last; }} >&{stream}'
    case = case_that_ends_with(tmp_path, flood)
    assert recorded(case)["status"] == "ok"
    log = (case.out_dir / "engine.log").read_bytes()
    assert len(log) < 3 * KEPT_BYTES
    assert b"first\n" in log and log.endswith(b"last\n") and b"bytes are left out here" in log


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hang_at": {"stage": "load"}}, "the engine had not loaded after 0.6 s (system.load_timeout_seconds)"),
        (
            {"hang_at": {"stage": "generate", "iteration": 0}},
            "the first iteration did not come within 0.7 s (system.iteration_timeout_seconds); the last event",
        ),
        (
            {"hang_at": {"stage": "generate", "iteration": 2}},
            "the next iteration or done did not come within 0.7 s (system.iteration_timeout_seconds); the last event "
            "was iteration (2 so far)",
        ),
    ],
)
def test_an_engine_that_hangs_is_ended_by_the_limit_of_its_phase(tmp_path, options, words):
    limits = {"load_timeout_seconds": 0.6, "iteration_timeout_seconds": 0.7}
    if "load" not in str(options["hang_at"]):
        limits["load_timeout_seconds"] = 60
    case = LaunchCase(tmp_path, options=options, system=limits)
    assert case.run().returncode == 0
    record = case.record()
    assert record["status"] == "timeout"
    assert record["reason"].startswith(words)


def test_what_was_measured_counts_though_the_engine_hangs_after_done(tmp_path):
    record = recorded(case_that_ends_with(tmp_path, "exec sleep 600", system={"launch_timeout_seconds": 8}))
    assert (record["status"], record["engine_exit"]["signal"]) == ("ok", 15)
    (warning,) = (entry for entry in record["warnings"] if entry["kind"] == "ended_late")
    assert "the last event was done" in warning["message"]
