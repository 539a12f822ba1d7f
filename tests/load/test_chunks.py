"""What a request is said to have got, whatever a server does to its stream."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from benchmark_runner.load.answers import answer_ids
from benchmark_runner.load.chunks import Answer, answer_of
from benchmark_runner.load.connection import without_key
from benchmark_runner.load.wire import Piece
from stub_server import PROMPT, ask, stub

IDS = answer_ids(PROMPT, 8)
MS = 1_000_000


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with stub("--ttft-ms", "20", "--gap-ms", "3") as port:
        yield port


def asked(port: int, mode: str = "", **body: Any) -> Answer:
    start_ns = time.monotonic_ns()
    pieces, closed = ask(port, stub_mode=mode, **body)
    return answer_of([Piece(data, at - start_ns) for data, at, _ in pieces], max_tokens=8, closed=closed)


def streamed(*events: Any, max_tokens: int = 3, ended: bool = True, stopped: str | None = None) -> Answer:
    """Answer of a stream whose event k comes at k ms."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    texts = [event if isinstance(event, str) else f"data: {json.dumps(event)}" for event in events]
    pieces = [Piece(head, 0), *(Piece(f"{text}\n\n".encode(), k * MS) for k, text in enumerate(texts, start=1))]
    return answer_of(pieces, max_tokens=max_tokens, closed=ended, stopped=stopped)


def responded(status: int, body: bytes, max_tokens: int = 3) -> Answer:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return answer_of([Piece(head.encode() + body, 7)], max_tokens=max_tokens, closed=False)


def text(said: str, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "text": said, "finish_reason": finish, **more}]}


