"""The whole adapter on the stand-in: what it refuses, what it reports, and that it keeps the protocol.

The stand-in is ours: nothing here was seen on lm.rs itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmark_runner.conformance.__main__ import main as conformance
from benchmark_runner.protocol.events import Window, read_events
from benchmark_runner.schemas import violations
from llama_numpy import greedy, of_checkpoint
from lm_rs_bench.prompt import BEGIN
from lmrs_case import CONFIG, EOS, circle_ids, random_weights

MAIN = Path(__file__).resolve().parents[2] / "engines" / "lm-rs-bench" / "main.py"
HELLO = list(b"hello you")
PR_SET_CHILD_SUBREAPER = 36
"""Of linux/prctl.h."""


class Outcome(NamedTuple):
    status: int
    events: list[dict[str, Any]]
    words: str
    spec: dict[str, Any]
    path: Path

    @property
    def iterations(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == "iteration"]

    @property
    def refusal(self) -> str:
        assert self.events[-1]["event"] == "error", self.events[-1]
        return f"{self.events[-1]['kind']}: {self.events[-1]['message']}"


def case(ids: list[int], tokens: int = 8, **changes: Any) -> dict[str, Any]:
    sampling = {"temperature": 0, "top_p": 1, "seed": 0}
    fixed = {"prompt_ids": ids, "max_new_tokens": tokens, "ignore_eos": True, "eos_ids": [EOS], "sampling": sampling}
    return fixed | changes


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., Outcome]:
    def run(model: Path, chat: Path | None, cases: list[dict[str, Any]], **changes: Any) -> Outcome:
        spec = {
            "protocol": 1,
            "model_dir": str(model),
            "weights": "model.lmrs",
            "dtype": "f32",
            "device": "cpu",
            "threads": 2,
            "max_seq_len": 400,
            "cases": cases,
            "warmup_iterations": 0,
            "iterations": 1,
            "load": {"mode": "closed", "concurrency": 1},
            "options": {} if chat is None else {"chat": str(chat)},
            **changes,
        }
        paths = [tmp_path / "spec.json", tmp_path / "events.jsonl"]
        paths[0].write_text(json.dumps(spec), encoding="utf-8")
        paths[1].unlink(missing_ok=True)
        command = [sys.executable, "-I", str(MAIN), "--spec", str(paths[0]), "--events", str(paths[1])]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        events = [json.loads(line) for line in paths[1].read_text(encoding="utf-8").splitlines()]
        assert [violations("event", event) for event in events] == [[]] * len(events)
        assert done.stdout == ""
        return Outcome(done.returncode, events, done.stderr, spec, paths[1])

    return run


def test_the_ids_are_those_of_the_checkpoint_on_the_ids_that_were_really_used(serve, random_model, program, tmp_path):
    outcome = serve(random_model, program("--trace", str(tmp_path / "trace")), [case(HELLO, 12)])
    assert outcome.status == 0, outcome.words
    (event,) = outcome.iterations
    used = event["used_prompt_ids"]
    assert used == [int(word) for word in (tmp_path / "trace").read_text(encoding="ascii").split()]
    assert used != HELLO
    assert event["token_ids"] == greedy(of_checkpoint(random_weights(), CONFIG), used, 12)
    assert event["start_ns"] < event["tokenized_ns"] < event["token_ns"][0]
    assert read_events(outcome.path, outcome.spec, Window(0, 1 << 62)).problem is None


def test_an_answer_goes_on_past_the_end_of_a_sequence_or_stops_there_as_asked(serve, circle_model, program):
    cases = [case(HELLO, 20), case(HELLO, 20, ignore_eos=False)]
    outcome = serve(circle_model, program(), cases, warmup_iterations=1)
    assert outcome.status == 0, outcome.words
    on, stopped = outcome.iterations[2:]
    assert on["token_ids"] == (circle_ids(6) * 3)[:20]
    assert (on["finish"], stopped["finish"]) == ("length", "eos")
    assert stopped["token_ids"] == circle_ids(6)[:7]
    assert stopped["token_ids"][-1] == EOS


def test_each_case_is_answered_by_a_process_with_the_case_s_own_sampling(serve, random_model, program):
    hot = {"temperature": 50.0, "top_p": 1, "seed": 0}
    cases = [case(HELLO, 8), case(HELLO, 8, sampling=hot), case(HELLO, 8, sampling={**hot, "top_p": 1e-6})]
    outcome = serve(random_model, program(), cases, warmup_iterations=1, iterations=3)
    assert outcome.status == 0, outcome.words
    greedily, drawn, nucleus = (outcome.iterations[place::3] for place in range(3))
    ids = greedily[0]["token_ids"]
    assert all(event["token_ids"] == ids for event in (*greedily, *nucleus))
    assert any(event["token_ids"] != ids for event in drawn)


@pytest.fixture
def adopted_orphans():
    """This process is parent to whom the processes below it leave behind; a list of them, as it is looked at."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0

    def reap() -> list[int]:
        found: list[int] = []
        with contextlib.suppress(ChildProcessError):
            while True:
                found.append(os.waitpid(-1, 0)[0])
        return found

    yield reap
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) == 0


def test_the_last_process_is_gone_before_the_adapter_ends(serve, circle_model, program, adopted_orphans):
    assert serve(circle_model, program(), [case(HELLO, 3)]).status == 0
    assert adopted_orphans() == []


