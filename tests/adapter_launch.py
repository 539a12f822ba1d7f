"""A real adapter run on small cases of the embedded model, and what it wrote. Tests share runs, which take seconds."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from benchmark_runner.build.adapter import load_adapter
from benchmark_runner.model.checkpoint import read_checkpoint
from benchmark_runner.model.derive import make_derived
from benchmark_runner.model.formats import SAFETENSORS
from benchmark_runner.model.recipes import synthetic_models
from benchmark_runner.model.safetensors_data import as_float32
from benchmark_runner.model.synthetic import make_model
from benchmark_runner.protocol.requests import LoadReader
from benchmark_runner.protocol.spec import under_load
from benchmark_runner.schemas import require_valid
from llama_numpy import Llama, greedy, logits, of_checkpoint

PROMPT = [504, 3575, 282, 4649, 314]
"""The capital of France is"""

GREEDY_IDS = [7042, 30, 198, 198, 504, 2988, 314, 42, 216, 34, 32, 33]
"""What generate() of transformers 5.23.0 gives after PROMPT in f32 (greedy, dynamic cache); 198 is a line's end."""

GREEDY_MARGINS = [2.4827, 1.2784, 1.4263, 1.3376, 0.8387, 0.2198, 1.6337, 1.96, 2.1848, 0.3978, 0.2916, 0.3738]
"""Top-1 minus top-2 logit of torch in f32 at these; a KV cache of 16 bits turns them by up to 0.02."""

MARGIN_TOLERANCE = 0.001
"""30 times what engines with a cache of 32 bits differ by."""


LIMIT_S = 300
"""For a launch, which takes seconds."""


def case(temperature: float = 0.0, top_p: float = 1.0, **changes: Any) -> dict[str, Any]:
    sampling = {"temperature": temperature, "top_p": top_p, "seed": 7}
    fixed = {"prompt_ids": PROMPT, "max_new_tokens": 12, "ignore_eos": True, "eos_ids": [198], "sampling": sampling}
    return fixed | changes


GREEDY_CASES = {"greedy": case(), "ends": case(ignore_eos=False)}
DRAWN_CASES = {"nucleus": case(0.9, 0.9), "free": case(0.9), "narrow": case(0.9, 1e-6)}


