"""Which tool wrote a file, told by its content, and several files of one side as one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.imported import go_benchmark, hyperfine, pyperf
from benchmark_runner.imported.sample import Fact, ImportedFile, ImportedSample, SampleKey
from benchmark_runner.statistics.settings import joined

KNOWN: Final = "pyperf's JSON, hyperfine's --export-json, Go's benchmark text"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


def read_file(path: Path, *, repetitions_are_launches: bool) -> ImportedFile:
    """Content of a result file. Raises BenchmarkError where it is absent or of no known format."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{path} cannot be read ({error}); known are {KNOWN}") from error
    content = _json(text)
    if pyperf.recognises(content):
        return pyperf.read_pyperf(content, str(path))
    if hyperfine.recognises(content):
        return hyperfine.read_hyperfine(content)
    if go_benchmark.recognises(text):
        return go_benchmark.read_go(text, str(path), repetitions_are_launches=repetitions_are_launches)
    raise BenchmarkError(f"{path} is of no known format; known are {KNOWN}")


def _together(samples: Sequence[ImportedSample]) -> ImportedSample:
    """Samples of several files as one: each file adds its launches."""
    return replace(
        samples[0],
        launches=tuple(values for sample in samples for values in sample.launches),
        one_process=samples[0].one_process if len(samples) == 1 else None,
        unusable=next((sample.unusable for sample in samples if sample.unusable), None),
        statement=joined(sample.statement for sample in samples),
    )


def read_files(paths: Sequence[Path], *, repetitions_are_launches: bool) -> ImportedFile:
    """Several files of one tool as one, each a further process or more. Raises BenchmarkError where tools are mixed."""
    files = [read_file(path, repetitions_are_launches=repetitions_are_launches) for path in paths]
    tools = list(dict.fromkeys(file.tool for file in files))
    if len(tools) > 1:
        raise BenchmarkError(f"{', '.join(map(str, paths))} come from {' and '.join(tools)}; give files of one tool")
    keys: list[SampleKey] = list(dict.fromkeys(key for file in files for key in file.samples))
    facts = {key: fact for file in files for key, fact in file.facts.items()}
    return ImportedFile(
        tools[0],
        {
            key: Fact(
                fact.label, joined(file.facts[key].value for file in files if key in file.facts), fact.consequence
            )
            for key, fact in facts.items()
        },
        {key: _together([file.samples[key] for file in files if key in file.samples]) for key in keys},
    )
