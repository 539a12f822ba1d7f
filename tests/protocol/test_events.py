from __future__ import annotations

import json
from typing import Any

import pytest

from benchmark_runner.protocol.events import Window, read_events
from benchmark_runner.protocol.fields import WORDS

CASE = {"max_new_tokens": 2, "ignore_eos": True, "eos_ids": [9]}
SPEC = {"device": "cpu", "warmup_iterations": 1, "iterations": 1, "cases": [CASE]}
WINDOW = Window(100, 1000)
CAPABILITIES = {
    "devices": ["cpu"],
    "dtypes": ["f32"],
    "sampling": ["greedy"],
    "seed": True,
    "load_modes": ["closed"],
    "max_concurrency": 1,
    "ignore_eos": True,
}
HELLO = {"event": "hello", "engine": "e", "version": "1", "protocol": 1, "build": {}, "capabilities": CAPABILITIES}
VOCABULARY = 50
LOAD = {"weights_dtype": "f32", "compute_dtype": "f32", "kv_cache_dtype": "f32", "device": "cpu", "threads": 1}


def iteration(start: int, *, warmup: bool = False, **changes: Any) -> dict[str, Any]:
    event = {
        "event": "iteration",
        "index": 0,
        "warmup": warmup,
        "case": 0,
        "start_ns": start,
        "token_ids": [5, 6],
        "token_ns": [start + 10, start + 20],
        "end_ns": start + 30,
        "finish": "length",
    }
    return event | changes


def sound() -> list[dict[str, Any]]:
    return [
        dict(HELLO),
        {"event": "load_start", "time_ns": 150},
        {"event": "load_end", "time_ns": 200, **LOAD},
        iteration(300, warmup=True),
        iteration(400),
        {"event": "done"},
    ]


def written(event: Any) -> str:
    """An event as an engine would write it; numbers that Python cannot write by name."""
    named = {"twice": '{"event": "load_start", "time_ns": 150, "time_ns": 160}'}
    named["1e999 margin"] = json.dumps(iteration(400, margins=[1.0, 7.25])).replace("7.25", "1e999")
    return named[event] if isinstance(event, str) else json.dumps(event).replace('"1e999"', "1e999")


def report(tmp_path, events: list[Any], spec=SPEC, end: str = "\n"):
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(map(written, events)) + end)
    return read_events(path, spec, WINDOW, VOCABULARY)


def test_sound_events_are_taken_whole(tmp_path):
    result = report(tmp_path, sound())
    assert (result.problem, result.done, result.error) == (None, True, None)
    untold = {"batch_size": None, "simd": None, "compiled_graph": None}
    assert result.load == {"start_ns": 150, "end_ns": 200, **LOAD, **untold}
    assert [event["start_ns"] for event in result.iterations] == [300, 400]
    assert "event" not in result.iterations[0]
    assert result.measured == Window(400, 430)


def test_settings_that_the_engine_tells_are_kept(tmp_path):
    told = {"batch_size": 1, "simd": "avx2", "compiled_graph": False}
    events = sound()
    events[2] |= told
    assert report(tmp_path, events).load == {"start_ns": 150, "end_ns": 200, **LOAD, **told}


def test_no_file_is_no_event(tmp_path):
    result = read_events(tmp_path / "nothing", SPEC, WINDOW)
    assert (result.hello, result.done, result.problem, result.measured) == (None, False, None, None)


def changed(place: int, /, **changes: Any) -> list[dict[str, Any]]:
    events = sound()
    events[place] |= changes
    return events


def without(index: int, key: str | None = None) -> list[dict[str, Any]]:
    events = sound()
    if key is None:
        del events[index]
    else:
        del events[index][key]
    return events


