"""How `chat` ended where it should not have, in words that a reader can act on."""

from __future__ import annotations

import signal
from typing import Final

PANIC: Final = 101
"""Exit status of a Rust program that panicked."""

USAGE: Final = 2


def ending(status: int, words: str, *, is_ready: bool, tokens: int) -> str:
    """What an exit status (negative: a signal), standard error and progress mean together."""
    last = next((line for line in reversed(words.splitlines()) if line.strip() and not line.startswith("note: ")), "")
    told = f"; its last words: {last.strip()}" if last else ""
    if status == -signal.SIGSEGV and not is_ready:
        what = "chat crashed (SIGSEGV) while it read the model: its head holds a type that this chat does not know"
    elif status < 0:
        what = f"chat was ended by signal {-status} ({signal.Signals(-status).name}) after {tokens} tokens"
    elif status == USAGE:
        what = "chat refused its command line; options.chat must name a build of lm.rs from October 2024 or later"
    elif status == PANIC and not is_ready:
        what = "chat could not read the model or tokenizer.bin"
    elif status == PANIC and not tokens:
        what = "chat took the prompt and gave no token: blank, not UTF-8, or beyond its tokenizer or its context"
    elif status == PANIC and "range end index" in words:
        what = f"chat ran out of context after {tokens} tokens; ask for fewer"
    else:
        what = f"chat ended with status {status} after {tokens} tokens"
    return what + told
