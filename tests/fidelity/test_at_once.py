"""Ids of requests in flight together, against those of the same prompts one by one."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from benchmark_runner.fidelity.at_once import at_once_cases, judge_at_once
from fidelity_case import TEXTS, FidelityCase
from launch_case import SCRIPTS
from served_case import SECTION

LONG = list(range(200))
REFERENCE: dict[str, Any] = {
    "prompts": [
        {"text": "one", "prompt_ids": [5, 6], "token_ids": [10, 11, 12, 13], "margins": [1.0, 0.5, 0.001, 0.4]},
        {"text": "long", "prompt_ids": LONG, "token_ids": [20, 21, 22, 23], "margins": [1.0] * 4},
        {"text": "two", "prompt_ids": [7], "token_ids": [30, 31, 32, 33], "margins": [1.0, 0.001, 1.0, 1.0]},
    ]
}
ONE, TWO = ([10, 11, 12, 13], [30, 31, 32, 33])


def told(alone: list[Any], beside: list[Any], **changed: Any) -> list[dict[str, Any]]:
    """Requests of the two levels, the second level's all under way at one time."""
    return [
        {
            "case": level,
            "number": number,
            "phase": "measured",
            "start_ns": 100 * level,
            "end_ns": 100 * level + 50 + number,
            "token_ids": ids,
            "status": "ok",
            "error": None,
            **changed,
        }
        for level, answers in enumerate((alone, beside))
        for number, ids in enumerate(answers)
    ]


def test_the_short_prompts_are_asked_one_by_one_and_then_so_many_that_all_slots_are_full() -> None:
    alone, together = at_once_cases(REFERENCE, [2], 3)
    assert (alone["prompts"], alone["load"]["concurrency"], alone["load"]["requests"]) == ([[5, 6], [7]], 1, 2)
    assert (together["prompts"], together["load"]["concurrency"]) == ([[5, 6], [7], [5, 6]], 3)
    assert (together["prompt_ids"], together["max_new_tokens"], together["ignore_eos"]) == ([5, 6], 4, True)
    only_long = {"prompts": REFERENCE["prompts"][1:2]}
    assert at_once_cases(only_long, [], 2)[1]["prompts"] == [LONG, LONG]


@pytest.mark.parametrize(
    ("alone", "beside", "result", "parted", "first"),
    [
        ([ONE, TWO], [ONE, TWO, ONE], "equal", 0, None),
        ([ONE, TWO], [ONE, TWO, [10, 11, 99, 98]], "rounding", 1, 2),
        ([ONE, TWO], [[10, 77, 78, 79], [30, 99, 98, 97], ONE], "fail", 2, 1),
        # Alone it has left the reference before: what its margin was there nobody knows.
        ([[10, 11, 99, 98], TWO], [[10, 11, 99, 97], TWO, [10, 11, 99, 98]], "differs", 1, 3),
        # Where it is the first that leaves the reference, beside others, the reference's margin is known.
        ([[10, 11, 99, 98], TWO], [ONE, TWO, [10, 11, 99, 98]], "rounding", 1, 2),
        ([[99, 98, 97, 96], TWO], [[10, 11, 12, 13], TWO, [99, 98, 97, 96]], "fail", 1, 0),
        ([ONE, TWO], [TWO, ONE, ONE], "fail", 2, 0),
        ([None, TWO], [ONE, TWO, ONE], "equal", 0, None),
        ([None, None], [ONE, TWO, ONE], "not checkable", 0, None),
    ],
)
def test_partings_are_judged_by_the_reference_s_margin(alone, beside, result, parted, first) -> None:
    found = judge_at_once(REFERENCE, told(alone, beside), "f32")
    assert (found.result, found.parted, found.first_divergence) == (result, parted, first)
    assert found.concurrency == 3


def test_the_sentence_says_how_many_were_in_flight_and_whose_answer_was_mixed_up() -> None:
    equal = judge_at_once(REFERENCE, told([ONE, TWO], [ONE, TWO, ONE]), "f32")
    assert equal.reason == "all 12 tokens of 3 requests are the ids given alone, with 3 in flight"
    mixed = judge_at_once(REFERENCE, told([ONE, TWO], [TWO, TWO, ONE]), "f32")
    assert mixed.reason == "the request 'one' got the answer to another one beside it"
    some = judge_at_once(REFERENCE, told([None, TWO], [ONE, TWO, None]), "f32")
    assert some.reason.endswith("; 2 of 3 requests told no ids, or not all")
    failed = judge_at_once(REFERENCE, told([ONE], [ONE], status="cut", error="gone"), "f32")
    assert (failed.result, failed.reason) == ("not checkable", "a request is cut: gone")


@pytest.mark.parametrize(("mode", "result"), [("", "equal"), ("mixed", "fail")])
def test_a_server_is_asked_one_by_one_and_at_once_in_one_launch(case: FidelityCase, mode: str, result: str) -> None:
    program = case.folder / "stub"
    command = f"exec {sys.executable} -m benchmark_runner.load.stub $*"
    program.write_text(f"#!/bin/sh\nexport PYTHONPATH={SCRIPTS}\n{command}\n")
    program.chmod(0o755)
    arguments = ["--port", "{port}", "--ttft-ms", "9", "--gap-ms", "1", "--servers", "{concurrency}", f"--mode={mode}"]
    case.other |= {"binary_path": str(program), "server": {**SECTION, "arguments": arguments}, "load": ["closed"]}
    case.other["options"] = {}
    case.plan["fidelity"]["at_once"] = 3
    content = case.check()
    assert (content["at_once"]["result"], content["at_once"]["concurrency"]) == (result, 3)
    assert (content["at_once"]["reason"] in content["reason"]) == (result == "fail")
    assert content["at_once"]["requests"] == 3 > len(TEXTS)


def test_an_engine_of_one_request_at_a_time_is_not_asked(case: FidelityCase) -> None:
    case.plan["fidelity"]["at_once"] = 4
    assert case.check()["at_once"]["reason"] == "it takes one request at a time"
    case.other["adapter"] = "some-bench"
    assert "at_once" not in case.check()
