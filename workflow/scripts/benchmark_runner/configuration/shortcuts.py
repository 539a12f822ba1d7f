"""The command line (--config KEY=VALUE): keys that stand for others, and types of what is given inside a section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import yaml

SHORTCUTS: Final[Mapping[str, tuple[str, str]]] = {
    "output_dir": ("benchmark", "output_dir"),
    "model_path": ("benchmark", "model_path"),
    "device": ("system", "device"),
}
"""The configuration key that each shortcut sets."""

ONLY_ENGINES: Final = "only_engines"
ANALYZE_ONLY: Final = "analyze_only"
AGAINST: Final = "against"

COMMAND_LINE_KEYS: Final = (*SHORTCUTS, ONLY_ENGINES, ANALYZE_ONLY, AGAINST)
"""What a top-level key may be beside the sections of the schema."""


def _typed(content: Any, rules: Mapping[str, Any]) -> Any:
    if isinstance(content, Mapping):
        keys = rules.get("properties", {})
        return {key: _typed(value, keys.get(key, {})) for key, value in content.items()}
    if isinstance(content, list):
        return [_typed(item, rules.get("items", {})) for item in content]
    wants_text = "string" in rules.get("type", ()) or "oneOf" in rules
    if not isinstance(content, str) or (wants_text and content != "null"):
        return content
    try:
        return yaml.safe_load(content)
    except yaml.YAMLError:
        return content


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
