"""The command line (--config KEY=VALUE): keys that stand for others, and types of what is given inside a section."""

from __future__ import annotations

import difflib
import math
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import yaml

from benchmark_runner.configuration.plain import NOT_WHAT_THE_TAG_SAYS, require_bounded, unreadable_text
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.schemas import schema
from benchmark_runner.units import number_in

SHORTCUTS: Final[Mapping[str, tuple[str, str]]] = {
    "output_dir": ("benchmark", "output_dir"),
    "model_path": ("benchmark", "model_path"),
    "device": ("system", "device"),
}
"""The configuration key that each shortcut sets."""

ONLY_ENGINES: Final = "only_engines"
ANALYZE_ONLY: Final = "analyze_only"
AGAINST: Final = "against"
BEFORE: Final = "before"
AFTER: Final = "after"
WANTED_DIFFERENCE: Final = "wanted_difference"
FOLDERS: Final = "folders"
UNLIKE_MACHINES: Final = "unlike_machines"

SMALLEST_SHARE: Final = 0.001
"""Chosen: no campaign of this machine's kind finds less."""

KEY_SIMILARITY: Final = 0.75
"""Of difflib's ratio: two letters off in a key of ten (chosen)."""

COMMAND_LINE_KEYS: Final = (
    *SHORTCUTS,
    ONLY_ENGINES,
    ANALYZE_ONLY,
    AGAINST,
    BEFORE,
    AFTER,
    WANTED_DIFFERENCE,
    FOLDERS,
    UNLIKE_MACHINES,
)
"""What a top-level key may be beside the sections of the schema."""


_TRUTH: Final = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0", "null", "none", "~", ""), False),
}

_SNAKEMAKE_KEY: Final = re.compile(r"[a-zA-Z_][\w-]*\w$")
"""What Snakemake takes for the KEY of KEY=VALUE; any other ends in a traceback."""


def _truth(value: Any, key: str) -> bool:
    truth = _TRUTH.get(str(value if value is not None else "").strip().lower())
    if truth is None:
        raise BenchmarkError(f"{key}: {value!r} is neither true nor false; write one of them")
    return truth


def share(text: str, key: str) -> float | None:
    """A share that is typed as 5%, 5 % or 0.05; None where nothing is. Raises BenchmarkError that names the key."""
    if not text.strip():
        return None
    number, percent = text.strip().removesuffix("%").strip(), text.strip().endswith("%")
    try:
        value = number_in(number) / (100.0 if percent else 1.0)
    except ValueError:
        value = math.nan
    if not SMALLEST_SHARE <= value <= 1.0:
        raise BenchmarkError(f"{key}: {text!r} is no difference between 0.1% and 100%; write 5% or 0.05")
    return value


class Given(NamedTuple):
    """What files and command line gave: the configuration without the keys that are none of its own, and these."""

    config: dict[str, Any]
    analyze_only: bool
    """Whether nothing is measured: that key says so, or folders are joined."""
    against: Any
    engines: tuple[Any, Any]
    """What `before` and `after` say."""
    wanted_difference: str
    """What that key says; empty where it is not there."""
    folders: list[str] | None
    """Results folders that are joined into output_dir; None where none are named."""
    unlike_machines: bool
    """Whether folders may be joined that were measured on machines of unlike kinds."""


def _is_misread(text: str | None, value: Any) -> bool:
    """Whether what was typed for a key, if anything, is another text than Snakemake took it for."""
    return text is not None and (isinstance(value, (int, float)) or (isinstance(value, str) and "\n" in text))


def as_given(merged: Mapping[str, Any], entries: Iterable[str]) -> Given:
    """What Snakemake merged, with the text of KEY=VALUE entries in place of what it took for a number.

    `output_dir=2026_11_28` is a folder of that name, though Python reads a number in it, and a line break within a name
    is none of the blanks that YAML makes of it. Raises BenchmarkError for an
    analyze_only or unlike_machines that says neither yes nor no.
    """
    texts = {key: text.strip("'\"") for key, _, text in (entry.partition("=") for entry in entries)}
    config = {
        **merged,
        **{key: texts[key] for key in COMMAND_LINE_KEYS if _is_misread(texts.get(key), merged.get(key))},
    }
    folders = named(config.pop(FOLDERS)) or [] if FOLDERS in config else None
    analyze_only = _truth(config.pop(ANALYZE_ONLY, None), ANALYZE_ONLY) or folders is not None
    wanted = str(config.pop(WANTED_DIFFERENCE, ""))
    share(wanted, WANTED_DIFFERENCE)
    against, engines = config.pop(AGAINST, None), (config.pop(BEFORE, None), config.pop(AFTER, None))
    unlike = _truth(config.pop(UNLIKE_MACHINES, None), UNLIKE_MACHINES)
    if unlike and folders is None:
        raise BenchmarkError(f"{UNLIKE_MACHINES}: is of joining; name what is joined: {FOLDERS}=results/a,results/b")
    return Given(config, analyze_only, against, engines, wanted, folders, unlike)


