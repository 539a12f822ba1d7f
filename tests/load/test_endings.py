"""Which ids and times an answer has in the protocol's words, whatever of its end a server tells."""

from __future__ import annotations

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.load.asking import Timed, ended, paired

CASE = {"max_new_tokens": 4, "ignore_eos": True, "eos_ids": [2]}


def test_ids_that_the_stream_held_back_count_with_its_last_time():
    assert paired([10, 20, 30], 5) == [10, 20, 30, 30, 30]
    assert paired([10, 20, 30], 2) == [10, 20]


@pytest.mark.parametrize(
    ("ids", "finish", "expected"),
    [
        ([5, 6, 7, 8], "length", ([5, 6, 7, 8], "length")),
        ([5, 6, 2], "eos", ([5, 6, 2], "eos")),
        ([5, 6], "eos", ([5, 6, 2], "eos")),
        ([5, 6, 7, 2], "length", ([5, 6, 7, 2], "eos")),
        ([5, 2, 7, 8], "length", ([5, 2], "eos")),
    ],
)
def test_a_sequence_ends_as_the_protocol_has_it(ids, finish, expected):
    case = {**CASE, "ignore_eos": False}
    timed = ended(Timed(ids, [10 * (place + 1) for place in range(len(ids))], finish), case, 99)
    assert (timed.token_ids, timed.finish) == expected
    assert len(timed.token_ns) == len(timed.token_ids)


def test_an_end_before_its_time_is_no_end():
    with pytest.raises(BenchmarkError, match="after 2 of 4 tokens"):
        ended(Timed([5, 6], [10, 20], "eos"), CASE, 99)
