"""Writes stay apart and bear the kernel's time; a clock that is set is noticed."""

from __future__ import annotations

import os
import time

import pytest

from bench_protocol import EngineError
from lm_rs_bench.records import LARGEST_STEP_NS, RECORD_BYTES, RecordReader, monotonic_offset_ns, require_steady


@pytest.fixture
def reader():
    reader = RecordReader()
    yield reader
    reader.close()


def test_writes_come_one_by_one_until_the_end_is_closed(reader):
    before_ns = time.time_ns()
    for text in (b"a", b"b\n", b"c"):
        os.write(reader.writing_end.fileno(), text)
    after_ns = time.time_ns()
    reader.writing_end.close()
    records = [reader.read() for _ in range(3)]
    assert [record.data for record in records] == [b"a", b"b\n", b"c"]
    assert all(before_ns <= record.time_ns <= after_ns for record in records)
    assert reader.read() is None


def test_thousands_of_writes_fit_without_a_reader(reader):
    os.set_blocking(reader.writing_end.fileno(), False)
    for _ in range(1000):
        os.write(reader.writing_end.fileno(), b"token")


def test_a_write_that_is_cut_is_an_error(reader):
    os.write(reader.writing_end.fileno(), b"x" * (RECORD_BYTES + 1))
    with pytest.raises(EngineError, match="at once, which no token is"):
        reader.read()


def test_the_offset_turns_the_kernel_s_time_into_monotonic_time(reader):
    before_ns = time.monotonic_ns()
    os.write(reader.writing_end.fileno(), b"x")
    after_ns = time.monotonic_ns()
    at_ns = reader.read().time_ns + monotonic_offset_ns()
    assert before_ns - LARGEST_STEP_NS < at_ns < after_ns + LARGEST_STEP_NS


def test_a_clock_that_was_set_meanwhile_leaves_no_times():
    require_steady(5, 5 + LARGEST_STEP_NS)
    with pytest.raises(EngineError, match=r"was set by 2\.0 ms during an answer"):
        require_steady(5, 5 - 2 * LARGEST_STEP_NS)
