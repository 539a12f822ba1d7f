"""An adapter for the Llama in numpy_llama.py that is honest, or commits the cheat which its option names.

Its own clock can be slowed by the option `work_ms`: a prompt costs so much a token, as if the model were a large one.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "engines" / "bench-protocol-py")]

import numpy as np  # noqa: E402
from numpy_llama import Array, Llama, inverse_frequencies  # noqa: E402

from bench_protocol import (  # noqa: E402
    Capabilities,
    Case,
    Description,
    Engine,
    Loaded,
    Spec,
    Timings,
    events,
    require_known_options,
    run,
)
from bench_protocol.decode import decode  # noqa: E402

Q4_BLOCK = 32
BF16_KEPT_BITS = np.uint32(0xFFFF0000)
WINDOW = 64
REPEAT_PENALTY = 1.3
TEMPLATE_IDS = (3, 4, 5)


def q4(weight: Array) -> Array:
    """Blocks of 32 weights in 4 bits, as GGUF's Q4_0."""
    if weight.ndim < 2:
        return weight
    blocks = weight.reshape(-1, Q4_BLOCK)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / 7
    return (np.clip(np.round(blocks / scale), -8, 7) * scale).reshape(weight.shape).astype(np.float32)


def bf16(weight: Array) -> Array:
    return (weight.view(np.uint32) & BF16_KEPT_BITS).view(np.float32)


class CheatingEngine(Engine):
    """Computes honestly but for its cheat."""

    def configure(self, options: dict[str, Any]) -> None:
        require_known_options(options, ["cheat", "table", "work_ms", "margins"])
        self.cheat = options.get("cheat", "")
        self.table = options.get("table")
        self.work_ms = options.get("work_ms", 0)
        self.margins = options.get("margins", False)
        if self.cheat in DISTORTIONS:
            written = events.EventLog.iteration
            events.EventLog.iteration = lambda log, **event: DISTORTIONS[self.cheat](log, written, event)

    def describe(self) -> Description:
        can = Capabilities.of_logits(["cpu"], ["f32", "bf16"])._replace(
            teacher_forcing=self.cheat not in ("table", "no_forcing"), logits=self.cheat != "table"
        )
        return Description("numpy-llama", "1", {"language": "python"}, can)

    def load(self, spec: Spec) -> Loaded:
        self.disturbed = self.cheat == "disturbed" and not Path(self.table).exists()
        if self.disturbed:  # its first run alone
            Path(self.table).touch()
        self.model = model = Llama(Path(spec.model_dir))
        self.seen: dict[tuple[int, ...], Any] = {}
        if self.cheat in ("q4", "bf16") or spec.dtype == "bf16":
            change = q4 if self.cheat == "q4" else bf16
            model.weights = {name: change(weight) for name, weight in model.weights.items()}
        if self.cheat == "f16_cache":
            model.cache_type = np.float16
        if self.cheat == "layer_skipped":
            model.layers.pop()
        if self.cheat == "window":
            model.window = WINDOW
        if self.cheat == "theta":
            model.frequencies = inverse_frequencies({**model.config, "rope_theta": 500000.0})
        if self.cheat == "scaling_dropped":
            model.frequencies = inverse_frequencies({**model.config, "rope_scaling": None})
        if self.cheat == "threads":
            for _ in range(4):
                threading.Thread(target=_spin, daemon=True).start()
        return Loaded(spec.dtype, spec.dtype, spec.dtype, spec.device, spec.threads)

    def reset(self) -> None:
        self.model.reset()
        self.text: list[int] = []

    def generate(self, case: Case, seed: int, timings: Timings) -> None:
        if self.cheat == "table":
            self._replay(case, timings)
            return
        if self.cheat == "template":
            case = case._replace(prompt_ids=[*TEMPLATE_IDS, *case.prompt_ids])
        if self.cheat == "temperature_ignored":
            case = case._replace(sampling=case.sampling._replace(temperature=1.0))
        decode(case, seed, timings, self._forward, margins=self.margins)

    def _forward(self, ids: list[int], position: int) -> Array:
        if self.cheat == "prefix_cache" and position == 0:
            known = self.seen.get(tuple(ids))
            if known is not None:
                logits, cache = known
                self.model.cache = dict(cache)
                return logits
        slower = 4 if self.disturbed and tuple(ids) not in self.seen else 1
        time.sleep(slower * self.work_ms * len(ids) / 1e3)
        logits = self.model.forward(list(ids), position)
        if self.cheat in ("prefix_cache", "disturbed") and position == 0:
            self.seen[tuple(ids)] = logits, dict(self.model.cache)
        if self.cheat == "repeat_penalty":
            self.text += ids
            for token in set(self.text):
                logits[token] *= 1 / REPEAT_PENALTY if logits[token] > 0 else REPEAT_PENALTY
        return logits

    def _replay(self, case: Case, timings: Timings) -> None:
        """Ids from a file for the prompts that it holds; nothing is computed."""
        known = json.loads(Path(self.table).read_text(encoding="utf-8"))
        ids = known.get(json.dumps(case.prompt_ids), [7])
        place = 0
        while timings.push(ids[place % len(ids)]):
            place += 1


def _spin() -> None:
    # A product of matrices runs without Python's lock, so the threads really compute at once.
    matrix = np.ones((64, 64), np.float32)
    while True:
        matrix = matrix @ matrix * np.float32(0)


def cut_short(log: Any, write: Any, event: dict[str, Any]) -> None:
    """Report one token less than was asked for."""
    timings = event["timings"]
    timings.count -= 1
    timings._limit = timings.count
    write(log, **event)


def eos_honoured(log: Any, write: Any, event: dict[str, Any]) -> None:
    """End where an end-of-sequence id comes, although it is to be ignored."""
    timings = event["timings"]
    timings.count = min(timings.count, 2)
    timings._stop_ids = frozenset([timings.token_ids[timings.count - 1]])
    write(log, **event)


def warmup_counted(log: Any, write: Any, event: dict[str, Any]) -> None:
    """Call the warm-up a measurement."""
    write(log, **{**event, "warmup": False})


def times_halved(log: Any, write: Any, event: dict[str, Any]) -> None:
    """Report half of each time since the start."""
    start_ns, timings = event["start_ns"], event["timings"]
    timings.token_ns = [start_ns + (time_ns - start_ns) // 2 for time_ns in timings.token_ns]
    write(log, **{**event, "end_ns": start_ns + (event["end_ns"] - start_ns) // 2})


DISTORTIONS = {
    "cut_short": cut_short,
    "eos_honoured": eos_honoured,
    "warmup_counted": warmup_counted,
    "times_halved": times_halved,
}

if __name__ == "__main__":
    run(CheatingEngine(), sys.argv[1:])
