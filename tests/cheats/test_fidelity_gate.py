"""Cheats in what is computed are caught by the fidelity gate: each is committed by an adapter and must be told."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fidelity_case import FidelityCase

sys.path.insert(0, str(Path(__file__).parent))
from numpy_llama import CONFIG, Llama, write_model

ENGINE = Path(__file__).with_name("cheating_engine.py")
NEW_TOKENS = 24


def program(path: Path) -> Path:
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {ENGINE} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> FidelityCase:
    """A model that is no tie anywhere, prompts of 3 to 200 ids, and the honest engine's answers as the reference."""
    folder = tmp_path_factory.mktemp("cheats")
    case = FidelityCase(folder, repository)
    write_model(folder / "llama")
    case.plan["model"]["path"] = str(folder / "llama")
    case.plan["fidelity"]["max_new_tokens"] = NEW_TOKENS
    case.base.update(binary_path=str(program(folder / "reference-engine")), options={})
    case.other.update(binary_path=str(program(folder / "engine")), options={})
    draw = np.random.default_rng(3)
    prompts = [draw.integers(2, CONFIG["vocab_size"], length).tolist() for length in (3, 40, 200)]
    case.prompts["fidelity"] = [{"text": f"{len(ids)} ids", "prompt_ids": ids} for ids in prompts]
    case.prompts["unseen"] = [draw.integers(2, CONFIG["vocab_size"], 60).tolist() for _ in range(3)]
    case.reference()
    return case


def checked(case: FidelityCase, cheat: str = "", dtype: str = "f32", **options: Any) -> dict[str, Any]:
    case.other.update(dtype=dtype, options={"cheat": cheat, **options})
    return case.check()


def test_the_honest_engine_passes(made: FidelityCase) -> None:
    content = checked(made)
    assert content["result"] == "pass", content["reason"]
    assert content["tokens_checked"] == 3 * NEW_TOKENS
    assert content["logits"]["max_abs"] == 0


def test_the_model_is_no_tie(made: FidelityCase) -> None:
    margins = [value for entry in json.loads(made.reference_file.read_text())["prompts"] for value in entry["margins"]]
    assert min(margins) > 0.002
    ids = {token for entry in json.loads(made.reference_file.read_text())["prompts"] for token in entry["token_ids"]}
    assert len(ids) > 20


@pytest.mark.parametrize(
    "cheat",
    [
        "q4",
        "bf16",
        "f16_cache",
        "repeat_penalty",
        "layer_skipped",
        "template",
        "theta",
        "scaling_dropped",
        "window",
    ],
)
def test_another_computation_fails(made: FidelityCase, cheat: str) -> None:
    content = checked(made, cheat)
    assert content["result"] == "fail", content["reason"]
    assert "that rounding in f32 explains" in content["reason"]


def test_half_precision_that_is_said_passes_as_rounding_at_most(made: FidelityCase) -> None:
    assert checked(made, dtype="bf16")["result"] in ("pass", "rounding")


def test_output_from_a_table_fails_on_a_text_that_the_table_cannot_hold(made: FidelityCase, tmp_path: Path) -> None:
    reference = json.loads(made.reference_file.read_text())
    table = tmp_path / "table.json"
    known = {json.dumps(entry["prompt_ids"]): entry["token_ids"] for entry in reference["prompts"][:2]}
    table.write_text(json.dumps(known))
    content = checked(made, "table", table=str(table))
    assert content["result"] == "fail", content["reason"]
    assert [entry["agreed"] == entry["of"] for entry in content["prompts"]] == [True, True, False]


def test_a_prefix_cache_fails_on_texts_that_come_again(made: FidelityCase) -> None:
    assert checked(made, work_ms=1)["reuse"]["result"] == "pass"
    content = checked(made, "prefix_cache", work_ms=1)
    assert content["result"] == "fail"
    assert "something is kept between requests" in content["reason"]


def test_an_honest_engine_whose_first_run_other_programs_slowed_does_not_fail(
    made: FidelityCase, tmp_path: Path
) -> None:
    content = checked(made, "disturbed", work_ms=1, table=str(tmp_path / "ran"))
    assert content["result"] == "pass", content["reason"]
    assert "(a first run said: a prompt that it has seen takes" in content["reuse"]["reason"]


@pytest.mark.parametrize(
    ("cheat", "words"),
    [
        ("cut_short", "23 tokens were generated instead of 24"),
        ("eos_honoured", "finish is eos although the spec says ignore_eos"),
    ],
)
def test_streams_that_end_early_break_the_protocol(made: FidelityCase, cheat: str, words: str) -> None:
    content = checked(made, cheat)
    assert content["result"] == "not checkable"
    assert words in content["reason"]


def test_draws_follow_the_softmax_or_fail(made: FidelityCase) -> None:
    made.plan["fidelity"]["sampling"] = {"temperature": 2.0, "top_p": 0.95}
    honest = checked(made)
    assert (honest["result"], honest["sampling"]["result"]) == ("pass", "pass"), honest["reason"]
    assert honest["sampling"]["draws"] == 500
    content = checked(made, "temperature_ignored")
    made.plan["fidelity"]["sampling"] = None
    assert content["result"] == "fail"
    assert "its draws do not follow the softmax" in content["reason"]


def test_the_cache_gives_what_a_whole_prompt_gives(made: FidelityCase) -> None:
    model = Llama(Path(made.plan["model"]["path"]))
    ids = made.prompts["fidelity"][1]["prompt_ids"]
    whole = model.forward(ids, 0)
    model.reset()
    step = [model.forward([token], position) for position, token in enumerate(ids)][-1]
    assert np.abs(whole - step).max() < 1e-4