def usage(tokens: int) -> dict[str, Any]:
    return {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": tokens}}


def well(answer: Answer) -> None:
    assert (answer.status, answer.error, answer.finish) == ("ok", None, "length")
    assert (answer.token_ids, sum(answer.chunk_tokens)) == (IDS, 8)
    assert (answer.prompt_tokens, answer.completion_tokens) == (4, 8)
    assert answer.chunk_ns == sorted(answer.chunk_ns)
    assert answer.chunk_ns[0] >= 20 * MS
    assert answer.chunk_ns[-1] >= (20 + 7 * 3) * MS


@pytest.mark.parametrize(
    "mode", ["", "no_done", "ping", "crlf", "no_blank", "close", "split=1", "split=2,crlf,ping", "empty"]
)
def test_a_stream_says_the_same_in_any_dress(port, mode):
    answer = asked(port, mode)
    well(answer)
    assert answer.chunk_tokens == [1] * 8
    assert answer.cached_tokens == 0


def test_the_role_is_no_token_and_reasoning_is(port):
    answer = asked(port, "reasoning", messages=[{"role": "user", "content": "Hi"}], path="/v1/chat/completions")
    assert (answer.status, answer.chunk_tokens, len(answer.token_ids or [])) == ("ok", [1] * 8, 8)
    assert answer.chunk_ns[0] >= 20 * MS
    deltas = [
        {"role": "assistant", "content": ""},
        {"reasoning": "Hm"},
        {"reasoning_content": "so"},
        {"content": "yes"},
    ]
    events = [{"choices": [{"delta": delta, "finish_reason": None}]} for delta in deltas]
    answer = streamed(*events, {"choices": [{"delta": {}, "finish_reason": "stop"}]}, usage(3))
    assert (answer.status, answer.finish, answer.chunk_ns) == ("ok", "eos", [2 * MS, 3 * MS, 4 * MS])


def test_an_error_in_a_stream_of_status_200_fails_with_the_servers_words_and_the_times_so_far(port):
    answer = asked(port, "error")
    assert (answer.status, answer.error) == ("error", "the stub fails here")
    assert (len(answer.chunk_ns), answer.token_ids) == (4, IDS[:4])
    for event in ("event: error\ndata: out of memory", 'error: {"message": "out of memory"}'):
        answer = streamed(text("a"), event, usage(1))
        assert (answer.status, answer.error, answer.chunk_ns) == ("error", "out of memory", [1 * MS])
    assert streamed(text("a"), text("", "abort")).status == "error"
    assert streamed({"object": "error", "message": "no"}).error == "no"


def test_a_server_that_sends_elsewhere_is_told_with_the_place():
    head = b"HTTP/1.1 301 Moved\r\nLocation: https://other/v1\x1b[31m\r\nContent-Length: 2\r\n\r\nno"
    answer = answer_of([Piece(head, 7)], max_tokens=3, closed=False)
    assert (answer.status, answer.error) == ("error", "HTTP 301, which leads to https://other/v1 [31m: no")


def test_a_stream_that_is_cut_fails_with_the_times_so_far(port):
    for mode in ("cut", "unfinished"):
        answer = asked(port, mode)
        assert (answer.status, answer.finish, len(answer.chunk_ns)) == ("cut", None, 4)
    assert streamed(text("a", "length"), ended=False, max_tokens=1).status == "cut"
    assert answer_of([], max_tokens=1, closed=True).status == "cut"
    assert streamed().status == "cut"


def test_what_the_client_gave_up_is_no_fault_of_the_server():
    answer = streamed(text("a"), ended=False, stopped="timeout")
    assert (answer.status, answer.error, answer.chunk_ns) == ("timeout", None, [1 * MS])
    assert streamed(text("a"), {"error": "no"}, ended=False, stopped="cancelled").status == "error"
    assert answer_of([], max_tokens=1, closed=False, stopped="refused").status == "refused"


def test_a_chunk_of_several_tokens_is_one_chunk(port):
    answer = asked(port, "chunk=3")
    well(answer)
    assert answer.chunk_tokens == [3, 3, 2]
    answer = asked(port, "withheld")
    well(answer)
    assert answer.chunk_tokens == [1, 7]


def test_tokens_of_a_chunk_without_ids_are_those_that_its_usage_adds():
    counted = [
        {**text("ab"), "usage": {"completion_tokens": 2}},
        {**text("c", "length"), "usage": {"completion_tokens": 3}},
    ]
    assert streamed(*counted).chunk_tokens == [2, 1]
    assert streamed(text("ab"), text("c", "length"), usage(3)).chunk_tokens == [1, 1]
    assert streamed(text("abc", "length"), usage(3)).chunk_tokens == [3]


def test_chunks_of_one_read_share_its_stamp_and_what_is_no_chunk_shares_none(port):
    assert asked(port, "joined=4").shared_chunks == 8
    data = "".join(f"data: {json.dumps(event)}\n\n" for event in (text("a", "length"), usage(1))).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    answer = answer_of([Piece(head + data + b"data: [DONE]\n\n", 5)], max_tokens=1, closed=True)
    assert (answer.status, answer.shared_chunks) == ("ok", 0)
    answer = answer_of([Piece(head + data, 5, shared=True)], max_tokens=1, closed=True)
    assert answer.shared_chunks == 1


def test_an_answer_that_is_no_stream_is_one_chunk(port):
    answer = asked(port, stream=False)
    assert (answer.status, answer.chunk_tokens, answer.token_ids) == ("ok", [8], IDS)
    assert answer.chunk_ns[0] >= 41 * MS
    whole = {"content": "abc", "tokens": [7, 8, 9], "stop_type": "limit", "tokens_evaluated": 4, "tokens_predicted": 3}
    answer = responded(200, json.dumps({**whole, "timings": {"cache_n": 2}}).encode())
    assert (answer.status, answer.finish, answer.token_ids, answer.cached_tokens) == ("ok", "length", [7, 8, 9], 2)


def told(said: str, ids: list[int], finish: str | None = None) -> dict[str, Any]:
    return text(said, finish, logprobs={"content": [{"id": token, "token": "?"} for token in ids]})


def test_ids_that_a_server_tells_with_text_alone_are_none_where_some_are_held_back():
    answer = streamed(told("a", [4]), told("b", [5]), told("c", [6], "length"), usage(3))
    assert answer.token_ids == [4, 5, 6]
    answer = streamed(told("a", [4]), told("c", [6], "length"), usage(3))
    assert (answer.status, answer.token_ids, answer.chunk_tokens) == ("ok", None, [1, 1])
    assert answer.completion_tokens == 3
    own = {"content": "?", "tokens": [4], "stop": False, "tokens_evaluated": 4}
    answer = streamed(
        *({**own, "tokens_predicted": n} for n in (1, 3)),
        {**own, "content": "", "tokens": [], "stop_type": "limit", "tokens_predicted": 3},
    )
    assert (answer.status, answer.token_ids, answer.chunk_tokens) == ("ok", None, [1, 2])
    answer = streamed(told("a", [4]), told("b", [5], "stop"), usage(3))  # the end's own id is untold
    assert (answer.finish, answer.token_ids) == ("eos", [4, 5])


@pytest.mark.parametrize("mode", ["fewer", "held"])
def test_fewer_ids_than_usage_says_are_no_answer_where_each_id_is_told(port, mode):
    answer = asked(port, mode)
    assert answer.status == "malformed"
    assert answer.error is not None
    assert answer.error.startswith("usage says 8 tokens, but ")
    assert answer.token_ids
    assert set(answer.token_ids) < set(IDS)
    given = text("ab", token_ids=[1, 2])
    assert streamed(given, text("", "stop"), usage(3)).status == "ok"  # the end's own id may be untold
    assert streamed(given, text("", "stop", stop_reason="b"), usage(3)).status == "malformed"


def test_text_without_an_id_is_no_first_token_where_tokens_have_ids():
    answer = streamed(text(" "), text("a", token_ids=[1]), text("b", "length", token_ids=[2]), usage(2), max_tokens=2)
    assert (answer.status, answer.chunk_ns, answer.chunk_tokens) == ("ok", [2 * MS, 3 * MS], [1, 1])


def test_usage_that_is_off_by_one_at_the_limit_does_not_change_the_count(port):
    for mode in ("usage=1", "usage=-1"):
        answer = asked(port, mode)
        assert (answer.status, answer.token_ids) == ("ok", IDS)
        assert (answer.completion_tokens or 0) <= 8
        assert asked(port, f"{mode},no_ids").completion_tokens == 8
    assert asked(port, "usage=-2,no_ids").status == "malformed"
    assert asked(port, "usage=2,no_ids").status == "malformed"


def test_more_tokens_than_asked_for_and_none_at_all_are_no_answer():
    assert streamed(text("abcd", "length", token_ids=[1, 2, 3, 4])).status == "malformed"
    assert streamed(text("abcd", "stop", token_ids=[1, 2, 3, 4])).status == "malformed"
    assert streamed(text("ab", "length", token_ids=[1, 2])).status == "malformed"
    assert streamed(text("", "stop"), usage(0)).status == "malformed"
    assert streamed(text("a", "stop", token_ids=["a"])).status == "malformed"


def with_ids(*ids: int, finish: str | None = None) -> dict[str, Any]:
    return text("a" * len(ids), finish, token_ids=list(ids))


def test_tokens_that_are_told_twice_or_made_up_are_more_than_were_asked_for():
    twice = [with_ids(token) for token in (5, 5, 6, 6, 7)]
    assert streamed(*twice, with_ids(7, finish="length"), usage(3)).status == "malformed"
    guessed = streamed(with_ids(1), with_ids(5), with_ids(6), with_ids(7, finish="length"), usage(3))
    assert (guessed.status, guessed.error) == ("malformed", "4 ids came where at most 3 were asked for")
    assert streamed(with_ids(1), with_ids(5), with_ids(6, finish="length"), usage(4)).completion_tokens == 3


def test_usage_counts_no_tokens_beyond_the_limit():
    inflated = streamed(with_ids(5), with_ids(6), with_ids(7, finish="length"), usage(30))
    assert (inflated.status, inflated.completion_tokens, sum(inflated.chunk_tokens)) == ("ok", 3, 3)
    assert streamed(text("a"), text("b"), text("c", "length"), usage(30)).status == "malformed"


def test_an_event_before_the_tokens_that_only_looks_like_one_is_no_first_token():
    early = (
        {**text(""), "usage": {"completion_tokens": 1}},
        text("", token_ids=[]),
        text(" "),
        text("", None, logprobs={}),
    )
    for one in early:
        answer = streamed(one, with_ids(5), with_ids(6), with_ids(7, finish="length"), usage(3))
        assert (answer.status, answer.chunk_ns, answer.chunk_tokens) == ("ok", [2 * MS, 3 * MS, 4 * MS], [1, 1, 1])


def test_a_prompt_of_another_length_than_was_sent_is_no_answer_to_it(port):
    pieces, closed = ask(port)
    assert answer_of(pieces, max_tokens=8, closed=closed, prompt_tokens=len(PROMPT)).status == "ok"
    answer = answer_of(pieces, max_tokens=8, closed=closed, prompt_tokens=64)
    assert (answer.status, answer.error) == ("malformed", "usage says 4 prompt tokens, but 64 ids were sent")
    assert len(answer.chunk_ns) == 8


@pytest.mark.parametrize("number", ["1e400", "NaN", "-Infinity", "9" * 400, str(2**31)])
def test_numbers_that_no_event_may_tell_are_left_out(number):
    told = {"completion_tokens": "COUNT", "prompt_tokens": "COUNT", "prompt_tokens_details": {"cached_tokens": "COUNT"}}
    end = json.dumps({"choices": [], "usage": told, "timings": {"prompt_ms": "COUNT", "predicted_ms": 2.5}})
    tokens = [text("a"), text("b"), text("c", "length")]
    found = streamed(*tokens, f"data: {end.replace(chr(34) + 'COUNT' + chr(34), number)}")
    assert (found.status, found.chunk_tokens, found.timings) == ("ok", [1, 1, 1], {"predicted_ms": 2.5})
    assert (found.prompt_tokens, found.completion_tokens, found.cached_tokens) == (None, None, None)


def test_why_an_answer_ended_is_told():
    assert streamed(text("a", "stop", stop_reason=None), usage(1)).finish == "eos"
    assert streamed(text("a", "eos_token"), usage(1)).finish == "eos"  # TGI's word in a stream
    assert streamed(text("a", "stop", stop_reason="###"), usage(1)).finish == "stop"
    assert streamed(text("a", "content_filter"), usage(1)).finish == "stop"


@pytest.mark.parametrize(("code", "status"), [(429, "refused"), (503, "refused"), (500, "error"), (404, "error")])
def test_a_refusal_is_no_error_and_both_keep_the_servers_words(port, code, status):
    answer = asked(port, f"status={code}")
    assert (answer.status, answer.chunk_ns) == (status, [])
    assert answer.error == f"HTTP {code}: the stub was told to refuse"


def test_words_of_a_server_are_bounded_and_of_one_line():
    answer = responded(500, b"<html>\n" + b"x" * 1000)
    assert answer.error is not None
    assert len(answer.error) < 250
    assert "\n" not in answer.error
    assert responded(400, b'{"detail": [{"loc": "a\\nb"}]}').error == 'HTTP 400: [{"loc": "a\\nb"}]'


def test_words_that_are_too_long_end_with_a_whole_word_so_that_no_part_of_a_key_stays():
    key = "sk-" + "0123456789" * 4
    for before in range(70, 110):
        told = "no entry for " + "x " * before + key + " y" * 100
        error = without_key(responded(401, json.dumps({"error": told}).encode()).error or "", key)
        assert "no entry for" in error
        assert key[:4] not in error


def test_what_is_no_json_is_malformed(port):
    answer = asked(port, "nonsense")
    assert (answer.status, answer.error, answer.token_ids) == ("malformed", "no JSON object: {no JSON", IDS[:4])
    assert responded(200, b"hello").status == "malformed"
    assert responded(200, b"[" * 100_000).status == "malformed"
    assert answer_of([Piece(b"SSH-2.0\r\n", 1)], max_tokens=1, closed=True).status == "malformed"


def test_cached_tokens_are_told_as_the_server_counts_them(port):
    assert asked(port, "cached=3").cached_tokens == 3
    prompt = [2, 4, 6]
    assert [asked(port, "cache", prompt=prompt).cached_tokens for _ in range(2)] == [0, 2]
