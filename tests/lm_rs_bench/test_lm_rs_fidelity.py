"""The fidelity check of an engine that takes text: against a reference on the ids that it really computed on.

The stand-in is ours: nothing here was seen on lm.rs itself.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.fidelity.check import Check
from benchmark_runner.fidelity.probe import Answer, joined
from benchmark_runner.fidelity.reference import ask_reference, describe
from benchmark_runner.model.derive import make_derived
from benchmark_runner.model.formats import derived_folder
from benchmark_runner.processes.watch import Watch
from benchmark_runner.protocol.events import EventReport
from benchmark_runner.schemas import require_valid
from lmrs_case import CONFIG, make_checkpoint, random_weights

HERE = Path(__file__).parent
MAIN = HERE.parents[1] / "engines" / "lm-rs-bench" / "main.py"
TEXTS = ("hello you", "how are\nyou", "the user")
MODEL = {"name": "random", "identity": "0" * 12}


def start_script(path: Path, script: Path) -> str:
    path.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-I", str(script)])} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the checkpoint and, where the plan looks for them, the derived weights."""
    folder = tmp_path_factory.mktemp("fidelity")
    checkpoint = make_checkpoint(folder / "hf", CONFIG, random_weights())
    make_derived(checkpoint, folder / derived_folder(MODEL, "lmrs", "f32"), "lmrs", "f32", MODEL)
    return folder


@pytest.fixture
def check(models: Path, tmp_path: Path, program: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    """Runs the whole check of lm_rs, with flags for its stand-in."""
    monkeypatch.chdir(models)

    def engine(name: str, script: Path, **more: Any) -> dict[str, Any]:
        fixed = {"build_record": None, "build_device": "cpu", "dtype": "f32", "options": {}}
        return {"name": name, "binary_path": start_script(tmp_path / name, script), **fixed, **more}

    def run(*flags: str, texts: tuple[str, ...] = TEXTS) -> dict[str, Any]:
        options = {"chat": str(program(*flags))}
        lm_rs = engine("lm_rs", MAIN, weights_format="lmrs", options=options)
        system = {"gpu_device": 0, "device": "cpu", "threads": 1, "cpu_affinity": None, "launch_timeout_seconds": 120}
        plan = {
            "model": {**MODEL, "path": str(models / "hf")},
            "config": {"system": system},
            "fidelity": {"reference": "numpy", "max_new_tokens": 8, "prompts": list(texts), "sampling": None},
            "engines": [engine("numpy", HERE / "numpy_engine.py"), lm_rs],
        }
        prompts = {
            "model_identity": MODEL["identity"],
            "eos_ids": [128_009],
            "fidelity": [{"text": text, "prompt_ids": list(text.encode())} for text in texts],
            "unseen": [[90, 91, 92]],
        }
        reference = describe(plan, prompts, ask_reference(plan, prompts, tmp_path / "reference", Watch()))
        assert reference["status"] == "ok", reference["reason"]
        folders = {"logits_folder": tmp_path / "reference", "folder": tmp_path / "work"}
        content = Check(plan, prompts, reference, lm_rs, **folders, watch=Watch()).run()
        require_valid("fidelity", content, "fidelity of lm_rs")
        return content

    return run


def test_ids_agree_with_a_reference_on_the_ids_that_were_used_and_left_out_prompts_are_told(check):
    content = check()
    assert content["result"] == "pass", content["reason"]
    assert [entry["prompt"] for entry in content["prompts"]] == ["hello you", "the user"]
    assert [entry["agreed"] for entry in content["prompts"]] == [8, 8]
    assert "1 of 3 prompts cannot be given to it as text" in content["reason"]
    assert [entry["prompt_tokens"] > 37 for entry in content["prompts"]] == [True, True]
    assert content["no_teacher_forcing"] == "the engine cannot be fed other ids than it chose"
    assert content["reuse"]["result"] == "not checkable"


def test_a_prompt_other_than_the_one_that_was_told_fails(check):
    content = check("--fault", "other_date")
    assert content["result"] == "fail", content["reason"]
    assert max(entry["agreed"] for entry in content["prompts"]) < 8


def test_where_no_prompt_can_be_given_nothing_is_claimed(check):
    content = check(texts=("how are\nyou",))
    assert content["result"] == "not checkable"
    assert "the prompt has more than one line" in content["reason"]


def answer(status: str, ids: list[int] | None = None, *, is_refused: bool = False) -> Answer:
    error = {"kind": "unsupported", "message": "no"} if is_refused else None
    iterations = [] if ids is None else [{"token_ids": [1], "used_prompt_ids": ids}]
    return Answer(status, "why", "cpu", EventReport(None, None, iterations, error, False, None))


PROMPTS = {"fidelity": [{"text": "a", "prompt_ids": [1]}, {"text": "b", "prompt_ids": [2]}], "eos_ids": [9]}


def test_a_prompt_that_failed_leaves_nothing_to_compare():
    refused = answer("unavailable", is_refused=True)
    prompts, kept = joined(PROMPTS, [refused, answer("ok", [7, 2])])
    assert prompts["fidelity"] == PROMPTS["fidelity"][1:]
    assert (kept.status, [event["used_prompt_ids"] for event in kept.iterations]) == ("ok", [[7, 2]])
    assert joined(PROMPTS, [answer("ok", [7, 1]), answer("failed")])[1].status == "failed"
    assert joined(PROMPTS, [refused, refused])[1] is refused
