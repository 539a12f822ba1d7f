"""The adapter pytorch-baseline on the embedded model. Starting Python with torch takes seconds, so tests share runs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter_launch import DRAWN_CASES, GREEDY_CASES, GREEDY_IDS, Outcome, Serve, case, make_spec, run_adapter

pytestmark = pytest.mark.real_engine

CASES = GREEDY_CASES | DRAWN_CASES


@pytest.fixture(scope="module")
def spec(embedded_model: Path) -> dict[str, Any]:
    return make_spec(embedded_model, "model.safetensors", CASES)


@pytest.fixture(scope="module")
def serve(program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Serve:
    binary = program("pytorch_baseline")
    return lambda spec: run_adapter(binary, tmp_path_factory.mktemp("launch"), spec, list(CASES))


@pytest.fixture(scope="module")
def outcome(serve: Serve, spec: dict[str, Any]) -> Outcome:
    return serve(spec | {"iterations": 2, "options": {"margins": True}})


@pytest.fixture(scope="module")
def again(serve: Serve, spec: dict[str, Any]) -> Outcome:
    """Another launch, with other code for the attention."""
    return serve(spec | {"options": {"attention": "eager"}})


def test_a_launch_ends_well_and_quietly(outcome: Outcome) -> None:
    assert outcome.status == 0, outcome.stderr
    assert outcome.events[-1] == {"event": "done"}
    assert (outcome.stdout, outcome.stderr) == ("", "")


def test_hello_names_what_computes(outcome: Outcome) -> None:
    hello = outcome.events[0]
    assert hello["build"].keys() >= {"torch", "transformers", "cpu_capability", "mkldnn", "parallel"}
    assert hello["build"]["torch"] in hello["version"]


def test_load_end_tells_threads_and_types(outcome: Outcome) -> None:
    load_end = outcome.event("load_end")
    assert (load_end["threads"], load_end["device"], load_end["kv_cache_dtype"]) == (1, "cpu", "f32")
    assert (load_end["batch_size"], load_end["compiled_graph"]) == (1, False)
    capability = outcome.event("hello")["build"]["cpu_capability"]
    assert load_end.get("simd") == {"AVX2": "avx2", "AVX512": "avx512", "SVE256": "sve256"}.get(capability)


def test_greedy_ids_are_those_of_generate_in_each_round(outcome: Outcome) -> None:
    assert outcome.ids("greedy", 0) == outcome.ids("greedy", 1) == GREEDY_IDS


def test_eos_ends_a_sequence_only_where_it_counts(outcome: Outcome) -> None:
    assert outcome.ids("ends") == GREEDY_IDS[:3]
    assert outcome.iteration("ends")["finish"] == "eos"
    assert outcome.iteration("greedy")["finish"] == "length"


def test_rounds_draw_different_ids(outcome: Outcome) -> None:
    assert outcome.ids("free", 0) != outcome.ids("free", 1)
    assert outcome.ids("nucleus", 0) != outcome.ids("nucleus", 1)
    assert outcome.ids("nucleus", 0) != GREEDY_IDS


def test_the_smallest_nucleus_is_the_best_token(outcome: Outcome) -> None:
    assert outcome.ids("narrow") == GREEDY_IDS


def test_margins_are_positive_and_one_a_token(outcome: Outcome) -> None:
    margins = outcome.iteration("greedy")["margins"]
    assert len(margins) == 12
    assert min(margins) > 0


def test_another_launch_gives_the_same_greedy_and_drawn_ids(outcome: Outcome, again: Outcome) -> None:
    for name in CASES:
        assert outcome.ids(name) == again.ids(name), name
    assert "margins" not in again.iteration("greedy")


def changed(spec: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return copy.deepcopy(spec) | changes


def test_options_that_it_does_not_know_are_refused(serve: Serve, spec: dict[str, Any]) -> None:
    refused = serve(changed(spec, options={"attention": "flash"}))
    assert (refused.status, [event["event"] for event in refused.events]) == (3, ["hello", "error"])
    assert "'flash'; it must be one of sdpa, eager" in refused.events[1]["message"]


def test_a_folder_without_a_model_is_a_bad_spec(serve: Serve, spec: dict[str, Any], tmp_path: Path) -> None:
    refused = serve(changed(spec, model_dir=str(tmp_path)))
    assert (refused.status, refused.events[-1]["kind"]) == (2, "bad_spec")
    assert "holds no config.json" in refused.events[-1]["message"]


def test_ids_that_the_model_does_not_know_are_a_bad_spec(serve: Serve, spec: dict[str, Any]) -> None:
    refused = serve(changed(spec, cases=[case(prompt_ids=[49152])], dtype="bf16"))
    assert refused.status == 2
    assert "the model knows 49152 tokens" in refused.events[-1]["message"]
