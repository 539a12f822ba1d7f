"""An adapter around the tests' numpy Llama: a slow float32 reference on a Hugging Face folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "engines" / "bench-protocol-py"))

from safetensors.numpy import load_file

from bench_protocol import Capabilities, Case, Description, Engine, Loaded, Spec, Timings, require_known_options, run
from bench_protocol.decode import decode
from llama_numpy import Llama, logits, of_checkpoint


class NumpyEngine(Engine):
    def __init__(self) -> None:
        self._margins = False
        self._ids: list[int] = []
        self._model: Llama

    def configure(self, options: dict[str, Any]) -> None:
        require_known_options(options, ("margins",))
        self._margins = options.get("margins", False)

    def describe(self) -> Description:
        able = Capabilities(["cpu"], ["f32"], ["greedy"], False, ["closed"], 1, True, teacher_forcing=True, logits=True)
        return Description("numpy", "1", {}, able)

    def load(self, spec: Spec) -> Loaded:
        folder = Path(spec.model_dir)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._model = of_checkpoint(load_file(folder / spec.weights), config)
        return Loaded("f32", "f32", "f32", "cpu", 1)

    def reset(self) -> None:
        self._ids = []

    def generate(self, case: Case, seed: int, timings: Timings) -> None:
        def forward(ids, position):
            self._ids[position:] = ids
            return logits(self._model, self._ids)

        decode(case, seed, timings, forward, margins=self._margins)


if __name__ == "__main__":
    run(NumpyEngine(), sys.argv[1:])
