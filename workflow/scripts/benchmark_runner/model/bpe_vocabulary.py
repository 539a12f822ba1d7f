"""The byte-pair vocabulary in a tokenizer.json, checked before a converter writes it in another format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmark_runner.errors import shown
from benchmark_runner.model.formats import CannotConvertError

REMEDY: Final = "measure this engine on a model whose tokenizer.json and config.json fit, or leave it out"


@dataclass(frozen=True)
class BpeVocabulary:
    """Texts and merges, all of the right type, no id beyond the model's."""

    own: Mapping[str, int]
    """Ids of the tokens that merges make."""
    added: Mapping[int, str]
    """Texts of the tokens beside those, which go before an own one of the same id."""
    special: frozenset[int]
    """Those of added that are markup, not text."""
    merges: list[tuple[str, str]]
    byte_fallback: bool
    unknown: int | None
    """Id of what has no token of its own."""

    @property
    def texts(self) -> dict[int, str]:
        """Text of each id that has one."""
        return {index: text for text, index in self.own.items()} | dict(self.added)


def _refusal(what: str) -> CannotConvertError:
    return CannotConvertError(f"tokenizer.json {what}", REMEDY)


def _merge(entry: Any) -> tuple[str, str]:
    parts = entry.split(" ") if isinstance(entry, str) else entry
    if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, str) for part in parts):
        raise _refusal(f"has the merge {shown(entry)}, which is no pair of texts")
    return parts[0], parts[1]


def _added(tokenizer: Mapping[str, Any]) -> tuple[dict[int, str], frozenset[int]]:
    listed = tokenizer.get("added_tokens") or []
    if not isinstance(listed, list):
        raise _refusal(f"has {shown(listed)} for added_tokens")
    texts: dict[int, str] = {}
    for entry in listed:
        content, index = (entry.get("content"), entry.get("id")) if isinstance(entry, dict) else (None, None)
        if not isinstance(content, str) or type(index) is not int:
            raise _refusal(f"has the added token {shown(entry)}")
        texts[index] = content
    return texts, frozenset(entry["id"] for entry in listed if entry.get("special"))


def read_vocabulary(tokenizer: Mapping[str, Any], vocab_size: int) -> BpeVocabulary:
    """Vocabulary of a tokenizer.json's content; raises CannotConvertError that names what cannot be written."""
    model = tokenizer.get("model")
    model = model if isinstance(model, dict) else {}
    kind = model.get("type", "BPE" if "merges" in model else None)
    if kind != "BPE":
        raise _refusal(f"holds a {kind} model; only byte-pair encodings (BPE) are written")
    own, merges, unknown = model.get("vocab"), model.get("merges") or [], model.get("unk_token")
    if not isinstance(own, dict) or not all(type(index) is int for index in own.values()):
        raise _refusal("has a vocabulary that is no table of ids")
    if not isinstance(merges, list):
        raise _refusal(f"has {shown(merges)} for merges")
    added, special = _added(tokenizer)
    ids = [*own.values(), *added]
    if ids and not 0 <= min(ids) <= max(ids) < vocab_size:
        wrong = max(ids) if min(ids) >= 0 else min(ids)
        raise _refusal(
            f"has id {wrong}, while config.json has a vocab_size of {vocab_size}: the files do not belong together"
        )
    return BpeVocabulary(
        own=own,
        added=added,
        special=special,
        merges=[_merge(entry) for entry in merges],
        byte_fallback=bool(model.get("byte_fallback")),
        unknown=own.get(unknown) if isinstance(unknown, str) else None,
    )