def make_spec(model_dir: Path, weights: str, cases: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A spec of one round on one thread; the cases' names are for run_adapter."""
    fixed = {
        "protocol": 1,
        "model_dir": str(model_dir),
        "weights": weights,
        "dtype": "f32",
        "device": "cpu",
        "threads": 1,
        "max_seq_len": 20,
        "cases": list(cases.values()),
        "warmup_iterations": 0,
        "iterations": 1,
        "load": {"mode": "closed", "concurrency": 1},
        "options": {},
    }
    return fixed | changes


class Outcome(NamedTuple):
    names: list[str]
    """Of the cases."""
    status: int
    events: list[dict[str, Any]]
    stdout: str
    stderr: str
    peak_rss_bytes: int

    def event(self, name: str) -> dict[str, Any]:
        (found,) = [event for event in self.events if event["event"] == name]
        return found

    def iteration(self, name: str, index: int = 0) -> dict[str, Any]:
        place = (self.names.index(name), index)
        (found,) = [e for e in self.events if e["event"] == "iteration" and (e["case"], e["index"]) == place]
        return found

    def ids(self, name: str, index: int = 0) -> list[int]:
        return self.iteration(name, index)["token_ids"]

    def refusal(self) -> tuple[int, str, str]:
        """Exit status, kind and message of what it did not do."""
        return self.status, self.events[-1]["kind"], self.events[-1]["message"]


Serve = Callable[..., Outcome]

PROOF_MODEL = "synthetic-tiny-llama3"
"""A shape with what adapters and converters drop: rotary scaling, an output layer and a head width of its own."""

PROOF_CASES = {"one": case(prompt_ids=[(37 * place) % 1600 for place in range(2, 62)], max_new_tokens=3, eos_ids=[1])}


def proof_model(folder: Path, weights_format: str, head_dim: int) -> tuple[Path, str, Llama]:
    """Folder and weights of PROOF_MODEL that an engine of a format opens, and the same as the numpy Llama."""
    made, shape = folder / PROOF_MODEL, synthetic_models()[PROOF_MODEL]
    make_model(dataclasses.replace(shape, config={**shape.config, "head_dim": head_dim}), made)
    config = json.loads((made / "config.json").read_text())
    tensors = {tensor.name: as_float32(tensor) for tensor in read_checkpoint(made).tensors}
    llama = of_checkpoint(tensors, config)
    if weights_format == SAFETENSORS:
        return made, "model.safetensors", llama
    derived = make_derived(made, folder / weights_format, weights_format, "f32", {"name": "m", "identity": "0" * 12})
    return folder / weights_format, derived["weights"], llama


def require_proof(binary: Path, folder: Path, weights_format: str, head_dim: int) -> None:
    """Assert that an engine computes PROOF_MODEL as the numpy Llama does, or refuses it with a reason."""
    made, weights, llama = proof_model(folder, weights_format, head_dim)
    spec = make_spec(made, weights, PROOF_CASES, max_seq_len=64, options={"margins": True})
    outcome = run_adapter(binary, folder, spec, list(PROOF_CASES))
    if outcome.status != 0:
        assert outcome.refusal()[1] == "unsupported", outcome.events[-1]
        return
    prompt = PROOF_CASES["one"]["prompt_ids"]
    ids = outcome.ids("one")
    assert ids == greedy(llama, prompt, len(ids))
    best = [np.sort(logits(llama, [*prompt, *ids[:place]]))[-2:] for place in range(len(ids))]
    margins = [float(high - second) for second, high in best]
    assert outcome.iteration("one")["margins"] == pytest.approx(margins, abs=MARGIN_TOLERANCE)


def run_adapter(binary: Path, folder: Path, spec: Mapping[str, Any], names: list[str]) -> Outcome:
    require_valid("spec", spec, "the test's spec")
    (folder / "spec.json").write_text(json.dumps(spec))
    command = [str(binary), "--spec", str(folder / "spec.json"), "--events", str(folder / "events.jsonl")]
    said = folder / "stdout", folder / "stderr"
    with said[0].open("wb") as stdout, said[1].open("wb") as stderr:
        engine = subprocess.Popen(command, stdout=stdout, stderr=stderr, cwd=folder)
    limit = threading.Timer(LIMIT_S, engine.kill)
    limit.start()
    # GNU time is not everywhere; wait4 tells the peak of this child alone.
    _, status, usage = os.wait4(engine.pid, 0)
    limit.cancel()
    engine.returncode = os.waitstatus_to_exitcode(status)
    events = [json.loads(line) for line in (folder / "events.jsonl").read_bytes().splitlines()]
    for event in events:
        require_valid("event", event, str(event))
    return Outcome(names, engine.returncode, events, *(path.read_text() for path in said), usage.ru_maxrss * 1024)


class AnswersOfEveryEngine:
    """Tests that each real engine passes in f32.

    Its module subclasses this and has ENGINE and CASES, which the fixtures spec, serve and outcome use.
    """

    UNKNOWN_ID = "has id 49152; the model knows 49152 tokens"
    """What the Python module of the protocol says of an id beyond the vocabulary; the Rust crate words it otherwise."""

    def test_a_launch_ends_well(self, outcome: Outcome) -> None:
        assert outcome.status == 0, outcome.stderr
        assert outcome.events[-1] == {"event": "done"}
        assert outcome.stdout == ""

    def test_load_end_tells_threads_types_and_batch(self, outcome: Outcome) -> None:
        load_end = outcome.event("load_end")
        assert (load_end["threads"], load_end["device"], load_end["kv_cache_dtype"]) == (1, "cpu", "f32")
        assert (load_end["batch_size"], load_end["compiled_graph"]) == (1, False)

    def test_greedy_ids_are_those_of_transformers_in_each_round(self, outcome: Outcome) -> None:
        assert outcome.ids("greedy", 0) == outcome.ids("greedy", 1) == GREEDY_IDS

    def test_margins_tell_that_weights_and_cache_are_f32(self, outcome: Outcome) -> None:
        assert outcome.iteration("greedy")["margins"] == pytest.approx(GREEDY_MARGINS, abs=MARGIN_TOLERANCE)

    def test_eos_ends_a_sequence_only_where_it_counts(self, outcome: Outcome) -> None:
        assert outcome.ids("ends") == GREEDY_IDS[:3]
        assert outcome.iteration("ends")["finish"] == "eos"
        assert outcome.iteration("greedy")["finish"] == "length"

    def test_rounds_draw_different_ids_and_the_smallest_nucleus_is_the_best_token(self, outcome: Outcome) -> None:
        assert outcome.ids("free", 0) != outcome.ids("free", 1)
        assert outcome.ids("narrow") == GREEDY_IDS

    def test_an_id_that_the_model_does_not_know_is_a_bad_spec(self, serve: Serve, spec: dict[str, Any]) -> None:
        status, kind, message = serve(spec | {"cases": [case(prompt_ids=[*PROMPT, 49152])]}).refusal()
        assert (status, kind) == (2, "bad_spec")
        assert self.UNKNOWN_ID in message

    @pytest.mark.parametrize("head_dim", [24, 16])
    def test_a_small_llama_with_every_part_is_computed_or_refused(
        self, request: pytest.FixtureRequest, program: Callable[[str], Path], tmp_path: Path, head_dim: int
    ) -> None:
        """16 is hidden_size over the heads, for engines that refuse any other width."""
        binary = program(request.module.ENGINE)
        adapter = load_adapter(Path(__file__).resolve().parents[1] / "engines" / binary.name)
        require_proof(binary, tmp_path, adapter.weights_format, head_dim)


TOGETHER = [[*PROMPT[:2], *order[: 3 - place % 2]] for place, order in enumerate(itertools.permutations(PROMPT[2:]))]
"""Prompts of requests that are decoded together, of two lengths."""


class AnswersUnderLoad:
    """Tests that each real engine passes that serves several requests at once; its module subclasses this."""

    BATCHING: str

    def _requests(self, serve: Serve, spec: dict[str, Any], **load: Any) -> list[dict[str, Any]]:
        """Those of a level, which the protocol's own reader takes."""
        fixed = {"duration_seconds": None, "warmup_requests": 1, "timeout_seconds": 300}
        asked = under_load(spec | {"cases": [case(prompts=TOGETHER, load=fixed | load)]}, [0])
        outcome = serve(asked)
        assert outcome.status == 0, outcome.stderr
        reader = LoadReader(asked, 49152)
        for event in outcome.events:
            if event["event"] == "request":
                reader.take_request(event)
        reader.take_stage(outcome.event("stage"))
        load_end = outcome.event("load_end")
        assert (load_end["batch_size"], load_end["batching"]) == (load.get("concurrency", 16), self.BATCHING)
        return reader.requests

    def test_requests_that_are_decoded_together_get_the_ids_that_each_gets_alone(
        self, serve: Serve, spec: dict[str, Any], alone: list[list[int]]
    ) -> None:
        requests = self._requests(serve, spec, mode="closed", concurrency=3, requests=3)
        answered = [one for one in requests if one["status"] == "ok"]
        assert {one["phase"] for one in answered} >= {"warmup", "measured"}
        assert [one["token_ids"] for one in answered] == [alone[one["number"]] for one in answered]

    def test_an_open_loop_is_served_on_its_schedule(
        self, serve: Serve, spec: dict[str, Any], alone: list[list[int]]
    ) -> None:
        """Three come at once, one while they are decoded, and one when the engine has had time to rest."""
        due_ns = [0, 0, 0, 150_000_000, 1_500_000_000, 6_000_000_000]
        drawn = {"requests_per_second": 2.0, "arrivals": "constant", "burstiness": 1.0, "seed": 0}
        requests = self._requests(serve, spec, mode="open", requests=4, arrivals_ns=due_ns, **drawn)
        assert [one["scheduled_ns"] - requests[0]["scheduled_ns"] for one in requests] == due_ns[:5]
        assert [one["token_ids"] for one in requests] == alone[:5]
        assert all(one["start_ns"] == one["scheduled_ns"] <= one["written_ns"] for one in requests)
