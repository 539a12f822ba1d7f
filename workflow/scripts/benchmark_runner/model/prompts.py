"""Prompts as token ids, once for all engines: python -m benchmark_runner.model.prompts --plan … --out …."""

from __future__ import annotations

import hashlib
import secrets
import sys
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmark_runner.commands import command
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.jsonio import read_json, read_valid, write_json
from benchmark_runner.load.texts import open_tokenizer
from benchmark_runner.model.chat import render
from benchmark_runner.model.llama_config import special_ids
from benchmark_runner.model.prompt_lines import sampled_lines
from benchmark_runner.model.texts import DEFAULT_PROMPTS, WORDS, text_of
from benchmark_runner.namedfile import read_named_text
from benchmark_runner.protocol.draw import by_file, require_room, shares

SCHEMA_VERSION: Final = 2
"""2: with texts that nobody can have seen. 1: the first format."""

UNSEEN_WORDS: Final = 100
"""Words of a text that nobody can have seen: reading them takes several times as long as one step (chosen)."""

UNSEEN_TIMED: Final = 3
"""Texts of which the shortest time counts, so that a pause of the machine does not (chosen)."""


POOL_ROUNDS: Final = 4
"""Launches for which a file's prompts are encoded (chosen): each block draws its own of them."""


class PromptEncoder:
    """The model's tokenizer with the limits of its manifest."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        """Raises BenchmarkError as open_tokenizer."""
        self.folder = folder
        self.vocab_size = int(manifest["architecture"]["vocab_size"])
        self.context_length = int(manifest["architecture"]["context_length"])
        self._tokenizer = open_tokenizer(folder)

    def encode(self, text: str, *, special: bool = True) -> list[int]:
        """Ids of a text; special adds what the tokenizer itself puts around one, such as a BOS."""
        return list(self._tokenizer.encode(text, add_special_tokens=special).ids)

    def prompt_ids(self, prompt: dict[str, Any]) -> list[int]:
        """Ids of a plan's prompt of any kind; raises BenchmarkError for one that cannot be encoded."""
        kind = prompt["kind"]
        if kind == "text":
            if not prompt["text"]:
                raise BenchmarkError("the prompt is empty; give it a text")
            return self.encode(prompt["text"])
        if kind == "messages":
            # The template writes the special tokens itself.
            return self.encode(render(self.folder, prompt["messages"]), special=False)
        if kind == "file":
            return self.encode(_file_text(Path(prompt["path"]), prompt.get("sha256")))
        if kind == "ids":
            return list(prompt["prompt_ids"])
        if kind == "tokens":
            return self.encode(text_of(int(prompt["count"]), self.encode))
        raise BenchmarkError(f"prompt kind {kind!r} is unknown; the kinds are text, messages, file, tokens, ids")

    def known_ids(self, prompt: dict[str, Any]) -> list[int]:
        """prompt_ids that the model knows; raises BenchmarkError where there is none, or one beyond its vocabulary."""
        ids = self.prompt_ids(prompt)
        if not ids and prompt["kind"] == "messages":
            raise BenchmarkError(f"the chat template of {self.folder} writes nothing of it; use a string as prompt")
        if not ids:
            raise BenchmarkError("the prompt has no token; give it a text")
        if max(ids) >= self.vocab_size and prompt["kind"] == "ids":
            raise BenchmarkError(f"it has the id {max(ids)}, and the model knows {self.vocab_size} tokens, from 0 on")
        if max(ids) >= self.vocab_size:
            raise BenchmarkError(
                f"the tokenizer yields id {max(ids)} but the model knows {self.vocab_size} tokens; "
                f"tokenizer.json and config.json in {self.folder} do not belong together"
            )
        return ids

    def checked_ids(self, prompt: dict[str, Any], max_new_tokens: int) -> list[int]:
        """known_ids that fit the model; raises BenchmarkError for a too long prompt too."""
        ids = self.known_ids(prompt)
        if len(ids) + max_new_tokens > self.context_length:
            raise BenchmarkError(
                f"{len(ids)} prompt tokens and {max_new_tokens} new ones exceed the model's context of "
                f"{self.context_length} tokens; shorten the prompt or lower max_tokens"
            )
        return ids


def _file_text(path: Path, sha256: str | None) -> str:
    """Text of a prompt's file, which must be the one that was planned with."""
    try:
        text = read_named_text(path)
    except BenchmarkError as error:
        raise BenchmarkError(f"prompt_file {path}: {error}") from None
    if sha256 not in (None, hashlib.sha256(text.encode()).hexdigest()):
        raise BenchmarkError(f"prompt_file {path} has changed since the plan was made; run again")
    return text


def _fidelity_prompts(plan: dict[str, Any], encoder: PromptEncoder) -> list[dict[str, Any]]:
    """The fidelity check's texts with their ids, those of the built-in dozen only where the model can take them."""
    texts, max_new_tokens = plan["fidelity"]["prompts"], plan["fidelity"]["max_new_tokens"]
    is_built_in = texts == list(DEFAULT_PROMPTS)
    found: list[dict[str, Any]] = []
    for number, text in enumerate(texts, start=1):
        try:
            ids = encoder.checked_ids({"kind": "text", "text": text}, max_new_tokens)
        except BenchmarkError as error:
            if is_built_in and (found or number < len(texts)):
                continue
            raise BenchmarkError(f"fidelity prompt {number}: {error}") from error
        found.append({"text": text, "prompt_ids": ids})
    return found


