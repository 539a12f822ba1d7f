"""Descriptors are waited for whatever their numbers."""

from __future__ import annotations

import os
import resource

import pytest

from benchmark_runner.processes.watch import readable

BEYOND_SELECT = 1024
"""FD_SETSIZE: select() refuses descriptors from here on."""


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_only_what_is_readable_is_given(pipe):
    reader, writer = pipe
    assert readable([reader], 0) == []
    os.write(writer, b"x")
    assert readable([reader, writer], 5) == [reader]


def test_a_number_beyond_those_of_select_is_waited_for(pipe):
    reader, writer = pipe
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= BEYOND_SELECT:
        pytest.skip("this process may not have so many descriptors")
    os.dup2(reader, BEYOND_SELECT)
    try:
        os.write(writer, b"x")
        assert readable([BEYOND_SELECT], 5) == [BEYOND_SELECT]
    finally:
        os.close(BEYOND_SELECT)
