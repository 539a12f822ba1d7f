"""One process of the stand-in: what it says when, and each way in which it can end."""

from __future__ import annotations

import itertools
import time

import pytest

from bench_protocol import EngineError
from lm_rs_bench.chat import Chat, environment
from lm_rs_bench.endings import ending
from lmrs_case import circle_ids


def test_each_token_is_one_record_in_the_order_of_the_answer(start):
    chat = start()
    chat.wait_until_ready()
    asked = chat.ask("hello")
    records = [chat.token() for _ in range(4)]
    assert [record.data.decode() for record in records] == [f"filler{token_id}" for token_id in circle_ids(4)[:4]]
    times = [asked.time_ns, *(record.time_ns for record in records)]
    assert times == sorted(times)


def test_a_reader_that_comes_late_still_gets_each_token_apart_with_its_own_time(start):
    chat = start("--token-ms", "20")
    chat.wait_until_ready()
    chat.ask("hello")
    time.sleep(0.5)
    late_ns = time.time_ns()
    records = [chat.token() for _ in range(5)]
    assert [record.data for record in records] == [f"filler{2000 + index}".encode() for index in range(5)]
    assert all(record.time_ns < late_ns for record in records)
    assert all(after.time_ns - before.time_ns > 15_000_000 for before, after in itertools.pairwise(records))


def test_computing_threads_are_counted_with_the_main_thread(start):
    chat = start()
    chat.wait_until_ready()
    chat.ask("hello")
    chat.token()
    assert chat.threads() == 3


def test_what_would_change_threads_date_or_words_does_not_reach_the_program():
    inherited = {"PATH": "/bin", "RAYON_NUM_THREADS": "9", "TZ": "Asia/Tokyo", "RUST_BACKTRACE": "1"}
    assert environment(inherited, 2) == {"PATH": "/bin", "RAYON_NUM_THREADS": "2", "TZ": "UTC"}


def answer(chat: Chat, line: str = "hello", tokens: int = 8) -> list[bytes]:
    chat.wait_until_ready()
    chat.ask(line)
    return [chat.token().data for _ in range(tokens)]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("old_version", r"did not say 'LMRS version: 4' at its start"),
        ("crash_at_load", r"crashed \(SIGSEGV\) while it read the model"),
        ("panic_in_prefill", r"took the prompt and gave no token"),
        ("panic_in_reply", r"ran out of context after 2 tokens; ask for fewer; its last words: range end index"),
        ("no_tokens", r"ended its answer after 0 tokens"),
        ("long_write", r"more than 65536 bytes at once"),
    ],
)
def test_an_answer_that_cannot_be_counted_ends_the_launch_with_its_cause(start, fault, words):
    with pytest.raises(EngineError, match=words):
        answer(start("--fault", fault))


def test_a_blank_line_is_told_as_such(start):
    with pytest.raises(EngineError, match="gave no token: blank"):
        answer(start(), line=" ")


def test_a_command_line_that_it_does_not_know_is_told_as_such(start):
    with pytest.raises(EngineError, match="refused its command line"):
        answer(start(temperature="-1"))


def test_a_missing_model_is_told_as_such():
    assert "could not read the model" in ending(101, "panicked: No such file", is_ready=False, tokens=0)


def test_a_program_that_is_not_there_is_told_as_such(tmp_path):
    with pytest.raises(EngineError, match="cannot be executed: No such file"):
        Chat([str(tmp_path / "nothing")], {})


def test_an_end_without_a_known_cause_keeps_its_last_words():
    words = "something odd\nnote: run with `RUST_BACKTRACE=1`\n"
    assert ending(7, words, is_ready=True, tokens=3) == (
        "chat ended with status 7 after 3 tokens; its last words: something odd"
    )
    assert "signal 9 (SIGKILL) after 3 tokens" in ending(-9, "", is_ready=True, tokens=3)
