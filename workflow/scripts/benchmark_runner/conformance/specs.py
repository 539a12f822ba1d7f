"""The specs that an adapter is put through: small prompts, so that a real model takes seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from benchmark_runner.jsonio import read_json
from benchmark_runner.load.schedule import with_arrivals
from benchmark_runner.model.llama_config import known_vocabulary
from benchmark_runner.protocol.requests import is_load
from benchmark_runner.protocol.spec import LOAD_PROTOCOL, make_spec, under_load

MAX_SEQ_LEN: Final = 32
"""Holds the longest prompt with its tokens; unit: tokens."""

SEED: Final = 11

LOGITS: Final = "logits"
"""File of logits; start_adapter puts it into the folder of the run."""

TEMPERATURE: Final = 2.0
"""Flat enough that two seeds drawing the same ids by chance would be a wonder, and the highest that servers with the
OpenAI interface take (vLLM answers 400 above it)."""

NO_NUCLEUS: Final = 1e-6
"""A top_p that the best token reaches alone, so that drawing is greedy."""

_SHORT_PROMPT: Final = 5
_LONG_PROMPT: Final = 9
"""Lengths of the two prompts, different so that a mix-up of cases shows; unit: tokens."""

_FOREIGN_SHIFT: Final = 84
"""By so much the ids that are forced on an engine lie behind a prompt's (chosen)."""

_STRIDE: Final = 7919
"""A prime: prompts are spread over the vocabulary whatever its size."""

_DEFAULT_VOCABULARY: Final = 256
"""Ids below this are in the vocabulary of any model; used where model_dir has no config.json."""


@cache
def plain_ids(tokenizer: Path) -> list[int]:
    """Ids whose texts are ASCII letters and digits, so that a prompt of them is a text too; none without the file."""
    if not tokenizer.is_file():
        return []
    vocabulary = read_json(tokenizer).get("model", {}).get("vocab", {})
    # Vocabularies of other kinds than BPE are lists.
    found = vocabulary.items() if isinstance(vocabulary, dict) else ()
    return sorted(token_id for token, token_id in found if token.isascii() and token.isalnum())


@dataclass(frozen=True)
class Setup:
    """What all runs of an adapter have in common."""

    model_dir: Path
    weights: str
    dtype: str
    device: str
    threads: int
    options: Mapping[str, Any]
    start: int = 17
    """Where in the vocabulary prompts begin (chosen)."""

    @property
    def known_vocabulary(self) -> int | None:
        """Number of ids that the model knows; None where its folder does not tell."""
        return known_vocabulary(self.model_dir)

    def prompt(self, length: int, shift: int = 0) -> list[int]:
        """A prompt of ids that differ from each other where the vocabulary allows it; plain words where it is known."""
        ids = plain_ids(self.model_dir / "tokenizer.json") or range(self.known_vocabulary or _DEFAULT_VOCABULARY)
        return [ids[(self.start + shift + _STRIDE * index) % len(ids)] for index in range(length)]

    def spec(
        self, cases: Sequence[Mapping[str, Any]], *, warmup_iterations: int = 0, iterations: int = 1
    ) -> dict[str, Any]:
        """A spec with these cases."""
        return make_spec(
            cases,
            model_dir=self.model_dir.absolute(),
            weights=self.weights,
            dtype=self.dtype,
            device=self.device,
            threads=self.threads,
            max_seq_len=MAX_SEQ_LEN,
            options=self.options,
            warmup_iterations=warmup_iterations,
            iterations=iterations,
        )

    def case(self, length: int = _SHORT_PROMPT, *, tokens: int = 4, **changed: Any) -> dict[str, Any]:
        """A greedy case that goes on past any end; changed replaces keys of the case or of its sampling."""
        sampling = {"temperature": 0, "top_p": 1, "seed": SEED}
        case = {"prompt_ids": self.prompt(length), "max_new_tokens": tokens, "ignore_eos": True, "eos_ids": []}
        sampling |= {key: value for key, value in changed.items() if key in sampling}
        case |= {key: value for key, value in changed.items() if key in case}
        return {**case, "sampling": sampling}


