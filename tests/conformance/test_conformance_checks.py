"""Each check passes on adapters that keep the protocol and fails on one that breaks its rule."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from benchmark_runner.conformance.__main__ import main
from benchmark_runner.conformance.checks import CHECKS, REFUSALS, judge
from benchmark_runner.conformance.evidence import TEXT_STARTS, gather, run_for_checks
from benchmark_runner.conformance.specs import TOGETHER, Setup, conversations_spec, served_spec
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.launch.server import slots
from benchmark_runner.model.derive import make_derived
from benchmark_runner.processes.adapter import Limit, Limits
from benchmark_runner.processes.watch import Watch
from build_case import build_record
from launch_case import FAKE_ENGINE
from tiny_model import make_tiny_llama

TINY = Path(__file__).with_name("tiny_adapter.py")

FAKE_VOCABULARY = 1200
"""Logits a token of the fake engine (fake_core.py)."""

# Rule that the fault breaks, by fault. Other checks may fail with it; this one must.
BREAKS = {
    "no_done": "completes",
    "status_1_after_done": "completes",
    "prints": "stdout",
    "not_json": "lines",
    "extra_key": "lines",
    "cut_line": "lines",
    "hello_twice": "hello",
    "hello_late": "hello",
    "hello_changes": "hello",
    "load_end_missing": "order",
    "done_twice": "order",
    "load_end_early": "load",
    "load_end_late": "load",
    "other_device": "load",
    "more_threads": "load",
    "batch_of_two": "settings",
    "simd_of_words": "lines",
    "warm_ups_last": "rounds",
    "cases_reversed": "rounds",
    "index_goes_on": "rounds",
    "round_missing": "rounds",
    "token_missing": "token_count",
    "token_too_many": "token_count",
    "time_missing": "token_count",
    "finish_wrong": "token_count",
    "times_go_back": "token_times",
    "ends_too_early": "token_times",
    "takes_no_time": "token_times",
    "overlaps": "apart",
    "other_clock": "clock",
    "cache_kept": "greedy_rounds",
    "ids_by_process": "greedy_processes",
    "unseeded": "seed_repeats",
    "warm_up_seed": "seed_repeats",
    "seed_ignored": "seed_differs",
    "round_ignored": "seed_differs",
    "top_p_ignored": "nucleus",
    "eos_passed": "eos_honoured",
    "eos_left_out": "eos_honoured",
    "eos_not_ignored": "eos_ignored",
    "margins_unasked": "margins",
    "margin_missing": "margins",
    "forced_ignored": "teacher_forcing",
    "forced_reported": "teacher_forcing",
    "logits_cut": "logits",
    "logits_of_others": "logits",
    "logits_nan": "logits",
    "ids_mixed_up": "together",
    "refuses_others": "together",
    "puts_arrivals_off": "together",
    "counts_beyond_its_level": "together",
    "leaves_a_level_out": "together",
    "dies_behind_its_levels": "together",
    "sends_a_turn_twice": "conversations",
    "turns_mixed_up": "conversations",
    "accepts_unknown_key": "refuses_unknown_key",
    "accepts_dtype": "refuses_dtype",
    "accepts_device": "refuses_device",
    "accepts_load_mode": "refuses_load_mode",
    "accepts_concurrency": "refuses_concurrency",
    "accepts_option": "refuses_option",
    "accepts_protocol": "refuses_protocol",
    "accepts_missing_key": "refuses_missing_key",
    "accepts_broken_spec": "refuses_broken_spec",
    "modest_accepts_sampling": "refuses_sampling",
    "modest_accepts_ignore_eos": "refuses_ignore_eos",
    "modest_accepts_teacher_forcing": "refuses_teacher_forcing",
    "modest_accepts_logits": "refuses_logits",
    "wrong_kind": "refuses_dtype",
    "wrong_status": "refuses_dtype",
    "loads_before_refusal": "refuses_dtype",
}


def adapter(folder: Path, fault: str = "") -> Path:
    program = folder / "adapter"
    option = f"--fault {fault} " if fault else ""
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {TINY} {option}"$@"\n', encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def findings(folder: Path, program: Path, *more: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Status of the stage, and its findings by name of the check."""
    out = folder / "conformance.json"
    arguments = ["--binary", program, "--model-dir", folder, "--weights", "w", "--engine", "tiny", "--out", out]
    status = main([*map(str, arguments), "--work", str(folder / "work"), *more])
    content = json.loads(out.read_text(encoding="utf-8"))
    assert content["conforms"] is (status == 0)
    return status, {entry["check"]: entry for entry in content["checks"]}


def failed(found: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: entry["detail"] for name, entry in found.items() if entry["outcome"] == "failed"}


def skipped(found: dict[str, dict[str, str]]) -> list[str]:
    return [name for name, entry in found.items() if entry["outcome"] == "skipped"]


