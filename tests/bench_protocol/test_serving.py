"""What every Python adapter does, seen on the fake engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench_protocol import (
    AdapterError,
    BadSpecError,
    Capabilities,
    Timings,
    UnsupportedError,
    flag_option,
    require_known_ids,
    require_known_options,
)
from bench_protocol.refusals import refuse
from bench_protocol.spec import parse_spec
from benchmark_runner.protocol.logits import read_logits
from benchmark_runner.protocol.spec import under_load
from launch_case import WAIT_SECONDS, killed_at_last, wait_for

Serve = Callable[..., Any]


def test_events_come_in_the_protocol_s_order(serve: Serve, spec: dict[str, Any]) -> None:
    spec["cases"].append(spec["cases"][0])
    outcome = serve(spec)
    assert outcome.status == 0
    assert outcome.names == ["hello", "load_start", "load_end", *["iteration"] * 6, "done"]
    rounds = [(event["warmup"], event["index"], event["case"]) for event in outcome.iterations]
    assert rounds == [(True, 0, 0), (True, 0, 1), (False, 0, 0), (False, 0, 1), (False, 1, 0), (False, 1, 1)]


def test_load_end_tells_batch_size_and_graph_and_no_instruction_set_that_the_engine_does_not_name(
    serve: Serve, spec: dict[str, Any]
) -> None:
    told = serve(spec).events[2]
    assert (told["batch_size"], told["compiled_graph"], "simd" in told) == (1, False, False)
    told = serve(spec, loaded={"batch_size": 2, "simd": "avx2", "compiled_graph": True}).events[2]
    assert (told["batch_size"], told["compiled_graph"], told["simd"]) == (2, True, "avx2")


def test_times_never_go_back(serve: Serve, spec: dict[str, Any]) -> None:
    outcome = serve(spec, prefill_ms=0.2, token_ms=0.1)
    times = [outcome.events[1]["time_ns"], outcome.events[2]["time_ns"]]
    for event in outcome.iterations:
        times += [event["start_ns"], *event["token_ns"], event["end_ns"]]
    assert times == sorted(times)


def test_a_launch_without_iterations_loads_and_ends(serve: Serve, spec: dict[str, Any]) -> None:
    spec["iterations"] = spec["warmup_iterations"] = 0
    outcome = serve(spec)
    assert (outcome.status, outcome.names) == (0, ["hello", "load_start", "load_end", "done"])


def test_an_end_of_sequence_id_ends_the_request_and_is_reported(serve: Serve, spec: dict[str, Any]) -> None:
    spec["cases"][0]["ignore_eos"] = False
    outcome = serve(spec, eos_at=2)
    assert {event["finish"] for event in outcome.iterations} == {"eos"}
    assert {tuple(event["token_ids"]) for event in outcome.iterations} == {(101, 2)}


def test_an_end_of_sequence_id_as_the_last_of_all_counts_as_eos(serve: Serve, spec: dict[str, Any]) -> None:
    spec["cases"][0]["ignore_eos"] = False
    assert serve(spec, eos_at=4).iterations[0]["finish"] == "eos"


def test_ignored_eos_goes_on_to_the_full_length(serve: Serve, spec: dict[str, Any]) -> None:
    event = serve(spec, eos_at=2).iterations[0]
    assert (event["token_ids"], event["finish"]) == ([101, 2, 103, 104], "length")


def test_round_n_draws_with_seed_plus_n(serve: Serve, spec: dict[str, Any]) -> None:
    spec["cases"][0]["sampling"] = {"temperature": 0.7, "top_p": 0.9, "seed": 7}
    first, again = serve(spec).iterations, serve(spec).iterations
    ids = [event["token_ids"] for event in first]
    assert ids == [event["token_ids"] for event in again]
    assert ids[0] == ids[1]  # the warm-up and the first measured round both draw with seed + 0
    assert ids[1] != ids[2]
    spec["cases"][0]["sampling"]["seed"] = 8
    assert [event["token_ids"] for event in serve(spec).iterations][1] == ids[2]


def change_case(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda spec: spec["cases"][0].update({key: value})


def change_spec(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda spec: spec.update({key: value})


SAMPLED = change_case("sampling", {"temperature": 0.7, "top_p": 0.9, "seed": 7})


@pytest.mark.parametrize(
    ("capabilities", "change", "message"),
    [
        ({"devices": ["cpu"]}, change_spec("device", "cuda:0"), "device cuda:0"),
        ({"dtypes": ["f32"]}, change_spec("dtype", "bf16"), "dtype bf16"),
        ({}, change_spec("load", {"mode": "open", "concurrency": 1}), "load.mode 'open'"),
        ({}, change_spec("load", {"mode": "closed", "concurrency": 2}), "load.concurrency 2"),
        ({"ignore_eos": False}, change_case("ignore_eos", True), "ignore_eos"),
        ({"sampling": ["temperature"]}, change_case("ignore_eos", True), "sampling greedy"),
        ({"sampling": ["greedy"]}, SAMPLED, "sampling temperature"),
        ({"sampling": ["greedy", "temperature"]}, SAMPLED, "sampling top_p"),
        ({"teacher_forcing": False}, change_case("forced_ids", [1, 2, 3, 4]), "forced_ids"),
        ({"logits": False}, change_spec("logits_path", "/tmp/logits"), "logits_path"),
    ],
)
def test_what_the_capabilities_exclude_is_refused_before_loading(
    serve: Serve, spec: dict[str, Any], capabilities: dict[str, Any], change: Any, message: str
) -> None:
    change(spec)
    outcome = serve(spec, capabilities=capabilities)
    assert (outcome.status, outcome.names) == (3, ["hello", "error"])
    assert outcome.events[1]["kind"] == "unsupported"
    assert message in outcome.events[1]["message"]


def test_an_engine_without_seeds_may_draw(serve: Serve, spec: dict[str, Any]) -> None:
    SAMPLED(spec)
    outcome = serve(spec, capabilities={"seed": False})
    assert outcome.status == 0
    assert outcome.events[0]["capabilities"]["seed"] is False


def test_forced_ids_are_fed_back_and_the_engine_s_own_are_reported(serve: Serve, spec: dict[str, Any]) -> None:
    spec["cases"][0]["forced_ids"] = [101, 7, 101, 102]
    assert serve(spec).iterations[0]["token_ids"] == [101, 102, 101, 102]


def test_logits_are_appended_token_by_token_warm_ups_included(
    serve: Serve, spec: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "logits"
    spec["logits_path"] = str(path)
    assert serve(spec, margin=2.5).status == 0
    logits = read_logits(path, 3 * 4)
    assert logits.argmax(axis=1).tolist() == [101, 102, 103, 104] * 3
    assert set(logits.max(axis=1).tolist()) == {2.5}


def test_a_file_for_logits_that_cannot_be_opened_is_a_bad_spec(serve: Serve, spec: dict[str, Any]) -> None:
    spec["logits_path"] = "/nowhere/logits"
    outcome = serve(spec)
    assert (outcome.status, outcome.names) == (2, ["hello", "error"])
    assert "logits_path /nowhere/logits cannot be opened" in outcome.events[1]["message"]


@pytest.mark.parametrize("changes", [{"prompt_ids": [1, 300]}, {"forced_ids": [0, 0, 300, 0]}])
def test_ids_beyond_the_vocabulary_are_a_bad_spec(spec: dict[str, Any], changes: dict[str, Any]) -> None:
    spec["cases"][0] |= changes
    cases = parse_spec(spec).cases
    require_known_ids(cases, 301)
    with pytest.raises(BadSpecError, match=r"cases\[0\] has id 300; the model knows 300 tokens"):
        require_known_ids(cases, 300)


def test_a_flag_is_true_or_false() -> None:
    assert not flag_option({}, "margins")
    assert flag_option({"margins": True}, "margins")
    with pytest.raises(UnsupportedError, match="option margins is 1; it must be true or false"):
        flag_option({"margins": 1}, "margins")


@pytest.mark.parametrize(
    ("of_spec", "of_case"),
    [({"options": {"margins": True}}, {}), ({"logits_path": "logits"}, {}), ({}, {"forced_ids": [1, 1, 1, 1]})],
    ids=["margins", "logits", "forced ids"],
)
def test_what_only_requests_one_by_one_have_is_refused_under_load(
    spec: dict[str, Any], of_spec: dict[str, Any], of_case: dict[str, Any]
) -> None:
    load = {"mode": "closed", "concurrency": 2, "requests": 2, "warmup_requests": 0, "timeout_seconds": 9}
    loaded = under_load(spec, [0])
    loaded["cases"] = [loaded["cases"][0] | {"load": load, "prompts": [[1], [2]]}]
    can = Capabilities.of_logits(["cuda"], ["f32", "f16", "bf16"]).under_load(2)
    refuse(parse_spec(loaded | {"options": {"margins": False}}), can)
    loaded["cases"][0] |= of_case
    with pytest.raises(UnsupportedError, match=r"cases\[0\]: requests under load have neither forced_ids, logits nor"):
        refuse(parse_spec(loaded | of_spec), can)


def test_unknown_options_are_unsupported(serve: Serve, spec: dict[str, Any]) -> None:
    outcome = serve(spec, speed="fast")
    assert (outcome.status, outcome.names) == (3, ["hello", "error"])
    assert "unknown option 'speed'" in outcome.events[1]["message"]
    with pytest.raises(UnsupportedError, match="knows none"):
        require_known_options({"speed": 1}, [])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"protocol": 2}', '{"options": []}'])
def test_an_unusable_spec_is_answered_after_hello(serve: Serve, content: str) -> None:
    outcome = serve(content)
    assert (outcome.status, outcome.names) == (2, ["hello", "error"])
    assert outcome.events[1]["kind"] == "bad_spec"


@pytest.mark.parametrize(
    ("kind", "status"), [("unsupported", 3), ("bad_spec", 2), ("out_of_memory", 1), ("internal", 1)]
)
@pytest.mark.parametrize(
    ("stage", "before"), [("start", 1), ("load", 2), ("generate", 3)], ids=["start", "load", "generate"]
)
def test_each_kind_of_error_has_its_exit_status(
    serve: Serve, spec: dict[str, Any], kind: str, status: int, stage: str, before: int
) -> None:
    outcome = serve(spec, error_at={"stage": stage, "kind": kind, "message": "as told"})
    assert outcome.status == status
    assert outcome.names == [*["hello", "load_start", "load_end"][:before], "error"]
    assert outcome.events[-1] == {"event": "error", "kind": kind, "message": "as told"}


def test_an_exception_that_nobody_catches_is_an_internal_error(serve: Serve, spec: dict[str, Any]) -> None:
    outcome = serve(spec, raise_at={"iteration": 1, "token": 2})
    assert outcome.status == 1
    assert outcome.names[-2:] == ["iteration", "error"]
    assert outcome.events[-1]["message"] == "RuntimeError: scripted exception"
    assert "Traceback" in outcome.stderr


def test_memory_that_cannot_be_had_is_out_of_memory(serve: Serve, spec: dict[str, Any]) -> None:
    outcome = serve(spec, allocate_bytes=1 << 60)
    assert outcome.status == 1
    assert outcome.events[-1]["kind"] == "out_of_memory"


def test_words_on_stdout_of_libraries_go_to_stderr(tmp_path: Path, repository: Path) -> None:
    code = (
        "import bench_protocol\n"
        "class Loud(bench_protocol.Engine):\n"
        "    def configure(self, options): print('loud')\n"
        "    def describe(self): raise bench_protocol.EngineError('done')\n"
        "    def load(self, spec): ...\n"
        "    def reset(self): ...\n"
        "    def generate(self, case, seed, timings): ...\n"
        f"bench_protocol.run(Loud(), ['--spec', '/x', '--events', {str(tmp_path / 'e')!r}])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(repository / "engines" / "bench-protocol-py")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "loud" in ended.stderr


@pytest.mark.parametrize("flags", [[], ["--spec", "x"], ["--spec", "x", "--spec", "y"], ["--fast", "1", "--spec", "x"]])
def test_a_wrong_command_line_is_answered_with_the_usage(fake_engine: Path, flags: list[str]) -> None:
    ended = subprocess.run([str(fake_engine), *flags], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--spec spec.json --events events.jsonl" in ended.stderr


def test_an_interrupt_is_no_failure_of_the_engine(tmp_path: Path, fake_engine: Path, spec: dict[str, Any]) -> None:
    spec["options"] = {"hang_at": {"stage": "generate"}}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    events = tmp_path / "events.jsonl"
    command = [str(fake_engine), "--spec", str(tmp_path / "spec.json"), "--events", str(events)]
    with killed_at_last(subprocess.Popen(command, stderr=subprocess.DEVNULL)) as process:
        wait_for(lambda: events.exists() and "load_end" in events.read_text(), "the end of the load")
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_SECONDS) == -signal.SIGINT
    assert "error" not in events.read_text()


def test_ids_and_times_are_kept_until_the_length_is_reached(spec: dict[str, Any]) -> None:
    spec["cases"][0]["max_new_tokens"] = 2
    ticks = iter(range(10, 20))
    timings = Timings(parse_spec(spec).cases[0], lambda: next(ticks))
    assert timings.finish is None
    assert timings.push(5, 0.5)
    assert not timings.push(6)
    assert (timings.token_ids, timings.token_ns, timings.margins) == ([5, 6], [10, 11], [0.5, None])
    assert timings.finish == "length"


def test_each_error_names_its_kind_and_status() -> None:
    kinds = {error.kind: error.exit_status for error in AdapterError.__subclasses__()}
    assert kinds == {"internal": 1, "out_of_memory": 1, "bad_spec": 2, "unsupported": 3}


@pytest.mark.parametrize("redirection", ["2>&-", "<&- 2>&-", "2>/dev/full", "2>&1 | true; exit ${PIPESTATUS[0]}"])
@pytest.mark.parametrize("options", [{}, {"error_at": {"stage": "load", "kind": "internal", "message": "caf\udce9"}}])
def test_the_events_are_whole_where_nobody_takes_the_adapter_s_words(
    tmp_path: Path, spec: dict[str, Any], options: dict[str, Any], redirection: str
) -> None:
    engine = Path(__file__).resolve().parents[1] / "fake_engine" / "fake-engine"
    (tmp_path / "spec.json").write_text(json.dumps({**spec, "options": options}))
    command = f'"$0" --spec spec.json --events events.jsonl {redirection}'
    ended = subprocess.run(["bash", "-c", command, str(engine)], cwd=tmp_path, check=False, timeout=60)
    last = json.loads((tmp_path / "events.jsonl").read_text().splitlines()[-1])
    assert (ended.returncode, last["event"]) == ((1, "error") if options else (0, "done"))
