"""A real adapter run on small cases of the embedded model, and what it wrote. Tests share runs, which take seconds."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmark_runner.schemas import require_valid

PROMPT = [504, 3575, 282, 4649, 314]
"""The capital of France is"""

GREEDY_IDS = [7042, 30, 198, 198, 504, 2988, 314, 42, 216, 34, 32, 33]
"""What generate() of transformers 5.23.0 gives after PROMPT in f32 (greedy, dynamic cache); 198 is a line's end."""

GREEDY_MARGINS = [2.4827, 1.2784, 1.4263, 1.3376, 0.8387, 0.2198, 1.6337, 1.96, 2.1848, 0.3978, 0.2916, 0.3738]
"""Top-1 minus top-2 logit of torch in f32 at these; a KV cache of 16 bits turns them by up to 0.02."""

MARGIN_TOLERANCE = 0.001
"""30 times what engines with a cache of 32 bits differ by."""


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


def run_adapter(binary: Path, folder: Path, spec: Mapping[str, Any], names: list[str]) -> Outcome:
    require_valid("spec", spec, "the test's spec")
    (folder / "spec.json").write_text(json.dumps(spec))
    ended = subprocess.run(
        [str(binary), "--spec", str(folder / "spec.json"), "--events", str(folder / "events.jsonl")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=folder,
    )
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    for event in events:
        require_valid("event", event, str(event))
    return Outcome(names, ended.returncode, events, ended.stdout, ended.stderr)


class AnswersOfEveryEngine:
    """Tests that each real engine passes; its module subclasses this and has the fixture outcome: two rounds."""

    def test_greedy_ids_are_those_of_transformers_in_each_round(self, outcome: Outcome) -> None:
        assert outcome.ids("greedy", 0) == outcome.ids("greedy", 1) == GREEDY_IDS

    def test_eos_ends_a_sequence_only_where_it_counts(self, outcome: Outcome) -> None:
        assert outcome.ids("ends") == GREEDY_IDS[:3]
        assert outcome.iteration("ends")["finish"] == "eos"
        assert outcome.iteration("greedy")["finish"] == "length"

    def test_rounds_draw_different_ids_and_the_smallest_nucleus_is_the_best_token(self, outcome: Outcome) -> None:
        assert outcome.ids("free", 0) != outcome.ids("free", 1)
        assert outcome.ids("narrow") == GREEDY_IDS