def test_an_adapter_that_keeps_the_protocol_passes_every_check(tmp_path, capsys):
    status, found = findings(tmp_path, adapter(tmp_path))
    assert (status, failed(found)) == (0, {})
    assert list(found) == list(CHECKS)
    beyond_it = ["refuses_sampling", "refuses_ignore_eos", "refuses_teacher_forcing", "refuses_logits"]
    assert skipped(found) == beyond_it
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == f"tiny keeps the protocol: {len(CHECKS) - 4} passed, 0 failed, 4 skipped"
    assert [line.split()[0] for line in told[:-1]] == list(CHECKS)


def test_an_adapter_that_does_little_passes_and_must_refuse_the_rest(tmp_path):
    status, found = findings(tmp_path, adapter(tmp_path, "modest"))
    assert (status, failed(found)) == (0, {})
    assert skipped(found) == ["seed_repeats", "seed_differs", "nucleus", "eos_ignored", "teacher_forcing", "logits"]


def test_an_adapter_whose_draws_no_seed_reaches_passes_when_it_says_so(tmp_path):
    status, found = findings(tmp_path, adapter(tmp_path, "unseeded_and_says_so"))
    assert (status, failed(found)) == (0, {})
    assert skipped(found)[:2] == ["seed_repeats", "seed_differs"]
    assert (found["nucleus"]["outcome"], found["refuses_sampling"]["outcome"]) == ("passed", "skipped")


def test_a_server_is_started_with_places_for_what_is_asked_at_once(tmp_path):
    setup = Setup(tmp_path, "w", "f32", "cpu", 1, {})
    can = {"load_modes": ["closed"], "ignore_eos": True}
    assert slots(served_spec(setup, conversations_spec(setup, can))) == TOGETHER
    assert slots(served_spec(setup, setup.spec([setup.case()]))) == slots(served_spec(setup, "{")) == 1


def test_an_adapter_that_cannot_make_ids_of_an_answers_text_is_asked_other_prompts(tmp_path):
    status, found = findings(tmp_path, adapter(tmp_path, "makes_ids_of_text"))
    assert (status, failed(found)) == (0, {})
    assert found["greedy_rounds"]["outcome"] == "passed"


def test_an_adapter_that_refuses_conversations_passes(tmp_path):
    status, found = findings(tmp_path, adapter(tmp_path, "no_conversations"))
    assert (status, failed(found)) == (0, {})
    assert (found["conversations"]["outcome"], found["together"]["outcome"]) == ("skipped", "passed")


def test_an_adapter_without_margins_is_asked_without_them(tmp_path):
    status, found = findings(tmp_path, adapter(tmp_path, "no_margins"))
    assert status == 0
    assert "margins" in skipped(found)
    assert found["eos_honoured"]["outcome"] == "passed"


def test_an_adapter_that_tells_no_settings_passes_and_they_are_called_unknown(tmp_path):
    status, found = findings(tmp_path, adapter(tmp_path, "settings_untold"))
    assert (status, failed(found)) == (0, {})
    assert found["settings"]["detail"] == (
        "load_end does not tell batch_size and compiled_graph: the report calls them unknown"
    )


def test_an_engine_that_lacks_something_is_called_unavailable_once_with_its_own_remedy(tmp_path):
    with pytest.raises(BenchmarkError, match=r"^the engine is unavailable, .*: the library libtiny.so; install it$"):
        findings(tmp_path, adapter(tmp_path, "lacks_its_library"))


def tries(folder: Path, fault: str) -> tuple[int, str]:
    """How often the main run was started, and how the checks ended."""
    began = []
    replay = Replay(adapter(folder, fault), folder / "work")

    def run(name, spec):
        began.append(name)
        return replay(name, spec)

    with pytest.raises(BenchmarkError) as told:
        gather(Setup(folder, "w", "f32", "cpu", 1, {}), run)
    return began.count("first"), str(told.value)


def test_what_lacks_something_is_started_once_and_what_reads_other_ids_is_asked_each_prompt(tmp_path):
    count, words = tries(tmp_path, "of_ids_of_text_lacks_its_library")
    assert (count, words.count("libtiny.so")) == (1, 1)
    count, words = tries(tmp_path, "never_makes_ids_of_text")
    assert count == len(TEXT_STARTS) > 1
    assert words.startswith("the engine loaded and then refused each prompt, so nothing of it was checked: ")
    assert words.endswith(": an answer that is read as other ids")


def test_the_fake_engine_keeps_the_protocol(tmp_path, repository):
    status, found = findings(tmp_path, repository / "tests" / "fake_engine" / "fake-engine")
    assert (status, failed(found)) == (0, {})


class Replay:
    """Starts adapters; runs whose names are in kept are taken from an adapter that keeps the protocol, to save time."""

    def __init__(self, program: Path, work: Path, kept: dict | None = None) -> None:
        self.program = program
        self.work = work
        self.kept = kept or {}
        self.outcomes = {}

    def __call__(self, name, spec):
        if name not in self.kept:
            folder = self.work / name
            with Watch() as watch:
                self.outcomes[name] = run_for_checks(
                    self.program,
                    spec,
                    folder=folder,
                    environment={},
                    cores=sorted(os.sched_getaffinity(0)),
                    limits=Limits(*[Limit(60, "the test")] * 3),
                    watch=watch,
                )
        return self.outcomes.get(name) or self.kept[name]


