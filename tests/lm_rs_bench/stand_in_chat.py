"""Stands in for lm.rs's `chat`: the same words in the same writes, a numpy Llama behind them, and faults at will.

It shares no code with the adapter: it reads both files and makes ids of a line by itself, the slow way. Own flags:
--fault NAME, --token-ms N (pause before each token), --trace FILE (ids that it computed on).
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # the threads that count are those started below
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from llama_numpy import logits, read_lmrs

LOGO = ["\n", "  L\n  M\n  R\n  S\n  !\n    \n"]
HELP = """Usage: chat [OPTIONS] --model <MODEL>

Options:
      --model <MODEL>              
      --tokenizer <TOKENIZER>      [default: tokenizer.bin]
      --temperature <TEMPERATURE>  [default: 0.7]
      --top-p <TOP_P>              [default: 0.9]
      --seed <SEED>                
      --show-metrics               
      --image <IMAGE>              [default: ]
      --num-crops <NUM_CROPS>      [default: 1]
  -h, --help                       Print help
"""  # noqa: W291  as the library that prints it does
FIRST = [
    128000,
    128006,
    9125,
    128007,
    271,
    38766,
    1303,
    33025,
    2696,
    25,
    6790,
    220,
    2366,
    18,
    198,
    15724,
    2696,
    25,
    220,
]


def say(text: str) -> None:
    os.write(1, text.encode())


def panic(words: str) -> NoReturn:
    os.write(2, f"thread 'main' panicked at src/x.rs:1:2:\n{words}\nnote: run with `RUST_BACKTRACE=1`\n".encode())
    os._exit(101)


class Tokenizer:
    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        count, _, _, self.eos = struct.unpack_from("<4I", data)
        self.texts, self.scores, offset = [], [], 16
        for _ in range(count):
            score, length = struct.unpack_from("<fI", data, offset)
            self.scores.append(score)
            self.texts.append(data[offset + 8 : offset + 8 + length].decode())
            offset += 8 + length
        self.ids = {text: token_id for token_id, text in enumerate(self.texts)}

    def encode(self, text: str, ids: list[int]) -> list[int]:
        for character in text:
            ids += [self.ids[character]] if character in self.ids else [byte + 3 for byte in character.encode()]
        while True:
            best_score, best, best_at = -1e10, 0, -1
            for at in range(len(ids) - 1):
                found = self.ids.get(self.texts[ids[at]] + self.texts[ids[at + 1]])
                if found is not None and self.scores[found] > best_score:
                    best_score, best, best_at = self.scores[found], found, at
            if best_at < 0:
                return ids
            ids[best_at : best_at + 2] = [best]


def choose(scores: np.ndarray, flags: dict[str, str], random: float) -> int:
    temperature, top_p = float(flags["temperature"]), float(flags.get("top-p", "0.9"))
    if temperature == 0:
        return int(scores.argmax())
    weights = np.exp((scores - scores.max()) / temperature)
    order = np.argsort(-weights, kind="stable")
    sums = np.cumsum(weights[order]) / weights.sum()
    kept = int(np.searchsorted(sums, top_p)) + 1 if 0 < top_p < 1 else len(order)
    return int(order[min(int(np.searchsorted(sums[:kept], random * sums[kept - 1], side="right")), kept - 1)])


def answer(flags: dict[str, str], fault: str) -> None:
    tokenizer = Tokenizer(Path(flags["tokenizer"]))
    if fault == "crash_at_load":
        os.kill(os.getpid(), signal.SIGSEGV)
    model = read_lmrs(Path(flags["model"]))
    say("LMRS version: 3\n" if fault == "old_version" else "LMRS version: 4\n")
    say("Model type: LLAMA\n\n")
    say("You: ")
    line = sys.stdin.readline()
    if not line.strip():
        panic("Text to encode should not be empty")
    threads = int(os.environ["RAYON_NUM_THREADS"]) + (fault == "more_threads")
    for _ in range(threads):
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    date = "01 Jan 2000" if fault == "other_date" else datetime.now(UTC).strftime("%d %b %Y")
    ids = FIRST + tokenizer.encode(date, []) + [271, 128009]
    ids += [*tokenizer.encode(line.strip(), [128006, 882, 128007, 271]), 128009, 128006, 78191, 128007, 271]
    if trace := flags.get("trace"):
        Path(trace).write_text(" ".join(map(str, ids)), encoding="ascii")
    if fault == "panic_in_prefill":
        panic("range end index 9 out of range for slice of length 8")
    random = (time.time_ns() // 1_000_000 % 997) / 997  # one number for all tokens of an answer, as lm.rs draws
    say("Assistant:\n")
    if fault == "no_tokens":
        say("\n")
        say("You: ")
    for count in range(512):
        time.sleep(float(flags.get("token-ms", "0")) / 1000)
        if fault == "panic_in_reply" and count == 2:
            panic("range end index 9 out of range for slice of length 8")
        ids.append(choose(logits(model, ids), flags, random))
        if ids[-1] == tokenizer.eos:
            break
        text = tokenizer.texts[ids[-1]]
        if fault == "two_writes" and count == 1:
            say(text[:1])
            text = text[1:]
        if fault != "empty_piece" or count != 1:
            say(text)
        if fault == "long_write" and count == 1:
            say("x" * 70_000)


def main() -> None:
    words = sys.argv[1:]
    for part in LOGO:
        say(part)
    if "--help" in words:
        say(
            HELP.replace("--num-crops <NUM_CROPS>      [default: 1]", "--max-tokens <N>")
            if "other_help" in words
            else HELP
        )
        return
    flags = dict(zip((word[2:] for word in words[::2]), words[1::2], strict=True))
    if float(flags["temperature"]) < 0:
        os.write(2, b"error: invalid value\n")
        os._exit(2)
    answer(flags, flags.get("fault", ""))
    signal.pause()  # as chat waits for its next line


if __name__ == "__main__":
    main()