BROKEN = {
    "load_start before hello": without(0),
    "protocol 2; this runner speaks 1": changed(0, protocol=2),
    "a second hello": [HELLO, *sound()],
    "load_end without its load_start": without(1),
    "iteration before load_end": without(2),
    "the spec asks for device cpu, the engine computes on cuda:0": changed(2, device="cuda:0"),
    "load_end lacks threads": without(2, "threads"),
    "load_end.compiled_graph is 1, not of type bool": changed(2, compiled_graph=1),
    "hello has unknown fields colour": changed(0, colour="red"),
    "load_start.time_ns is '150', not of type int": changed(1, time_ns="150"),
    "load_start.time_ns is True, not of type int": changed(1, time_ns=True),
    "unknown event 'pause'": [{"event": "pause"}, *sound()],
    "time goes back to 99 ns; 100 ns had been reached": changed(1, time_ns=99),
    "time goes back to 140 ns; 150 ns had been reached": changed(2, time_ns=140),
    "iteration 0 of case 0 where warm-up 0 of case 0 is owed": without(3),
    "done although iteration 0 of case 0 is owed": without(4),
    "iteration 1 of case 0 where iteration 0 of case 0 is owed": changed(4, index=1),
    "iteration 0 of case 0 where done is owed": [*sound()[:-1], iteration(500)],
    "iteration 0 of case 0: time goes back to 320 ns": changed(4, start_ns=320, token_ns=[320, 320], end_ns=330),
    "iteration 0 of case 0: time 2000 ns lies after the end of the process at 1000 ns": changed(4, end_ns=2000),
    "iteration 0 of case 0: iteration: time goes back from 410 to 405 ns": changed(4, token_ns=[410, 405]),
    "iteration 0 of case 0: iteration: time goes back from 400 to 399 ns": changed(4, token_ns=[399, 405]),
    "iteration 0 of case 0: 2 token_ids but 1 token_ns": changed(4, token_ns=[410]),
    "iteration 0 of case 0: 2 token_ids but 1 margins": changed(4, margins=[0.5]),
    "but 1 tokens were generated instead of 2": changed(4, token_ids=[5], token_ns=[410]),
    "finish is eos although the spec says ignore_eos": changed(4, finish="eos"),
    "finish is 'bored', not length or eos": changed(4, finish="bored"),
    "iteration 0 of case 0: token_ids must be integers": changed(4, token_ids=[5, 6.0]),
    "iteration 0 of case 0: token_ns must be integers": changed(4, token_ns=[410, False]),
    "iteration 0 of case 0: used_prompt_ids must be integers": changed(4, used_prompt_ids=[1, "2"]),
    "used_prompt_ids is empty": changed(4, used_prompt_ids=[]),
    "token_ids holds -1, which is no id of the vocabulary's 50": changed(4, token_ids=[5, -1]),
    "token_ids holds 50, which is no id of the vocabulary's 50": changed(4, token_ids=[50, 5]),
    "token_ids holds 1e+30, which is no id": changed(4, token_ids=[10**30, 5]),
    "iteration about 1e+400 of case 0 where iteration 0 of case 0 is owed": changed(4, index=10**400),
    "time goes back from 410 to about 1e+400 ns": changed(4, token_ns=[410, -(10**400)]),
    "token_ids holds about 1e+999, which is no id": changed(4, token_ids=[-(10**999), 5]),
    "margins holds 1000": changed(4, margins=[10**400, 1]),
    "used_prompt_ids holds 51, which is no id": changed(4, used_prompt_ids=[3, 51]),
    "margins holds -0.5, not a number from 0 on": changed(4, margins=[0.5, -0.5]),
    "margins holds True, not a number": changed(4, margins=[0.5, True]),
    "margins holds inf, not a number": [*sound()[:4], "1e999 margin"],
    "line 5 is no JSON: NaN is no number in JSON": changed(4, margins=[0.5, float("nan")]),
    "line 5 is no JSON: -Infinity is no number": changed(4, margins=[float("-inf"), 1.0]),
    "line 2 is no JSON: the key 'time_ns' stands twice in one object": [HELLO, "twice"],
    "hello.capabilities: 'devices' is a required property": changed(0, capabilities={"seed": True}),
    "hello.capabilities.max_concurrency: 1.0 is not of type 'integer'": changed(
        0, capabilities=CAPABILITIES | {"max_concurrency": 1.0}
    ),
    "hello.capabilities.devices: 5 is not of type 'array'": changed(0, capabilities=CAPABILITIES | {"devices": 5}),
    "hello.build.flags.1 is beyond 63 bits": changed(0, build={"flags": [1, 2**63]}),
    "hello.build.rate is not finite": [{**HELLO, "build": {"rate": "1e999"}}],
    "hello.version holds half of a surrogate pair": changed(0, version="1\ud800"),
    "a key of hello.build holds the character NUL": changed(0, build={"a\0": 1}),
    "lists and objects deep": changed(0, build={"a": json.loads("[" * 40 + "]" * 40)}),
    "hello takes 70": changed(0, build={"log": "x" * 70000}),
    "load_end.threads: 0 is less than the minimum of 1": changed(2, threads=0),
    "load_end.simd: 'all of it' does not match": changed(2, simd="all of it"),
    "iteration.tokenized_ns is 1.5, not of type int": changed(4, tokenized_ns=1.5),
    "iteration 0 of case 0: iteration: time goes back from 411 to 410 ns": changed(4, tokenized_ns=411),
    "done after the end": [*sound(), {"event": "done"}],
}


