"""Keys for the command line (--config KEY=VALUE) that stand for something in the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SHORTCUTS: Final[Mapping[str, tuple[str, str]]] = {
    "output_dir": ("benchmark", "output_dir"),
    "model_path": ("benchmark", "model_path"),
    "device": ("system", "device"),
}
"""The configuration key that each shortcut sets."""

ONLY_ENGINES: Final = "only_engines"
ANALYZE_ONLY: Final = "analyze_only"

COMMAND_LINE_KEYS: Final = (*SHORTCUTS, ONLY_ENGINES, ANALYZE_ONLY)
"""What a top-level key may be beside the sections of the schema."""
