"""What the report says beside the figures, from workflow/report/wording.yaml."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

TEMPLATE_FOLDER: Final = Path(__file__).resolve().parents[3] / "report"


@cache
def wording() -> dict[str, Any]:
    """Legends, captions and the glossary."""
    content: dict[str, Any] = yaml.safe_load((TEMPLATE_FOLDER / "wording.yaml").read_text(encoding="utf-8"))
    return content
