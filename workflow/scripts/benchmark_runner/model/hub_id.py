"""A model on the Hugging Face hub, pinned to a commit; known before it is fetched, cheap to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark_runner.hashes import text_identity


@dataclass(frozen=True)
class HubModel:
    """Repository and commit: they determine each byte."""

    id: str
    """owner/name."""
    revision: str
    """40 hexadecimal digits."""

    def __str__(self) -> str:
        """As messages name it."""
        return f"{self.id} at {self.revision[:12]}"

    @property
    def identity(self) -> str:
        """Short hash of repository and commit."""
        return text_identity(f"hugging_face {self.id} {self.revision}")

    def source(self) -> dict[str, Any]:
        """What plan and manifest say of where the model comes from."""
        return {"kind": "hugging_face", "id": self.id, "revision": self.revision}
