"""Prompts as token ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.hashes import file_sha256
from benchmark_runner.model import prompts
from benchmark_runner.model.manifest import build_manifest
from benchmark_runner.model.texts import DEFAULT_PROMPTS, text_of


def plan_of(*kinds: dict[str, Any], max_new_tokens: int = 4) -> dict[str, Any]:
    cases = [
        {"name": f"case_{number}", "prompt": kind, "max_new_tokens": max_new_tokens}
        for number, kind in enumerate(kinds, start=1)
    ]
    fidelity = {"max_new_tokens": 8, "prompts": ["Hi"]}
    return {"workloads": [{"name": "chat", "cases": cases}], "fidelity": fidelity}


def build(folder: Path, plan: dict[str, Any]) -> dict[str, Any]:
    return prompts.build_prompts(plan, build_manifest(folder, "tiny", "abc"), folder, seed=7)


def test_each_kind_of_prompt_becomes_ids(model_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_text("Hi")
    plan = plan_of(
        {"kind": "text", "text": "Hi"},
        {"kind": "file", "path": str(file)},
        {"kind": "messages", "messages": [{"role": "user", "content": "Hi"}]},
        {"kind": "tokens", "count": 17},
    )
    content = build(model_dir, plan)
    text, from_file, messages, counted = (case["prompt_ids"] for case in content["workloads"]["chat"])
    assert len(text) == 2
    assert from_file == text == content["fidelity"][0]["prompt_ids"]
    assert len(messages) == len("<user:Hi<<assistant:")  # each special token is one id
    assert len(counted) == 17
    assert [case["case"] for case in content["workloads"]["chat"]] == [f"case_{n}" for n in (1, 2, 3, 4)]
    assert (content["eos_ids"], content["context_length"], content["model_identity"]) == ([1], 64, "abc")


def test_a_file_has_the_ids_of_its_bytes_and_must_be_the_one_that_was_planned_with(
    model_dir: Path, tmp_path: Path
) -> None:
    file, text = tmp_path / "prompt.txt", "x\r\ny\r"
    file.write_bytes(text.encode())
    planned = {"kind": "file", "path": str(file), "sha256": file_sha256(file)}
    content = build(model_dir, plan_of({"kind": "text", "text": text}, planned))
    inline, from_file = (case["prompt_ids"] for case in content["workloads"]["chat"])
    assert from_file == inline
    file.write_bytes(b"x\ny\n")
    with pytest.raises(BenchmarkError, match=r"prompt_file .* has changed since the plan was made"):
        build(model_dir, plan_of(planned))


def test_truncation_and_padding_of_the_tokenizer_file_are_switched_off(model_dir: Path) -> None:
    path = model_dir / "tokenizer.json"
    content = json.loads(path.read_text())
    content["truncation"] = {"max_length": 3, "direction": "Right", "strategy": "LongestFirst", "stride": 0}
    path.write_text(json.dumps(content))
    built = build(model_dir, plan_of({"kind": "text", "text": "longer than three"}))
    assert len(built["workloads"]["chat"][0]["prompt_ids"]) == 17


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ({"kind": "text", "text": ""}, "the prompt is empty"),
        ({"kind": "file", "path": "/nowhere/prompt.txt"}, "cannot be read"),
        ({"kind": "text", "text": "x" * 61}, "61 prompt tokens and 4 new ones exceed the model's context of 64"),
        ({"kind": "song"}, "prompt kind 'song' is unknown"),
    ],
)
def test_a_bad_prompt_is_refused_by_workload_and_case(model_dir: Path, prompt: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchmarkError, match=f"workload chat, case_2: .*{message}"):
        build(model_dir, plan_of({"kind": "text", "text": "Hi"}, prompt))


def test_a_prompt_too_short_to_be_arranged_anew_for_each_request_is_refused_by_workload(model_dir: Path) -> None:
    load = {"mode": "closed", "concurrency": 2, "requests": 9, "duration_seconds": None, "warmup_requests": 2}
    plan = plan_of({"kind": "tokens", "count": 20})
    plan["workloads"][0]["cases"][0]["load"] = load
    assert len(build(model_dir, plan)["workloads"]["chat"][0]["prompt_ids"]) == 20
    plan["workloads"][0]["cases"][0]["prompt"] = {"kind": "tokens", "count": 2}
    with pytest.raises(BenchmarkError, match=r"workload chat: .* the 1 behind its beginning have only 1;"):
        build(model_dir, plan)


def test_a_prompt_that_just_fits_is_taken(model_dir: Path) -> None:
    built = build(model_dir, plan_of({"kind": "text", "text": "x" * 60}))
    assert len(built["workloads"]["chat"][0]["prompt_ids"]) == 60


def test_a_bad_fidelity_prompt_is_named(model_dir: Path) -> None:
    plan = plan_of({"kind": "text", "text": "Hi"})
    plan["fidelity"]["prompts"] = ["Hi", ""]
    with pytest.raises(BenchmarkError, match="fidelity prompt 2: the prompt is empty"):
        build(model_dir, plan)


def test_ids_beyond_the_vocabulary_are_refused(model_dir: Path) -> None:
    manifest = build_manifest(model_dir, "tiny", "abc")
    manifest["architecture"]["vocab_size"] = 5
    with pytest.raises(BenchmarkError, match="do not belong together"):
        prompts.build_prompts(plan_of({"kind": "text", "text": "Hi"}), manifest, model_dir, seed=7)


def test_a_broken_tokenizer_is_named(model_dir: Path) -> None:
    manifest = build_manifest(model_dir, "tiny", "abc")
    (model_dir / "tokenizer.json").write_text("{}")
    with pytest.raises(BenchmarkError, match="cannot be read as a tokenizer"):
        prompts.PromptEncoder(model_dir, manifest)


@pytest.mark.parametrize("count", [1, 2, 3, 50, 333])
def test_a_counted_text_has_exactly_that_many_tokens_each_time(count: int) -> None:
    def encode(text: str) -> list[int]:
        return [0] + [len(piece) for piece in text.split(" ") if piece]  # a BOS, then an id a word

    text = text_of(count, encode)
    assert len(encode(text)) == count
    assert text_of(count, encode) == text


def test_a_count_out_of_reach_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="no text of exactly 3 tokens"):
        text_of(3, lambda text: [0] * (2 * len(text)))


def test_texts_that_nobody_can_have_seen_come_from_the_seed_alone(model_dir: Path) -> None:
    plan, manifest = plan_of(), build_manifest(model_dir, "tiny", "abc")
    one, again, other = (prompts.build_prompts(plan, manifest, model_dir, seed) for seed in (7, 7, 8))
    assert one == again
    assert one["fidelity"][0] == other["fidelity"][0]
    assert one["fidelity"][1] != other["fidelity"][1]
    assert len(one["unseen"]) == 3
    assert all(ids not in other["unseen"] for ids in one["unseen"])
    assert one["unseen_seed"] == 7


def test_prompts_of_workloads_hold_nothing_random(model_dir: Path) -> None:
    plan = plan_of({"kind": "text", "text": "Hi"})
    plan["fidelity"]["prompts"] = []
    manifest = build_manifest(model_dir, "tiny", "abc")
    assert prompts.build_prompts(plan, manifest, model_dir, 7) == prompts.build_prompts(plan, manifest, model_dir, 8)


def test_texts_of_the_dozen_that_do_not_fit_are_left_out_and_own_ones_are_refused(model_dir: Path) -> None:
    plan = plan_of()
    plan["fidelity"]["prompts"] = list(DEFAULT_PROMPTS)
    taken = [entry["text"] for entry in build(model_dir, plan)["fidelity"]]
    assert taken[:-1] == [text for text in DEFAULT_PROMPTS if len(text.encode()) <= 64 - 8]
    plan["fidelity"]["max_new_tokens"] = 63
    with pytest.raises(BenchmarkError, match="fidelity prompt 12"):
        build(model_dir, plan)
    plan["fidelity"]["prompts"] = ["Hi", "x" * 62]
    with pytest.raises(BenchmarkError, match="fidelity prompt 1"):
        build(model_dir, plan)


@pytest.mark.parametrize("max_new_tokens", [1, 8, 30, 50])
def test_every_text_of_the_fidelity_check_fits_a_short_context(model_dir: Path, max_new_tokens: int) -> None:
    plan = plan_of()
    plan["fidelity"] = {"max_new_tokens": max_new_tokens, "prompts": ["Hi"]}
    built = build(model_dir, plan)
    lengths = [len(entry["prompt_ids"]) for entry in built["fidelity"]] + [len(ids) for ids in built["unseen"]]
    assert max(lengths) + max_new_tokens <= 64
    assert len(built["unseen"]) == 3
    assert all(entry["text"] and len(entry["text"].encode()) == len(entry["prompt_ids"]) for entry in built["fidelity"])


def test_a_context_without_room_for_a_word_has_no_unseen_text(model_dir: Path) -> None:
    plan = plan_of()
    plan["fidelity"] = {"max_new_tokens": 63, "prompts": ["H"]}
    built = build(model_dir, plan)
    assert (len(built["fidelity"]), built["unseen"], built["unseen_seed"]) == (1, [], None)