def can_draw(capabilities: Mapping[str, Any]) -> bool:
    """Whether the adapter says that it samples."""
    return "temperature" in capabilities["sampling"]


def main_cases(setup: Setup, capabilities: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Cases of the run in which most is checked, by name, as far as the capabilities allow."""
    # Without ignore_eos nothing may end a case early, so it names no end-of-sequence id.
    going_on = {"ignore_eos": bool(capabilities["ignore_eos"])}
    cases = {
        "greedy": setup.case(tokens=6, **going_on),
        "long": setup.case(_LONG_PROMPT, tokens=4, **going_on),
    }
    if can_draw(capabilities) and capabilities["seed"]:
        cases["drawn"] = setup.case(tokens=6, temperature=TEMPERATURE, **going_on)
        cases["drawn_next"] = setup.case(tokens=6, temperature=TEMPERATURE, seed=SEED + 1, **going_on)
    if can_draw(capabilities) and "top_p" in capabilities["sampling"]:
        cases["nucleus"] = setup.case(tokens=6, temperature=TEMPERATURE, top_p=NO_NUCLEUS, **going_on)
    return cases


def end_cases(setup: Setup, capabilities: Mapping[str, Any], eos_id: int) -> list[dict[str, Any]]:
    """The greedy case with an end-of-sequence id among its tokens: honoured, then ignored where that is possible."""
    cases = [setup.case(tokens=6, ignore_eos=False, eos_ids=[eos_id])]
    if capabilities["ignore_eos"]:
        cases.append(setup.case(tokens=6, eos_ids=[eos_id]))
    return cases


TOGETHER: Final = 3
"""Requests in flight of the run under load."""


TURNS: Final = 2
"""Requests of each conversation."""

_CLOSED: Final = {"mode": "closed", "concurrency": TOGETHER}
_OPEN: Final = {"mode": "open", "requests_per_second": 100.0, "arrivals": "constant", "burstiness": 1.0, "seed": 0}


def _at_once(
    setup: Setup, capabilities: Mapping[str, Any], loads: Sequence[Mapping[str, Any]], prompts: Sequence[list[int]]
) -> dict[str, Any]:
    case = setup.case(tokens=6, ignore_eos=bool(capabilities["ignore_eos"]))
    each = {"requests": 2 * TOGETHER, "warmup_requests": TOGETHER, "duration_seconds": None, "timeout_seconds": 120}
    cases = [{**case, "load": with_arrivals({**each, **load}, len(prompts)), "prompts": prompts} for load in loads]
    return under_load(setup.spec(cases), range(len(cases)))


def _many_prompts(setup: Setup) -> list[list[int]]:
    """Prompts of which none is another, the greedy case's the first of them."""
    return [setup.prompt(_SHORT_PROMPT, number) for number in range(12 * TOGETHER)]


def together_spec(setup: Setup, capabilities: Mapping[str, Any]) -> dict[str, Any]:
    """Requests of a level of each loop that the adapter serves."""
    loads = [load for load in (_CLOSED, _OPEN) if load["mode"] in capabilities["load_modes"]]
    return _at_once(setup, capabilities, loads, _many_prompts(setup))


def conversations_spec(setup: Setup, capabilities: Mapping[str, Any]) -> dict[str, Any]:
    """A level of conversations, each of which ends with one of the prompts."""
    prompts = [turn for prompt in _many_prompts(setup) for turn in (prompt[:-TURNS], prompt)]
    return _at_once(setup, capabilities, [{**_CLOSED, "turns": TURNS, "think_seconds": 0.0}], prompts)


def served_spec(setup: Setup, spec: Mapping[str, Any] | str) -> Mapping[str, Any]:
    """What a server is started for: with places for the requests that a spec asks at once. Whatever else a broken one
    says is for its client to refuse."""
    return spec if isinstance(spec, Mapping) and is_load(spec) else setup.spec([setup.case()])


FORCED_PLACES: Final = (2, 4, 6)
"""After how many forced ids the choice is held against that of a prompt that ends in them."""


def forced_cases(setup: Setup, capabilities: Mapping[str, Any], greedy: Sequence[int]) -> list[dict[str, Any]]:
    """The greedy case fed its own ids, the same fed ids of no text, and prompts that end in those; greedy: its ids."""
    if not capabilities.get("teacher_forcing", False):
        return [setup.case(tokens=6, ignore_eos=bool(capabilities["ignore_eos"]))]
    count = FORCED_PLACES[-1] + 1
    going_on = {"ignore_eos": bool(capabilities["ignore_eos"])}
    foreign = setup.prompt(count, _FOREIGN_SHIFT)
    cases = [
        {**setup.case(tokens=len(greedy), **going_on), "forced_ids": list(greedy)},
        {**setup.case(tokens=count, **going_on), "forced_ids": foreign},
    ]
    for place in FORCED_PLACES:
        prompt = setup.case()["prompt_ids"] + foreign[:place]
        cases.append(setup.case(tokens=1, prompt_ids=prompt, **going_on))
    return cases


@dataclass(frozen=True)
class Refusal:
    """A spec that an adapter must refuse, with the kind of its error; spec is None where the adapter can do it all."""

    spec: dict[str, Any] | str | None
    kind: str
    asked: str


def refusals(setup: Setup, capabilities: Mapping[str, Any]) -> dict[str, Refusal]:
    """What the capabilities exclude and what no version of the protocol has, by name of the check."""
    case = setup.case(ignore_eos=bool(capabilities["ignore_eos"]))
    plain = setup.spec([case])
    more = int(capabilities["max_concurrency"]) + 1
    dtype = next((name for name in ("bf16", "f16", "f32") if name not in capabilities["dtypes"]), None)
    device = next((name for name in ("cuda:0", "cpu") if name.partition(":")[0] not in capabilities["devices"]), None)
    drawn = setup.spec([setup.case(temperature=TEMPERATURE, ignore_eos=case["ignore_eos"])])
    past_end = setup.spec([setup.case(eos_ids=[0])])
    forced = setup.spec([{**case, "forced_ids": setup.prompt(case["max_new_tokens"])}])
    cut = {key: value for key, value in plain.items() if key != "cases"}
    unknown = {**setup.options, "conformance_unknown": True}
    unsupported: dict[str, tuple[dict[str, Any] | None, str]] = {
        "refuses_dtype": (plain | {"dtype": dtype} if dtype else None, f"dtype {dtype}"),
        "refuses_device": (plain | {"device": device} if device else None, f"device {device}"),
        "refuses_load_mode": (plain | {"load": {"mode": "conformance", "concurrency": 1}}, "load.mode conformance"),
        "refuses_concurrency": (plain | {"load": {"mode": "closed", "concurrency": more}}, f"load.concurrency {more}"),
        "refuses_option": (plain | {"options": unknown}, "an unknown option"),
        "refuses_sampling": (None if can_draw(capabilities) else drawn, "sampling at a temperature"),
        "refuses_ignore_eos": (None if capabilities["ignore_eos"] else past_end, "ignore_eos"),
        "refuses_teacher_forcing": (None if capabilities.get("teacher_forcing", False) else forced, "forced_ids"),
        "refuses_logits": (
            None if capabilities.get("logits", False) else plain | {"logits_path": LOGITS},
            "logits_path",
        ),
    }
    bad_spec: dict[str, tuple[dict[str, Any] | str, str]] = {
        "refuses_protocol": (plain | {"protocol": LOAD_PROTOCOL + 1}, f"protocol {LOAD_PROTOCOL + 1}"),
        "refuses_missing_key": (cut, "a spec without cases"),
        "refuses_broken_spec": (json.dumps(plain)[:-2], "a spec that is cut short"),
    }
    return {
        **{name: Refusal(spec, "unsupported", asked) for name, (spec, asked) in unsupported.items()},
        **{name: Refusal(spec, "bad_spec", asked) for name, (spec, asked) in bad_spec.items()},
    }


def unknown_key_spec(setup: Setup) -> dict[str, Any]:
    """A spec with a key that no version has: refused by every adapter, whatever its capabilities."""
    return setup.spec([setup.case()]) | {"conformance_unknown": 1}
