"""Which tool wrote a file, told by its content, and several files of one side as one."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.hashes import fingerprint
from benchmark_runner.imported import go_benchmark, hyperfine, pyperf
from benchmark_runner.imported.sample import TIME, UNLIKE_VALUES, Fact, ImportedFile, ImportedSample, SampleKey
from benchmark_runner.namedfile import LARGEST_BYTES, decoded, read_named_bytes
from benchmark_runner.protocol.lines import each_key_once
from benchmark_runner.statistics.settings import joined
from benchmark_runner.terminal import printable

KNOWN: Final = "pyperf's JSON, hyperfine's --export-json, Go's benchmark text"


_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GZIP: Final = b"\x1f\x8b"
_PACKED: Final = (
    (_GZIP, "gzip twice"),
    (b"PK\x03\x04", "zip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
)


def _text(path: Path) -> str:
    """Text of a file: UTF-8, or what its byte order mark says, as of PowerShell; also within gzip.

    Raises BenchmarkError without the path where it cannot be read.
    """
    content = read_named_bytes(path)
    if content.startswith(_GZIP):
        with gzip.open(io.BytesIO(content)) as file:
            content = file.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            raise BenchmarkError(f"its content is larger than {LARGEST_BYTES // 2**20} MiB")
    if packer := next((name for start, name in _PACKED if content.startswith(start)), None):
        raise BenchmarkError(f"it is packed by {packer}; unpack it and name what was in it")
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    text = content.decode(encoding) if encoding else decoded(content.removeprefix(codecs.BOM_UTF8))
    if "\0" in text:
        raise BenchmarkError("it holds zero bytes: UTF-16 without its byte order mark, or no text; save it as UTF-8")
    if not text.strip():
        raise BenchmarkError("it is empty; have its tool write it again")
    return text


def _read(path: Path, *, repetitions_are_launches: bool) -> ImportedFile:
    text = _text(path)
    if not text.lstrip().startswith(("{", "[")):
        if go_benchmark.recognises(text):
            return go_benchmark.read_go(text, str(path), repetitions_are_launches=repetitions_are_launches)
        raise BenchmarkError("it is of no known format")
    content = json.loads(text, object_pairs_hook=each_key_once)
    for tool in (pyperf, hyperfine):
        if tool.recognises(content):
            file = pyperf.read_pyperf(content) if tool is pyperf else hyperfine.read_hyperfine(content)
            whole = hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
            return replace(file, contents=frozenset({whole}))
    raise BenchmarkError("it is of no known format")


def read_file(path: Path, *, repetitions_are_launches: bool) -> ImportedFile:
    """Content of a result file. Raises BenchmarkError where it is absent, of no known format or not as its tool writes
    it."""
    name = printable(path)
    try:
        file = _read(path, repetitions_are_launches=repetitions_are_launches)
        if not (file.samples or file.failed):
            raise BenchmarkError("it holds no results")
    except BenchmarkError as error:
        raise BenchmarkError(f"{name}: {error}; known are {KNOWN}") from None
    except (ValueError, EOFError, OSError, zlib.error, RecursionError) as error:
        raise BenchmarkError(
            f"{name} is no whole text or JSON ({error}); have its tool write it again; known are {KNOWN}"
        ) from None
    except (KeyError, TypeError, AttributeError) as error:
        raise BenchmarkError(f"{name} is not as its tool writes it ({error!r}); known are {KNOWN}") from None
    return replace(file, samples={key: replace(one, origins=_origins(one)) for key, one in file.samples.items()})


def _origins(sample: ImportedSample) -> frozenset[str]:
    """A hash of the times of a sample, by which a copy is known under another name and beside other results; nothing
    where another run may have taken the same ones by chance."""
    values = sorted(value for launch in sample.launches for value in launch.tolist())
    told = sample.metric is TIME and len(set(values)) >= UNLIKE_VALUES
    return frozenset({fingerprint(values)}) if told else frozenset()


def _together(samples: Sequence[ImportedSample], files: int) -> ImportedSample:
    """Samples of one name of several files as one: each file adds its launches."""
    lost = None if len(samples) in (1, files) else f"it is in {len(samples)} of {files} files alone"
    return replace(
        samples[0],
        launches=tuple(values for sample in samples for values in sample.launches),
        one_process=samples[0].one_process if len(samples) == 1 else None,
        unusable=next((sample.unusable for sample in samples if sample.unusable), lost),
        statement=joined(sample.statement for sample in samples),
        origins=frozenset[str]().union(*(sample.origins for sample in samples)),
    )


def read_files(paths: Sequence[Path], *, repetitions_are_launches: bool) -> ImportedFile:
    """Several files of one tool as one, each a further process or more. Raises BenchmarkError where tools are mixed."""
    files = [read_file(path, repetitions_are_launches=repetitions_are_launches) for path in paths]
    seen: dict[str, Path] = {}
    for path, file in zip(paths, files, strict=True):
        contents = file.contents.union(*(sample.origins for sample in file.samples.values()))
        if copied := next((seen[content] for content in contents if content in seen), None):
            again = f"{printable(path)} holds the same results as {printable(copied)}"
            raise BenchmarkError(f"{again}: a copy is no further run; leave one of them out")
        seen |= dict.fromkeys(contents, path)
    tools = list(dict.fromkeys(file.tool for file in files))
    if len(tools) > 1:
        raise BenchmarkError(
            f"{', '.join(map(printable, paths))} come from {' and '.join(tools)}; give files of one tool"
        )
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
        {key: _together([file.samples[key] for file in files if key in file.samples], len(files)) for key in keys},
        {name: reason for file in files for name, reason in file.failed.items()},
        frozenset[str]().union(*(file.contents for file in files)),
    )
