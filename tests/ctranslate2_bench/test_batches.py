"""Prompts that CTranslate2 reads together."""

from __future__ import annotations

import pytest

from batches import about_as_long


@pytest.mark.parametrize(
    ("first", "other", "together"), [(32, 32, True), (10, 22, True), (10, 23, False), (200, 10, False)]
)
def test_a_prompt_that_is_longer_by_more_than_an_answer_is_read_by_itself(first, other, together) -> None:
    assert about_as_long([7] * first, [7] * other, 12) is together