def _unseen(seed: int, plan: dict[str, Any], encoder: PromptEncoder) -> tuple[list[dict[str, Any]], list[list[int]]]:
    """A text that joins the fidelity prompts, and ids of others that are only timed; all drawn from seed.

    No table of answers that was made before can hold them. They have as many words as fit into the context; where it
    has no room for one there are none.
    """
    room, draw = encoder.context_length - plan["fidelity"]["max_new_tokens"], Random(seed)
    drawn = [draw.choices(WORDS, k=UNSEEN_WORDS) for _ in range(1 + UNSEEN_TIMED)]

    def encoded(words: int) -> list[list[int]]:
        return [encoder.encode(" ".join(text[:words])) for text in drawn]

    # The longest text of so many words grows with their number.
    words = bisect_right(range(1, UNSEEN_WORDS + 1), room, key=lambda count: max(map(len, encoded(count))))
    if not words:
        return [], []
    first, *timed = encoded(words)
    return [{"text": " ".join(drawn[0][:words]), "prompt_ids": first}], timed


def _pools(plan: dict[str, Any], encoder: PromptEncoder) -> dict[str, list[dict[str, Any]]]:
    """Of each file of prompts, by its hash, those that launches draw from; raises BenchmarkError naming the line."""
    pools: dict[str, list[dict[str, Any]]] = {}
    for workload in plan["workloads"]:
        for sha256, by_place in by_file(workload["cases"]).items():
            cases = [*by_place.values()]
            prompt = cases[0]["prompt"]
            try:
                most = POOL_ROUNDS * sum(shares(prompt["lines"], cases))
            except BenchmarkError as error:
                raise BenchmarkError(f"workload {workload['name']}: prompts_file {prompt['path']}: {error}") from None
            if len(pools.get(sha256, ())) < min(most, prompt["lines"]):
                pools[sha256] = _pool(prompt, most, max(case["max_new_tokens"] for case in cases), encoder)
    return pools


def _pool(prompt: dict[str, Any], most: int, max_tokens: int, encoder: PromptEncoder) -> list[dict[str, Any]]:
    pool = []
    for line in sampled_lines(Path(prompt["path"]), prompt["sha256"], prompt["lines"], most):
        try:
            ids = encoder.checked_ids(line.prompt, max_tokens)
        except BenchmarkError as error:
            raise BenchmarkError(f"prompts_file {prompt['path']}, line {line.line}: {error}") from error
        pool.append({"prompt_ids": ids, "max_tokens": line.max_tokens})
    return pool


def build_prompts(plan: dict[str, Any], manifest: dict[str, Any], folder: Path, seed: int) -> dict[str, Any]:
    """Content of prompts.json; seed determines the texts that nobody can have seen.

    Raises BenchmarkError naming the workload and the case of a bad prompt.
    """
    encoder = PromptEncoder(folder, manifest)
    workloads: dict[str, list[dict[str, Any]]] = {}
    pools = _pools(plan, encoder)
    for workload in plan["workloads"]:
        cases = workloads.setdefault(workload["name"], [])
        for case in workload["cases"]:
            try:
                prompt = case["prompt"]
                if prompt["kind"] == "lines":
                    longest = max((one["prompt_ids"] for one in pools[prompt["sha256"]]), key=len)
                    prompt = {"kind": "ids", "prompt_ids": longest}
                ids = encoder.checked_ids(prompt, case["max_new_tokens"])
            except BenchmarkError as error:
                raise BenchmarkError(f"workload {workload['name']}, {case['name']}: {error}") from error
            cases.append({"case": case["name"], "prompt_ids": ids})
        loaded = [
            (entry["prompt_ids"], case)
            for entry, case in zip(cases, workload["cases"], strict=True)
            if "load" in case and case["prompt"]["kind"] != "lines"
        ]
        try:
            require_room(loaded)
        except BenchmarkError as error:
            raise BenchmarkError(f"workload {workload['name']}: {error}") from error
    fidelity = _fidelity_prompts(plan, encoder)
    added, timed = _unseen(seed, plan, encoder) if fidelity else ([], [])
    return {
        "schema_version": SCHEMA_VERSION,
        "model_identity": manifest["identity"],
        "eos_ids": special_ids(folder, "eos"),
        "context_length": encoder.context_length,
        "workloads": workloads,
        **({"pools": pools} if pools else {}),
        "fidelity": [*fidelity, *added],
        "unseen": timed,
        "unseen_seed": seed if timed else None,
    }


def main(argv: Sequence[str]) -> int:
    """Write all prompts of a plan as token ids."""
    parser = command("model.prompts", main.__doc__, "plan", "manifest", "model-dir", out="prompts.json")
    arguments = parser.parse_args(argv)
    plan, manifest = read_json(arguments.plan), read_valid("manifest", arguments.manifest)
    prompts = build_prompts(plan, manifest, arguments.model_dir, secrets.randbits(32))
    write_json(arguments.out, prompts, indent=None)
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