def judged(folder: Path, replay: Replay) -> dict[str, str]:
    """Outcome of each check."""
    setup = Setup(folder, "model.safetensors", "f32", "cpu", 1, {})
    return {finding.check: finding.outcome for finding in judge(gather(setup, replay))}


@pytest.fixture(scope="module")
def correct(tmp_path_factory):
    """All runs of the adapter that keeps the protocol."""
    folder = tmp_path_factory.mktemp("correct")
    replay = Replay(adapter(folder), folder / "work")
    assert "failed" not in judged(folder, replay).values()
    return replay.outcomes


@pytest.mark.parametrize(("fault", "check"), BREAKS.items())
def test_a_broken_rule_fails_its_check(tmp_path, correct, fault, check):
    needed = {check, "unknown_key"} if check in REFUSALS else set(correct) - set(REFUSALS)
    kept = {name: run for name, run in correct.items() if name not in needed}
    assert judged(tmp_path, Replay(adapter(tmp_path, fault), tmp_path / "work", kept))[check] == "failed"


def test_every_check_is_seen_failing():
    assert set(CHECKS) == set(BREAKS.values())


def test_an_adapter_that_hangs_fails_and_is_ended(tmp_path):
    _, found = findings(tmp_path, adapter(tmp_path, "hangs"), "--timeout-seconds", "0.5")
    assert "0.5 s (--timeout-seconds)" in failed(found)["completes"]


def test_a_program_that_says_nothing_fails_without_a_traceback(tmp_path):
    program = tmp_path / "adapter"
    program.write_text("#!/bin/sh\necho no model >&2\nexit 9\n", encoding="utf-8")
    program.chmod(0o755)
    status, found = findings(tmp_path, program)
    assert status == 1
    assert "exit status 9; its log ends: no model" in failed(found)["completes"]


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:-1", "cpu:0", ""])
def test_what_is_no_device_is_an_error_that_names_it(tmp_path, device):
    with pytest.raises(BenchmarkError, match=f"--device: '{device}' is no device; write cpu or cuda:N"):
        findings(tmp_path, FAKE_ENGINE, "--device", device)


def test_a_missing_binary_is_an_error_with_the_reason_of_its_build(tmp_path):
    with pytest.raises(BenchmarkError, match="was not built; Run snakemake engines"):
        findings(tmp_path, tmp_path / "none")
    record = build_record(status="unavailable", reason="cargo is not installed", remedy="install Rust")
    (tmp_path / "none.build.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(BenchmarkError, match="cargo is not installed; install Rust"):
        findings(tmp_path, tmp_path / "none")


def test_a_file_that_is_no_program_is_an_error_with_a_remedy(tmp_path):
    program = tmp_path / "adapter"
    program.write_text("text", encoding="utf-8")
    with pytest.raises(BenchmarkError, match="may not be executed; chmod"):
        findings(tmp_path, program)


def fit_to_the_fake_engine(folder: Path) -> None:
    """Let config.json name as many tokens as the fake engine gives logits."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": FAKE_VOCABULARY}))


def test_the_weights_are_those_of_the_folder(tmp_path):
    out, work = tmp_path / "conformance.json", tmp_path / "work"
    engine = make_tiny_llama(tmp_path / "shards", shards=2)
    fit_to_the_fake_engine(engine)
    arguments = ["--binary", FAKE_ENGINE, "--engine", "tiny", "--out", out, "--work", work]
    assert main([*map(str, arguments), "--model-dir", str(engine)]) == 0
    assert json.loads((work / "first" / "spec.json").read_text())["weights"] == "model.safetensors.index.json"


def test_derived_weights_are_opened_and_their_refusal_is_told(tmp_path):
    derived, work = tmp_path / "gguf", tmp_path / "work"
    source = make_tiny_llama(tmp_path / "m")
    make_derived(source, derived, "gguf", "f32", {"name": "m", "identity": "abc"})
    fit_to_the_fake_engine(derived)
    arguments = ["--binary", FAKE_ENGINE, "--engine", "tiny", "--out", tmp_path / "out.json", "--work", work]
    arguments = [*map(str, arguments), "--model-dir", str(derived)]
    assert main(arguments) == 0
    assert json.loads((work / "first" / "spec.json").read_text())["weights"] == "model.gguf"
    manifest = json.loads((derived / "manifest.json").read_text())
    refused = manifest | {"status": "unavailable", "reason": "yarn", "remedy": "another model"}
    (derived / "manifest.json").write_text(json.dumps(refused))
    with pytest.raises(BenchmarkError, match="holds no weights: yarn; another model"):
        main(arguments)
