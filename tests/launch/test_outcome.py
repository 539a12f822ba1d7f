from __future__ import annotations

import signal

import pytest

from benchmark_runner.launch.outcome import Ending, decide
from benchmark_runner.processes.engine import signal_words
from benchmark_runner.protocol.events import EventReport

SOUND = EventReport({"event": "hello"}, {}, [], None, True, None)
EXITED = Ending("exit", "", 0, None, 0, "")


def test_done_and_exit_status_0_are_ok():
    assert decide(EXITED, SOUND) == ("ok", None, None)


def test_a_limit_comes_before_all_else():
    ending = EXITED._replace(cause="memory_limit", message="too much", code=None, signal=9)
    assert decide(ending, SOUND)[:2] == ("memory_limit", "too much")


def test_unsupported_is_unavailable_in_the_engines_words():
    report = SOUND._replace(done=False, error={"kind": "unsupported", "message": "bf16 is not"})
    found = decide(EXITED._replace(code=3), report)
    assert found[:2] == ("unavailable", "bf16 is not")
    assert "a workload of its own" in str(found.remedy)  # one case that is refused costs those beside it


@pytest.mark.parametrize("message", ["", " \n"])
def test_an_error_without_words_is_told_as_that(message):
    report = SOUND._replace(done=False, error={"kind": "unsupported", "message": message})
    assert decide(EXITED._replace(code=3), report)[:2] == ("unavailable", "the engine gave no reason")


def test_a_program_that_cannot_read_a_spec_of_load_takes_one_request_at_a_time():
    report = SOUND._replace(done=False, error={"kind": "bad_spec", "message": "protocol is 2; this adapter speaks 1"})
    ending = EXITED._replace(code=2)
    found = decide(ending, report, under_load=True)
    assert found[:2] == ("unavailable", "it takes one request at a time: protocol is 2; this adapter speaks 1")
    assert "without load" in str(found.remedy)
    assert decide(ending, report).status == "failed"


def test_another_error_is_failed_with_its_kind():
    report = SOUND._replace(done=False, error={"kind": "internal", "message": "boom"})
    assert decide(EXITED._replace(code=1), report)[:2] == ("failed", "internal: boom")


def test_broken_events_fail_an_engine_that_says_it_succeeded():
    outcome = decide(EXITED, SOUND._replace(done=False, problem="done before hello"))
    assert outcome[:2] == ("failed", "events.jsonl breaks the protocol: done before hello")


def test_a_crash_tells_more_than_the_line_it_cut_short():
    ending = EXITED._replace(code=None, signal=signal.SIGSEGV, last_words="oh no")
    reason = decide(ending, SOUND._replace(done=False, problem="line 3 was not written to its end")).reason
    assert reason == "the engine crashed with an invalid memory access (SIGSEGV); its last words: oh no"


def test_a_kill_that_the_kernel_counted_is_the_out_of_memory_killers():
    ending = EXITED._replace(code=None, signal=signal.SIGKILL)
    assert "by hand" in (decide(ending, SOUND).reason or "")
    assert "by hand" not in (decide(ending._replace(out_of_memory_kills=1), SOUND).reason or "")


def test_an_exit_status_against_done_is_failed():
    assert decide(EXITED._replace(code=1), SOUND).status == "failed"
    assert decide(EXITED, SOUND._replace(done=False)).reason == "the engine exited with status 0 before done"


def test_a_program_that_could_not_start_is_unavailable():
    nothing = EventReport(None, None, [], None, False, None)
    assert decide(EXITED._replace(code=127, last_words="libx.so"), nothing).status == "unavailable"
    assert decide(EXITED._replace(code=127), SOUND._replace(done=False)).status == "failed"


@pytest.mark.parametrize("number", [*signal.valid_signals(), 999])
def test_each_signal_has_words(number):
    assert signal_words(int(number))
