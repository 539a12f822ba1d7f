"""Prompts that CTranslate2 reads together."""

from __future__ import annotations

from batches import alike
from bench_protocol.stage import Request


def parts(*lengths: int, limit: int = 12) -> list[list[int]]:
    """Numbers of the requests with prompts of these lengths, by part."""
    prompts = [[7] * length for length in lengths]
    requests = [Request(number, "measured", 0, number, limit) for number in range(len(lengths))]
    return [[one.number for one in part] for part in alike(requests, prompts)]


def test_prompts_of_one_length_are_one_batch_in_their_order() -> None:
    assert parts(32, 32, 32) == [[0, 1, 2]]
    assert parts() == []


def test_a_prompt_that_is_longer_by_more_than_an_answer_does_not_keep_the_others_waiting_for_each_of_its_tokens() -> (
    None
):
    assert parts(200, 10, 22, 23) == [[1, 2], [3], [0]]
    assert parts(200, 10, 22, 23, limit=190) == [[1, 2, 3, 0]]