def named(value: Any) -> list[str] | None:
    """Names that a key as only_engines gives: a list, or a text with commas; None where it gives none at all."""
    if value is None or value == "null":
        return None
    names = value if isinstance(value, (list, dict)) else str(value).split(",")
    return [str(name).strip() for name in names if str(name).strip()]


def _leaves(rules: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Keys of the schema that stand in no list."""
    for key, rule in rules.get("properties", {}).items():
        if "properties" not in rule or "integer" in rule["type"]:
            yield (*above, key)
        yield from _leaves(rule, (*above, key))


def meant_key(key: str) -> tuple[str, ...] | None:
    """The key below a section that a top-level key, dotted or not, was probably meant to be; None where none is."""
    leaves = {".".join(leaf): leaf for leaf in _leaves(schema("config"))}
    by_name = {leaf[-1]: leaf for leaf in reversed(leaves.values())}
    for known, word in ((leaves, key), (by_name, key.rpartition(".")[2])):
        if match := difflib.get_close_matches(word, known, n=1, cutoff=KEY_SIMILARITY):
            return known[match[0]]
    return None


def to_type(key: tuple[str, ...], value: str = "…") -> str:
    """How a key of the configuration is set on the command line."""
    shortcut = next((name for name, path in SHORTCUTS.items() if path == key), None)
    if shortcut is not None:
        return f"--config {shortcut}={value}"
    nested = value
    for part in reversed(key[1:]):
        nested = f"{{{part}: {nested}}}"
    return f"--config '{key[0]}={nested}'"


def to_join(joined: Mapping[str, Any], output_dir: str) -> str:
    """How the folders of a joined campaign, as its plan tells them, are joined into output_dir."""
    folders = shlex.quote(",".join(one["folder"] for one in joined["folders"]))
    unlike = "" if joined["unlike"] is None else f" {UNLIKE_MACHINES}=true"
    return f"snakemake --cores 1 join --config {FOLDERS}={folders} output_dir={shlex.quote(output_dir)}{unlike}"


def _first_wrong(content: bytes) -> str:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return f"byte 0x{content[error.start]:02x}"
    return "what stands there"


def entry_problem(entry: str) -> str | None:
    """What is wrong with a word behind --config that Snakemake itself does not take, and what to type instead."""
    key, equals, value = entry.partition("=")
    if unreadable_text(entry) is not None:  # bytes of the command line, which Python holds as such characters
        wrong = entry.encode("utf-8", "surrogateescape")
        return f"--config: {key!a}: {_first_wrong(wrong)} is not UTF-8; type the value in that encoding"
    if not equals:
        return f"--config: {entry!r} is no KEY=VALUE; targets and files go before --config"
    if _SNAKEMAKE_KEY.match(key):
        return None
    meant = meant_key(key)
    if meant is None:
        return f"--config: there is no key {key!r}; config/README.md has them all"
    shown = value if re.fullmatch(r"[\w./+-]+", value) else "…"
    return f"--config: a key below a section goes into braces; for {'.'.join(meant)} type {to_type(meant, shown)}"


def _typed(content: Any, rules: Mapping[str, Any]) -> Any:
    if isinstance(content, Mapping):
        keys = rules.get("properties", {})
        return {key: _typed(value, keys.get(key, {})) for key, value in content.items()}
    if isinstance(content, list):
        return [_typed(item, rules.get("items", {})) for item in content]
    types = rules.get("type", ())
    wants_text = ("string" in types and "boolean" not in types) or "oneOf" in rules
    if not isinstance(content, str) or (wants_text and content != "null"):
        return content
    try:
        value = yaml.safe_load(content)
        require_bounded(value)
    except (*NOT_WHAT_THE_TAG_SAYS, RecursionError, BenchmarkError):  # no date, digits or aliases without end
        return content
    return value


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def with_typed_overrides(raw: Mapping[str, Any], overrides: Mapping[str, Any], rules: Mapping[str, Any]) -> Any:
    """The merged configuration in which numbers and truth values of the command line are what they look like.

    Snakemake reads everything inside braces or brackets as text: --config 'system={threads: 2}'.
    """
    inside = {key: value for key, value in overrides.items() if key in rules["properties"]}
    return _merged(raw, _typed(inside, rules))
