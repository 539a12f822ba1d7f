"""The two commands, with the scripted engine on both sides."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import psutil
import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.fidelity import reference as reference_module
from benchmark_runner.fidelity.__main__ import main as print_table
from benchmark_runner.fidelity.check import own_prompts
from benchmark_runner.fidelity.probe import Answer, Probe, planned_engine
from benchmark_runner.protocol.events import EventReport
from benchmark_runner.protocol.logits import read_logits
from build_case import build_record
from fidelity_case import WAIT_SECONDS, FidelityCase
from launch_case import killed_at_last


def test_the_reference_holds_ids_and_margins_of_each_prompt(case: FidelityCase) -> None:
    content = case.reference()
    assert (content["status"], content["engine"], content["dtype"]) == ("ok", "base", "f32")
    assert [entry["text"] for entry in content["prompts"]] == ["Hi", "Ho ho"]
    assert content["prompts"][0]["token_ids"] == [101, 102, 103, 104, 105, 106]
    assert content["prompts"][1]["margins"] == [1.0, 0.5, 0.25, 0.125, 0.001, 0.001]
    assert content["version"] == "1.0.0"
    assert content["logits"] == {"file": "logits.f32", "vocabulary": 300}
    logits = read_logits(case.reference_file.with_name("logits.f32"), 12)
    assert logits[6:].argmax(axis=1).tolist() == content["prompts"][1]["token_ids"]


def test_an_engine_that_agrees_passes(case: FidelityCase) -> None:
    case.other["options"]["tokens"] = [101, 102, 103, 104, 105, 106, 9]
    content = case.check()
    assert (content["result"], content["tokens_checked"], content["smallest_margin"]) == ("pass", 12, 0.001)
    assert (content["engine"], content["reference"], content["device"]) == ("other", "base", "cpu")
    assert [entry["agreed"] for entry in content["prompts"]] == [6, 6]
    assert [entry["forced_divergences"] for entry in content["prompts"]] == [0, 0]
    assert content["logits"] == {"max_abs": 0, "mean_abs": 0, "kl_mean": 0, "kl_max": 0}
    assert (content["no_teacher_forcing"], content["no_logits"]) == (None, None)
    assert (content["sampling"]["result"], content["reuse"]["result"]) == ("not asked", "not checkable")


def test_the_reference_s_own_program_only_shows_that_it_repeats_itself(case: FidelityCase) -> None:
    assert "repeats itself" in case.check("base")["reason"]


def test_an_engine_that_the_workflow_builds_is_not_passed_by_its_own_word(case: FidelityCase) -> None:
    # As with only_engines=candle_cuda, where no pytorch_baseline takes part.
    case.base["adapter"] = "candle-bench"
    content = case.check("base")
    assert content["result"] == "not checkable"
    assert "it is its own reference here" in content["reason"]
    assert "let pytorch_baseline take part (only_engines" in content["reason"]


def test_the_reason_for_no_repeated_prompt_is_the_true_one(case: FidelityCase) -> None:
    case.prompts["unseen"] = []
    reuse = case.check()["reuse"]
    assert (reuse["result"], reuse["reason"]) == (
        "not checkable",
        "no prompt that it cannot have seen fits into the model's context",
    )


@pytest.mark.parametrize(
    ("tokens", "dtype", "result", "margin"),
    [
        ([101, 102, 103, 104, 9], "f32", "rounding", 0.001),
        ([101, 102, 103, 9], "f32", "fail", 0.125),
        ([101, 102, 103, 9], "bf16", "rounding", 0.125),
        ([9], "bf16", "fail", 1.0),
    ],
)
def test_a_parting_is_judged_by_the_reference_s_margin_and_the_dtype(
    case: FidelityCase, tokens: list[int], dtype: str, result: str, margin: float
) -> None:
    case.other["dtype"] = dtype
    case.other["options"] |= {"tokens": tokens, "capabilities": {"logits": False}}
    content = case.check()
    assert content["result"] == result
    assert content["prompts"][0]["first_divergence"] == len(tokens) - 1
    assert content["prompts"][0]["reference_margin"] == margin


def test_without_teacher_forcing_the_check_ends_where_the_texts_part(case: FidelityCase) -> None:
    case.other["options"] |= {"tokens": [101, 102, 103, 104, 9], "capabilities": {"teacher_forcing": False}}
    content = case.check()
    assert (content["result"], content["tokens_checked"]) == ("rounding", 10)
    assert content["no_teacher_forcing"] == "the engine cannot be fed other ids than it chose"
    assert content["no_logits"] == "logits are comparable only where the reference's ids are fed"


def test_logits_of_another_computation_fail_where_all_tokens_agree(case: FidelityCase) -> None:
    case.other["options"]["margin"] = [1.0, 0.5, 0.3, 0.125, 0.001, 0.001]
    content = case.check()
    assert content["result"] == "fail"
    assert "logits after 'Hi' lie 0.05 at most from the reference's" in content["reason"]
    assert content["prompts"][0]["forced_divergences"] == 0


def test_ids_that_the_adapter_made_from_text_are_text_only(case: FidelityCase) -> None:
    case.other["options"]["capabilities"] = {"token_ids": False}
    content = case.check()
    assert content["result"] == "text only"
    assert content["reason"].endswith("its ids were made from its text")


def test_an_engine_that_cannot_draw_is_not_checkable_in_that_alone(case: FidelityCase) -> None:
    case.plan["fidelity"]["sampling"] = {"temperature": 0.7, "top_p": 0.9}
    case.other["options"]["capabilities"] = {"sampling": ["greedy"]}
    content = case.check()
    assert content["result"] == "pass"
    assert content["sampling"]["result"] == "not checkable"
    assert content["sampling"]["reason"] == "the engine has no sampling by temperature"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"capabilities": {"dtypes": ["f16"]}}, "unavailable: dtype f32 is asked for"),
        ({"error_at": {"kind": "out_of_memory", "message": "too big"}}, "failed: out of memory: too big"),
        ({"crash_at": {"signal": "SIGSEGV"}}, "failed: the engine crashed"),
        ({"speed": 1}, "unavailable: unknown option 'speed'"),
    ],
)
def test_an_engine_that_gives_no_answer_is_not_checkable(
    case: FidelityCase, options: dict[str, object], reason: str
) -> None:
    case.other["options"] = options
    content = case.check()
    assert content["result"] == "not checkable"
    assert content["reason"].startswith(reason)
    assert (content["prompts"], content["tolerance"]) == ([], None)


def test_an_engine_that_hangs_is_ended_in_time(case: FidelityCase) -> None:
    case.reference()
    case.plan["config"]["system"]["launch_timeout_seconds"] = 0.5
    case.other["options"] = {"hang_at": {"stage": "load"}, "ignore_sigterm": True}
    assert case.check()["reason"].startswith("timeout: the engine had not loaded after 0.25 s (half of system.launch")


def test_a_program_that_is_not_there_is_not_checkable(case: FidelityCase) -> None:
    case.other["binary_path"] = str(case.folder / "nowhere")
    assert "nowhere does not exist" in case.check()["reason"]


def test_a_file_that_cannot_be_executed_is_not_checkable(case: FidelityCase) -> None:
    program = case.folder / "program"
    program.write_bytes(b"\x7fELF broken")
    program.chmod(0o755)
    case.other["binary_path"] = str(program)
    assert "cannot be executed" in case.check()["reason"]


def test_a_failed_build_is_told(case: FidelityCase) -> None:
    record = case.folder / "other.build.json"
    build = build_record(status="unavailable", reason="cargo is missing", remedy="Install Rust")
    record.write_text(json.dumps(build))
    case.other["build_record"] = str(record)
    assert case.check()["reason"] == "unavailable: cargo is missing"


def test_without_a_reference_nothing_is_checkable(case: FidelityCase) -> None:
    case.base["options"] = {"error_at": {"stage": "load", "message": "no weights"}}
    assert case.reference()["status"] == "failed"
    content = case.check()
    assert content["result"] == "not checkable"
    assert "there is no reference: base is failed" in content["reason"]
    assert "no weights" in content["reason"]


def test_a_reference_to_other_prompts_is_refused(case: FidelityCase) -> None:
    case.reference()
    case.prompts["fidelity"][0]["prompt_ids"] = [80]
    with killed_at_last(case.start("check", *case.check_flags("other"))) as process:
        assert process.wait(timeout=WAIT_SECONDS) == 1
        assert "belongs to other prompts" in process.stderr.read()


def test_an_engine_that_knows_no_margins_or_logits_is_asked_again_without(
    case: FidelityCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def ask(probe: Probe, folder: Path, watch: object) -> Answer:  # noqa: ARG001  stands for probe.ask
        asked.append(("margins" in probe.options, probe.logits))
        refused = {"kind": "unsupported", "message": "unknown option"} if "margins" in probe.options else None
        report = EventReport(None, None, [], refused, refused is None, None)
        return Answer("unavailable" if refused else "ok", None, "cpu", report)

    monkeypatch.setattr(reference_module, "ask", ask)
    assert reference_module.ask_reference(case.plan, case.prompts, case.folder, None).status == "ok"
    assert asked == [(True, True), (True, False), (False, False)]


def test_an_engine_that_the_plan_lacks_is_named(case: FidelityCase) -> None:
    with pytest.raises(BenchmarkError, match="no engine 'third'"):
        planned_engine(case.plan, "third")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_check_leaves_nothing_running(case: FidelityCase, number: signal.Signals) -> None:
    case.reference()
    seconds = 120 + time.monotonic_ns() % 1_000_000 / 1e6  # told apart from other tests' children
    case.other["options"] = {
        "hang_at": {"stage": "load"},
        "linger": {"seconds": seconds, "new_session": True},
        "ignore_sigterm": True,
    }
    with killed_at_last(case.start("check", *case.check_flags("other"))) as process:
        events = case.out / "other" / "free" / "events.jsonl"
        deadline = time.monotonic() + WAIT_SECONDS
        while not (events.exists() and "load_start" in events.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        engine = psutil.Process(process.pid).children(recursive=True)[1]
        process.send_signal(number)
        assert process.wait(timeout=WAIT_SECONDS) == 128 + number
    assert not engine.is_running()
    left = [entry for entry in psutil.process_iter(["cmdline"]) if entry.info["cmdline"] == ["sleep", str(seconds)]]
    assert left == []
    assert not (case.out / "other.json").exists()


def test_prompt_ids_that_an_engine_put_in_place_of_the_spec_s_are_taken_for_its_reference(case: FidelityCase) -> None:
    as_asked = [{"token_ids": [1]}, {"used_prompt_ids": [74, 80, 3, 74, 80]}, {"token_ids": [2]}]
    assert own_prompts(case.prompts, as_asked) is None
    used = own_prompts(case.prompts, [{"used_prompt_ids": [9, 74, 75]}, {}])
    assert used is not None
    assert [entry["prompt_ids"] for entry in used["fidelity"]] == [[9, 74, 75], [74, 80, 3, 74, 80]]
    assert used["fidelity"][0]["text"] == "Hi"


def test_the_table_has_a_row_an_engine(case: FidelityCase, capsys: pytest.CaptureFixture[str]) -> None:
    case.other["options"]["tokens"] = [9]
    case.check()
    assert print_table([str(case.out / "other.json")]) == 0
    (row,) = capsys.readouterr().out.splitlines()
    assert row.startswith("other  fail  f32 on cpu  2 of 2 prompts part from the reference")


def ends_with(case: FidelityCase, commands: str) -> None:
    """Let the engine run shell commands when it is done, which know its events by $4."""
    engine = case.folder / "ending-engine"
    engine.write_text(f'#!/bin/sh\n"{case.other["binary_path"]}" "$@" || exit 1\n{commands}\nexit 0\n')
    engine.chmod(0o755)
    case.other["binary_path"] = str(engine)


@pytest.mark.parametrize("instead", ["", 'mkfifo "$4"', 'mkdir "$4"', 'ln -s /etc/passwd "$4"'])
def test_an_engine_that_takes_its_events_away_is_not_checkable(case: FidelityCase, instead: str) -> None:
    ends_with(case, f'rm "$4"; {instead}')
    content = case.check()
    assert content["result"] == "not checkable"
    assert "removed or replaced events.jsonl" in content["reason"]


@pytest.mark.parametrize("instead", ["", 'mkfifo "$L"', 'mkdir "$L"', 'echo > "$L"'])
def test_logits_that_are_no_file_of_numbers_are_told(case: FidelityCase, instead: str) -> None:
    ends_with(case, f'L="$(dirname "$4")/logits.f32"; rm -f "$L"; {instead}')
    content = case.check()
    assert content["logits"] is None
    assert "logits.f32" in content["no_logits"]


def test_an_id_that_the_model_has_not_is_no_answer(case: FidelityCase) -> None:
    case.reference()
    case.other["options"] = {"tokens": [101, 300]}
    content = case.check()
    assert content["result"] == "not checkable"
    assert "token_ids holds 300, which is no id of the vocabulary's 300" in content["reason"]
