"""An adapter whose model computes nothing: what is left is the cost of the protocol. measure.py times it.

Option way: push (an engine that chooses by itself) or decode (one that hands logits to the host; needs numpy).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "engines" / "bench-protocol-py"))

from bench_protocol import (
    Capabilities,
    Case,
    Description,
    Engine,
    Loaded,
    Spec,
    Timings,
    UnsupportedError,
    require_known_options,
    run,
)

WAYS = ("push", "decode")


class EmptyEngine(Engine):
    """Yields one id for ever."""

    def configure(self, options: dict[str, Any]) -> None:
        """Take the way."""
        require_known_options(options, ("way",))
        if options.get("way") not in WAYS:
            raise UnsupportedError(f"option way is {options.get('way')!r}; it must be one of {', '.join(WAYS)}")
        self._decodes = options["way"] == "decode"

    def describe(self) -> Description:
        """Whatever a spec of measure.py asks for."""
        return Description("empty", "1", {}, Capabilities.of_logits(["cpu"], ["f32"]))

    def load(self, spec: Spec) -> Loaded:
        """Nothing but the eight logits, where they are used."""
        if self._decodes:
            import numpy as np

            from bench_protocol.decode import decode

            self._decode = decode
            self._logits = np.array([0, 1, 2, 3, 4, 3, 2, 1], dtype=np.float32)
        return Loaded(spec.dtype, spec.dtype, spec.dtype, spec.device, spec.threads)

    def reset(self) -> None:
        """There is no cache."""

    def generate(self, case: Case, seed: int, timings: Timings) -> None:
        """As an engine's loop, without the engine."""
        if self._decodes:
            self._decode(case, seed, timings, lambda _ids, _position: self._logits)
            return
        while timings.push(4):
            pass


if __name__ == "__main__":
    run(EmptyEngine(), sys.argv[1:])