@pytest.mark.parametrize("words", BROKEN)
def test_what_breaks_the_protocol_is_named(tmp_path, words):
    assert words in (report(tmp_path, BROKEN[words]).problem or "")


@pytest.mark.parametrize("names", [["x" * 900_000], [f"key_{number}" for number in range(50_000)]])
def test_what_breaks_the_protocol_at_length_is_cut(tmp_path, names):
    found = report(tmp_path, changed(0, **dict.fromkeys(names, 1)))
    assert found.problem is not None and found.problem.startswith("hello has unknown fields ")
    assert len(found.problem) == WORDS


def test_what_an_engine_made_of_a_text_is_kept_with_its_time(tmp_path):
    result = report(tmp_path, changed(4, used_prompt_ids=[7, 8], tokenized_ns=405))
    assert result.problem is None
    assert (result.iterations[1]["used_prompt_ids"], result.iterations[1]["tokenized_ns"]) == ([7, 8], 405)


def test_what_was_sound_before_the_break_is_kept(tmp_path):
    result = report(tmp_path, changed(4, finish="bored"))
    assert len(result.iterations) == 1
    assert result.hello is not None and result.load is not None


def test_a_line_that_was_not_finished_is_no_event(tmp_path):
    result = report(tmp_path, sound()[:5], end="")
    assert result.problem == "line 5 was not written to its end, or is longer than any event"
    assert len(result.iterations) == 1


@pytest.mark.parametrize("text", ["{\n", "[1]\n", "\xff\n"])
def test_a_line_that_is_no_json_object_is_named(tmp_path, text):
    path = tmp_path / "events.jsonl"
    path.write_bytes(text.encode("latin-1"))
    assert read_events(path, SPEC, WINDOW).problem


def test_eos_ends_a_sequence_where_it_may(tmp_path):
    spec = SPEC | {"cases": [CASE | {"ignore_eos": False}]}
    assert report(tmp_path, changed(4, token_ids=[9], token_ns=[410], finish="eos"), spec).problem is None
    assert "does not end a sequence" in (report(tmp_path, changed(4, finish="eos"), spec).problem or "")


def test_an_error_ends_the_sequence(tmp_path):
    events = [HELLO, {"event": "error", "kind": "unsupported", "message": "no"}]
    result = report(tmp_path, events)
    assert (result.error, result.problem) == ({"kind": "unsupported", "message": "no"}, None)
    assert report(tmp_path, [*events, {"event": "done"}]).problem == "done after the end"


@pytest.mark.parametrize("mark", ["\u2028", "\u0085", "\x1c", "\r"])
def test_lines_are_parted_at_their_ends_alone(tmp_path, mark):
    path = tmp_path / "events.jsonl"
    events = [HELLO | {"build": {"words": f"a{mark}b"}}, *sound()[1:]]
    path.write_bytes("".join(json.dumps(event, ensure_ascii=mark == "\r") + "\n" for event in events).encode())
    result = read_events(path, SPEC, WINDOW)
    assert (result.problem, result.done) == (None, True)
    assert result.hello is not None and result.hello["build"] == {"words": f"a{mark}b"}


def test_the_place_of_each_iteration_in_the_file_is_known(tmp_path):
    events = [HELLO | {"build": {"iteration": "iteration"}}, *sound()[1:]]
    sizes = [len(written(event)) + 1 for event in events]
    assert list(report(tmp_path, events).ends_bytes) == [sum(sizes[:4]), sum(sizes[:5])]


def test_the_words_of_an_error_are_kept_whatever_they_hold(tmp_path):
    said = {"event": "error", "kind": "internal", "message": "no\0 r\udfffope" + "!" * 10000}
    result = report(tmp_path, [HELLO, said])
    assert result.problem is None and result.error is not None
    assert result.error["message"].startswith("no? r?ope!")
    assert len(result.error["message"]) == 4000


def test_nesting_without_end_and_a_line_without_end_are_no_traceback(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"event": ' + b"[" * 200_000 + b"\n")
    assert "line 1 is no JSON" in (read_events(path, SPEC, WINDOW).problem or "")
    path.write_bytes(b"1" * 9000 + b"\n")
    assert "line 1 is no JSON" in (read_events(path, SPEC, WINDOW).problem or "")
    path.write_bytes(b" " * 3_000_000)
    assert "longer than any event" in (read_events(path, SPEC, WINDOW).problem or "")
