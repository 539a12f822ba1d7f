"""The adapter lm-rs-bench: drives the program `chat` of lm.rs, which the user brings, one process an answer.

Options: chat (its path), commit and build (what the user knows of it, for the record alone).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench-protocol-py"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench_protocol import (
    Capabilities,
    Case,
    Description,
    Engine,
    EngineError,
    Loaded,
    Spec,
    Timings,
    UnsupportedError,
    require_known_options,
    run,
)
from lm_rs_bench.chat import Chat, environment
from lm_rs_bench.model_file import ModelFile, read_model_file
from lm_rs_bench.program import Program, find_program
from lm_rs_bench.prompt import line_of, read_speller, today, turn_ids
from lm_rs_bench.records import monotonic_offset_ns, require_steady
from lm_rs_bench.vocabulary import Vocabulary, read_vocabulary

TOKENIZER: Final = "tokenizer.bin"
WORDS: Final = ("commit", "build")
"""Options that only describe the program."""


def sampling_flags(case: Case) -> list[str]:
    """How a process is to choose tokens; its seed is its own (the milliseconds of its start)."""
    sampling = case.sampling
    if sampling.is_greedy:
        return ["--temperature", "0"]
    return ["--temperature", str(sampling.temperature), "--top-p", str(sampling.top_p)]


class LmRs(Engine):
    """lm.rs behind its command line."""

    def __init__(self) -> None:
        """Before the options are known."""
        self._program: Program | None = None
        self._words: dict[str, str] = {}
        self._chat: Chat | None = None
        """Waits for its line, or was killed after its answer."""
        self._files: list[str] = []
        """The program with the flags that name its files."""
        self._cases: list[Case] = []
        self._answered = 0
        self._environment: dict[str, str] = {}
        self._threads = 0
        self._model: ModelFile
        self._vocabulary: Vocabulary
        self._lines: dict[tuple[int, ...], str] = {}
        self._used_ids: dict[tuple[str, str], list[int]] = {}

    def configure(self, options: dict[str, Any]) -> None:
        """Take the user's program and words; raises UnsupportedError where there is no program that is known."""
        self._words = {name: str(options[name]) for name in WORDS if options.get(name) is not None}
        # Before an unknown option is refused, so that hello names the program in any case.
        self._program = find_program(options)
        require_known_options(options, ("chat", *WORDS))

    def describe(self) -> Description:
        """The program by its hash, since it tells no version of itself."""
        capabilities = Capabilities(
            devices=["cpu"],
            dtypes=["f32"],
            sampling=["greedy", "temperature", "top_p"],
            seed=False,
            load_modes=["closed"],
            max_concurrency=1,
            ignore_eos=True,
            prompt_ids=False,
            loads_each_time=True,
        )
        if self._program is None:
            return Description("lm-rs-bench", "no program", {"language": "rust", **self._words}, capabilities)
        facts = {
            "language": "rust",
            "chat_sha256": self._program.sha256,
            "chat_help": self._program.help_text,
            **self._words,
        }
        return Description("lm-rs-bench", f"chat {self._program.sha256[:12]}", facts, capabilities)

    def refuse(self, spec: Spec) -> None:
        """Refuse files that lm.rs would misread, and prompts that cannot be given to it as one line."""
        assert self._program is not None
        folder = Path(spec.model_dir)
        weights = folder / spec.weights
        self._model = read_model_file(weights)
        self._vocabulary = read_vocabulary(folder / TOKENIZER, self._model.sizes.vocab_size)
        speller = read_speller(folder / "tokenizer.json")
        for number, case in enumerate(spec.cases):
            try:
                self._prepare(case, line_of(speller, case.prompt_ids))
            except UnsupportedError as error:
                raise UnsupportedError(f"cases[{number}]: {error}") from error
        self._threads = spec.threads
        self._environment = environment(os.environ, spec.threads)
        self._files = [str(self._program.path), "--model", str(weights), "--tokenizer", str(folder / TOKENIZER)]
        self._cases = spec.cases

    def _prepare(self, case: Case, line: str) -> None:
        self._lines[tuple(case.prompt_ids)] = line
        needed = len(self._ids_used(line, today())) + case.max_new_tokens
        if needed > self._model.context:
            raise UnsupportedError(
                f"lm.rs's own prompt and the answer take {needed} tokens; it has {self._model.context}"
            )

    def _ids_used(self, line: str, date: str) -> list[int]:
        """Ids behind a line; kept, since joining takes longer than an answer of a small model."""
        if (line, date) not in self._used_ids:
            self._used_ids[line, date] = turn_ids(self._vocabulary, line, date)
        return self._used_ids[line, date]

    def load(self, spec: Spec) -> Loaded:
        """Start the first process and wait until it asks for a line."""
        self._start()
        name = self._model.value_type.name
        return Loaded(weights_dtype=name, compute_dtype="f32", kv_cache_dtype="f32", device="cpu", threads=spec.threads)

    def _start(self) -> None:
        """Start the process of the next answer: its case is known, since the cases come in turn."""
        flags = sampling_flags(self._cases[self._answered % len(self._cases)])
        self._chat = Chat([*self._files, *flags], self._environment)
        self._chat.wait_until_ready()

    def reset(self) -> None:
        """Have a fresh process that waits for its first line: lm.rs never empties its cache."""
        assert self._chat is not None
        if self._chat.was_asked:
            self._chat.end()
            self._start()

    def generate(self, case: Case, seed: int, timings: Timings) -> None:  # noqa: ARG002  its draws are its own
        """Give the line, take each token at the time of its write, and kill the process at the last."""
        assert self._chat is not None
        line, date = self._lines[tuple(case.prompt_ids)], today()
        self._answered += 1
        offset_ns = monotonic_offset_ns()
        tokenised = self._chat.ask(line)
        wanted = True
        while wanted:
            record = self._chat.token()
            token_id = self._vocabulary.id_by_text.get(record.data)
            if token_id is None:
                raise EngineError(f"chat wrote {record.data!r}, which is the text of no token in {TOKENIZER}")
            wanted = timings.push(token_id, time_ns=record.time_ns + offset_ns)
        threads = self._chat.threads()
        self._chat.kill()
        require_steady(offset_ns, monotonic_offset_ns())
        self._require(threads, date)
        timings.tokenized_ns = tokenised.time_ns + offset_ns
        timings.used_prompt_ids = self._ids_used(line, date)

    def close(self) -> None:
        """Wait until the last process is gone with its memory, which takes the kernel a while."""
        assert self._chat is not None
        self._chat.end()

    def _require(self, threads: int, date: str) -> None:
        """Raise EngineError where the process had other threads or another date than it should."""
        if threads != self._threads + 1:
            raise EngineError(
                f"chat had {threads} threads; {self._threads} computing ones and the main thread were asked for"
            )
        if today() != date:
            raise EngineError("the date changed during an answer, and lm.rs's prompt holds it; run again")


if __name__ == "__main__":
    run(LmRs(), sys.argv[1:])
