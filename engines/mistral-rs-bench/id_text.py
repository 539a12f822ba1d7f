"""Token ids as text: mistral.rs takes and gives text, so it gets a tokenizer whose text is the ids themselves.

Token 504 reads `504<504>`. Any sequence of ids then has exactly one text, which the tokenizer turns back into these
ids; each generated id, special ones too, is the text of its piece of the stream. Both halves are needed: mistral.rs
ends a sequence at a text, which it cuts off. With `<2>` for that text, the piece `2` is left and tells which id it was.
The model knows ids alone, so nothing that it computes depends on this.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from bench_protocol import EngineError

CHAT_TEMPLATE: Final = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
"""Adds nothing to what is said."""

_PIECE: Final = re.compile(r"([0-9]+)(?:<([0-9]+)>)?")

_DECODER: Final = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
"""mistral.rs refuses tokenizers without a decoder that it knows; for digits and brackets this one changes nothing."""


def text_of(ids: Iterable[int]) -> str:
    """Text of a prompt."""
    return "".join(f"{token_id}<{token_id}>" for token_id in ids)


def end_text(token_id: int) -> str:
    """Text at which a sequence ends when it generates token_id."""
    return f"<{token_id}>"


def id_of(piece: str | None) -> int:
    """Generated id behind a piece of a stream; raises EngineError where it is not one token's text."""
    found = _PIECE.fullmatch(piece or "")
    if found is None or found[2] not in (None, found[1]):
        raise EngineError(f"mistral.rs streamed {piece!r}, which is not the text of one token")
    return int(found[1])


def tokenizer(vocabulary: int) -> str:
    """Content of tokenizer.json for a number of tokens."""
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            "normalizer": None,
            "pre_tokenizer": {
                "type": "Split",
                "pattern": {"Regex": "[0-9]+<[0-9]+>|."},
                "behavior": "Isolated",
                "invert": False,
            },
            "post_processor": None,
            "decoder": _DECODER,
            "model": {
                "type": "WordLevel",
                "vocab": {text_of([token_id]): token_id for token_id in range(vocabulary)},
                "unk_token": text_of([0]),
            },
        }
    )


def lay_out(folder: Path, model_dir: Path, weight_files: Sequence[str], vocabulary: int) -> Path:
    """Fill a folder with the model as mistral.rs shall see it; returns the chat template's file.

    Weights and config.json are links. generation_config.json is left out, since mistral.rs takes sampling settings from
    it that the spec does not name.
    """
    for name in ("config.json", *weight_files):
        (folder / name).symlink_to((model_dir / name).resolve())
    (folder / "tokenizer.json").write_text(tokenizer(vocabulary), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text("{}", encoding="utf-8")
    template = folder / "chat_template.jinja"
    template.write_text(CHAT_TEMPLATE, encoding="utf-8")
    return template