def test_hello_names_the_program_and_what_the_user_knows_of_it(serve, circle_model, program):
    chat = program()
    options = {"chat": str(chat), "commit": "aa6db5c", "build": "target-cpu=native"}
    outcome = serve(circle_model, chat, [case(HELLO, 1)], options=options)
    build = outcome.events[0]["build"]
    assert (build["commit"], build["build"]) == ("aa6db5c", "target-cpu=native")
    assert "--show-metrics" in build["chat_help"]
    assert outcome.events[0]["version"] == f"chat {build['chat_sha256'][:12]}"
    loaded = outcome.events[2]
    assert (loaded["weights_dtype"], loaded["compute_dtype"], loaded["threads"]) == ("f32", "f32", 2)


def test_without_a_program_the_engine_is_unavailable_with_the_remedy(serve, circle_model):
    outcome = serve(circle_model, None, [case(HELLO)])
    assert outcome.status == 3
    assert [event["event"] for event in outcome.events] == ["hello", "error"]
    assert outcome.refusal.startswith("unsupported: no lm.rs is named, and the workflow cannot build it; build `chat`")


@pytest.mark.parametrize(
    ("chat", "words"),
    [
        ("chat", "no absolute path"),
        ("/nowhere/chat", "no program that can be run here"),
        ("/bin/false", "--help ends with status 1"),
        ("/bin/true", "another program than the chat known here"),
    ],
)
def test_a_program_that_is_not_lm_rs_is_refused_with_the_remedy(serve, circle_model, chat, words):
    outcome = serve(circle_model, Path(chat), [case(HELLO)])
    assert words in outcome.refusal
    assert "options: {chat: /path/to/chat}" in outcome.refusal


def test_a_build_with_another_command_line_is_refused(serve, circle_model, program):
    refusal = serve(circle_model, program("other_help"), [case(HELLO)]).refusal
    assert "another program than the chat known here (flags max-tokens, num-crops)" in refusal


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (case([BEGIN]), "cases[1]: the prompt is blank"),
        (case([*HELLO, 10, *HELLO]), "cases[1]: the prompt has more than one line"),
        (case([*HELLO, EOS]), f"cases[1]: the prompt holds id {EOS}"),
        (case(HELLO, 500), "tokens; it has 512"),
    ],
)
def test_what_lm_rs_cannot_be_given_is_refused_before_anything_is_started(serve, circle_model, program, changed, words):
    outcome = serve(circle_model, program(), [case(HELLO), changed], max_seq_len=600)
    assert outcome.status == 3
    assert words in outcome.refusal
    assert [event["event"] for event in outcome.events] == ["hello", "error"]


def test_a_tokenizer_that_another_program_wrote_is_refused(serve, circle_model, program, tmp_path):
    folder = shutil.copytree(circle_model, tmp_path / "altered")
    content = (folder / "tokenizer.bin").read_bytes()
    (folder / "tokenizer.bin").write_bytes(content.replace(b"filler2001", b"filler2000", 1))
    assert "ids 2000 and 2001 have one text" in serve(folder, program(), [case(HELLO)]).refusal


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("two_writes", "chat wrote b'iller2001', which is the text of no token"),
        ("more_threads", "chat had 4 threads; 2 computing ones and the main thread were asked for"),
        ("panic_in_reply", "ran out of context after 2 tokens"),
        ("crash_at_load", "crashed (SIGSEGV) while it read the model"),
        ("no_tokens", "ended its answer after 0 tokens"),
    ],
)
def test_an_answer_that_cannot_be_trusted_fails_the_launch(serve, circle_model, program, fault, words):
    outcome = serve(circle_model, program("--fault", fault), [case(HELLO)])
    assert (outcome.status, outcome.iterations) == (1, [])
    assert words in outcome.refusal


def test_a_token_without_a_write_is_missing_in_the_ids_and_so_in_the_comparison(serve, circle_model, program):
    outcome = serve(circle_model, program("--fault", "empty_piece"), [case(HELLO, 5)])
    assert outcome.iterations[0]["token_ids"] != circle_ids(6)[:5]


def test_nothing_of_the_program_outlives_the_adapter(serve, circle_model, program):
    serve(circle_model, program(), [case(HELLO)], iterations=2)
    assert [process for process in Path("/proc").glob("[0-9]*") if _runs_stand_in(process, str(circle_model))] == []


def _runs_stand_in(process: Path, model: str) -> bool:
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return False
    return "stand_in_chat.py" in words and model in words


def test_the_adapter_keeps_the_protocol_and_skips_what_lm_rs_cannot(random_model, program, tmp_path, capsys):
    adapter = tmp_path / "adapter"
    adapter.write_text(f'#!/bin/sh\nexec {sys.executable} -I {MAIN} "$@"\n', encoding="utf-8")
    adapter.chmod(0o755)
    options = tmp_path / "options.json"
    options.write_text(json.dumps({"chat": str(program())}), encoding="utf-8")
    words = ["--binary", adapter, "--model-dir", random_model, "--weights", "model.lmrs", "--engine", "lm_rs"]
    words += ["--out", tmp_path / "out.json", "--work", tmp_path / "work", "--options", options]
    assert conformance([str(word) for word in words]) == 0, capsys.readouterr().out
    checks = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["checks"]
    skipped = {entry["check"] for entry in checks if entry["outcome"] == "skipped"}
    assert skipped == {
        *(
            "seed_repeats",
            "seed_differs",
            "margins",
            "teacher_forcing",
            "logits",
            "refuses_ignore_eos",
            "refuses_sampling",
            "together",
            "conversations",
        )
    }
