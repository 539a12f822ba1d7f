"""JSON files: strict numbers, atomic writes, readable errors."""

from __future__ import annotations

import glob
import json
import math
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import simdjson

from benchmark_runner.errors import DISK_IS_FULL, MADE_AGAIN, BenchmarkError, lack_of, unwritable
from benchmark_runner.terminal import printable

_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")
"""Of a surrogate pair, as JSON writes it: no text in UTF-8 holds one alone."""

NODE_CHARACTERS: Final = 16
"""Of a machine's name in that of a file which is being written (chosen): a name takes 255 bytes in all."""


def refuse_constant(name: str) -> None:
    """For json's parse_constant: ValueError for NaN and Infinity, which JSON has not."""
    raise ValueError(f"{name} is no number of JSON")


def _whole(text: str) -> int:
    if not -(1 << 63) <= (value := int(text)) < 1 << 64:
        raise ValueError(f"{text:.20}... is no whole number of 64 bits")
    return value


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text:.20} is larger than a number can be")
    return value


_NUMBERS: Final[Mapping[str, Any]] = {"parse_int": _whole, "parse_float": _finite}


def parse_strict(text: str, **hooks: Any) -> Any:
    """Content of JSON that every reader and writer takes; hooks are those of json.loads.

    Raises ValueError for NaN, Infinity, numbers beyond 64 bits and half of a surrogate pair, RecursionError for lists
    within lists without end.
    """
    content = json.loads(text, parse_constant=refuse_constant, **{**_NUMBERS, **hooks})
    if _HALF.search(text):
        json.dumps(content, ensure_ascii=False).encode()
    return content


def read_json(path: Path) -> Any:
    """Content of a JSON file; raises BenchmarkError that names the file where it is absent or broken."""
    try:
        return parse_strict(read_bytes(path).decode("utf-8"))
    except (ValueError, RecursionError) as error:  # RecursionError: lists within lists without end
        raise BenchmarkError(f"{path} is not valid JSON ({error}); move it away and run again") from error


def value_at(record: Mapping[str, Any], dotted: str) -> Any:
    """Value behind a dotted key; None where a step on the way is absent or null."""
    value: Any = record
    for key in dotted.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def read_valid(name: str, path: Path) -> Any:
    """Content of a JSON file that a stage made; raises BenchmarkError as read_json, and where it breaks the schema
    `name`."""
    from benchmark_runner.schemas import first_violation  # only here: the monitor starts without it

    content = read_json(path)
    if (found := first_violation(name, content)) is not None:
        raise BenchmarkError(f"{path}: {found} (schema {name}); {MADE_AGAIN}")
    return content


@contextmanager
def made_file(path: Path) -> Iterator[None]:
    """Open and read a file that a stage made within; raises BenchmarkError that names it where that cannot be done."""
    try:
        if not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):  # a pipe would be waited for
            raise BenchmarkError(f"{path} is no file but a pipe or a device; move it away and run again")
        yield
    except FileNotFoundError as error:
        raise BenchmarkError(f"{path} is missing; run the stage that makes it again") from error
    except OSError as error:
        why = printable(error.strerror or error)  # pyarrow's say all in one text
        lack = lack_of(error)
        remedy = "move it away" if lack is None else lack.remedy
        raise BenchmarkError(f"{path} cannot be read ({why:.300}); {remedy} and run again") from error


def read_bytes(path: Path) -> bytes:
    """Content of a file that a stage made; raises BenchmarkError as made_file does."""
    with made_file(path):
        return path.read_bytes()


def parse_bulk(path: Path, text: bytes | memoryview, parser: simdjson.Parser) -> Any:
    """JSON text of hundreds of megabytes that came from a file; raises BenchmarkError that names the file.

    Lists and objects come as simdjson's, which make Python's of what is asked for alone. Until they are gone the
    parser takes no other text. NaN, Infinity and whole numbers beyond 64 bits are refused.
    """
    try:
        return parser.parse(text)
    except (ValueError, RuntimeError) as error:  # RuntimeError: whole numbers beyond 64 bits
        raise BenchmarkError(f"{path} is not valid JSON ({error}); move it away and run again") from error


def plain(value: Any) -> Any:
    """Python's lists and objects of what parse_bulk gave."""
    if isinstance(value, simdjson.Object):
        return value.as_dict()
    return value.as_list() if isinstance(value, simdjson.Array) else value


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a JSON-lines file, in order; a last line cut short by a killed writer is left out.

    Raises BenchmarkError that names file and line for one that is no object.
    """
    with path.open("rb") as lines:  # parted at \n alone
        for number, line in enumerate(lines, start=1):
            if line.endswith(b"\n"):
                yield _object(path, number, line)


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BenchmarkError(f"{path}: line {number} is not valid JSON ({error})") from error
    if not isinstance(content, dict):
        raise BenchmarkError(f"{path}: line {number} is no JSON object")
    return content


def _partial(name: str, node: str, pid: int | str) -> str:
    return f".{name}.{node}.{pid}.partial"


def _sweep(path: Path, node: str) -> None:
    """Remove what writers of this file left that were killed, of this machine: another one's may still run."""
    for left in path.parent.glob(_partial(glob.escape(path.name), glob.escape(node), "*")):
        if not Path("/proc", left.name.split(".")[-2]).exists():
            with suppress(OSError):  # another user's
                left.unlink()


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Name of a file to make, which takes the place of path when the block ends without an error.

    A reader sees the old file or the whole new one, never a part, and of one that could not be written nothing stays.
    Raises BenchmarkError that names the file where it cannot be written, as on a full disk.
    """
    node = os.uname().nodename[:NODE_CHARACTERS]
    partial = path.with_name(_partial(path.name, node, os.getpid()))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path, node)
        partial.unlink(missing_ok=True)
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        ours = {str(partial), str(path), str(path.parent)}
        if error.errno not in DISK_IS_FULL and str(error.filename) not in ours:
            raise
        raise BenchmarkError(unwritable(error, path)) from error
    finally:
        with suppress(OSError):  # no folder is there, or none that can be changed: that was told
            partial.unlink(missing_ok=True)


def write_text_atomic(path: Path, text: str) -> None:
    """Write text as written_whole does."""
    with written_whole(path) as partial, partial.open("x", encoding="utf-8") as file:
        file.write(text)


def write_json(path: Path, content: Any, *, indent: int | None = 2) -> None:
    """Write JSON atomically; NaN and Infinity raise ValueError, since undefined is null with a reason."""
    write_text_atomic(path, json.dumps(content, indent=indent, allow_nan=False, ensure_ascii=False) + "\n")
