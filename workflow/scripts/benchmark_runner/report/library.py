"""The chart library of the page as one script, from inside the package vl-convert."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from functools import cache
from importlib import metadata as packages
from pathlib import Path
from typing import Final

import altair
import vl_convert

from benchmark_runner.configuration.cache import own_cache
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import write_text_atomic
from benchmark_runner.namedfile import read_named_data

SNIPPET: Final = "window.vegaEmbed = vegaEmbed;"


@cache
def chart_library() -> str:
    """Vega, Vega-Lite and Vega-Embed; made once for each version, which takes seconds, and then read from the user's
    cache."""
    version = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    maker = packages.version("vl-convert-python")
    kept = own_cache() / f"charts-{maker}-{version}-{_digest(SNIPPET)[:8]}.js"
    if script := _read(kept):
        return script
    made: str = vl_convert.javascript_bundle(SNIPPET, vl_version=version)
    # Within a script element only these would end it early.
    script = re.sub(r"<(/script|!--)", r"<\\\1", made, flags=re.IGNORECASE)
    with suppress(BenchmarkError, OSError):  # only a shortcut: without it the library is made again
        write_text_atomic(kept, f"{_digest(script)}\n{script}")
    return script


def _digest(script: str) -> str:
    return hashlib.sha256(script.encode()).hexdigest()


def _read(kept: Path) -> str | None:
    """The script that was kept; None where none is, or one that is not whole."""
    with suppress(BenchmarkError):
        digest, _, script = read_named_data(kept).partition("\n")
        return script if digest == _digest(script) else None
    return None
