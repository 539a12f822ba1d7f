"""The derived format `lmrs-q8_0`, whose products have weights of 8 bits; no adapter asks for it.

The protocol has no name for such weights, and a float32 reference does not judge them: the file is for trials by hand.
"""

from __future__ import annotations

from pathlib import Path

from benchmark_runner.model.lmrs import convert as lmrs
from benchmark_runner.model.lmrs.convert import Q8_0


def convert(source: Path, out: Path, dtype: str) -> None:
    """Write model.lmrs and tokenizer.bin into out; raises CannotConvertError as lmrs.convert does."""
    lmrs.convert(source, out, dtype, Q8_0)
