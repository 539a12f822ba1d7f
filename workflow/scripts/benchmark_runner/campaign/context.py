"""Do prompt and answer fit into the model's context? Answered before anything is built, exactly where that is possible.

A token is at least one byte, so a short text surely fits; any other is counted by the model's own tokenizer. A model
that is yet to be made has none: then only a text that cannot fit is refused, and the stage that encodes the prompts
counts again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmark_runner.campaign.workloads import planned_levels
from benchmark_runner.configuration.files import Problem
from benchmark_runner.configuration.load import longest, whole_conversation
from benchmark_runner.configuration.names import entries
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model.llama_config import LARGEST_COUNT, known_vocabulary
from benchmark_runner.model.prompt_lines import count_lines
from benchmark_runner.model.texts import SHORT_PROMPTS
from benchmark_runner.namedfile import read_named_text

if TYPE_CHECKING:
    from benchmark_runner.model.prompts import PromptEncoder

SPECIAL_TOKENS: Final = 8
"""More than any Llama tokenizer puts around a text (chosen)."""

CHARACTERS_PER_TOKEN: Final = 8
"""English prose has 4 to 5; a text that needs more to fit is taken not to (chosen)."""


class Context:
    """The model's context: its length in tokens, and the folder with its tokenizer where there is one."""

    def __init__(self, length: int, folder: Path | None) -> None:
        self.length = length
        self.folder = folder

    @cached_property
    def _encoder(self) -> PromptEncoder | None:
        if self.folder is None:
            return None
        # Imported here: short prompts need no tokenizer, and loading one takes longer than all other checks.
        from benchmark_runner.model.prompts import PromptEncoder

        vocabulary = known_vocabulary(self.folder) or LARGEST_COUNT
        return PromptEncoder(self.folder, {"architecture": {"vocab_size": vocabulary, "context_length": self.length}})

    def _refusal(self, found: str, max_tokens: int) -> str:
        return (
            f"{found} and {max_tokens} new ones (max_tokens) are more than the model's context of {self.length} "
            f"tokens; use {self.length - max_tokens} or less, or lower max_tokens"
        )

    def complaint(self, prompt: Mapping[str, Any], max_tokens: int) -> str | None:
        """What is wrong with a plan's prompt of kind text, messages or tokens; None where it fits.

        Raises BenchmarkError where it has no ids that the model knows.
        """
        room = self.length - max_tokens
        if prompt["kind"] == "tokens":
            count, turns = int(prompt["count"]), prompt.get("turns")
            if turns and count > room:
                return (
                    f"the last of {turns} turns has {count} prompt tokens, with all that came before it, and "
                    f"{max_tokens} new ones (max_tokens): more than the model's context of {self.length} tokens; "
                    "lower load.turns, prompt_tokens or max_tokens"
                )
            return self._refusal(f"{count} prompt tokens", max_tokens) if count > room else None
        messages = prompt["messages"] if prompt["kind"] == "messages" else [{"content": prompt["text"]}]
        text = "".join(message["content"] for message in messages)
        if prompt["kind"] == "text" and len(text.encode()) + SPECIAL_TOKENS <= room:
            return None
        if self._encoder is not None:
            count = len(self._encoder.known_ids(dict(prompt)))
            return self._refusal(f"the prompt's {count} tokens", max_tokens) if count > room else None
        if len(text) > room * CHARACTERS_PER_TOKEN:
            found = f"the prompt's {len(text)} characters, at {CHARACTERS_PER_TOKEN} a token at most,"
            return self._refusal(found, max_tokens)
        return None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _are_messages(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and isinstance(item.get("content"), str) and "role" in item for item in value)
    )


def _file_text(name: str) -> str:
    try:
        return read_named_text(Path(name))
    except BenchmarkError as error:
        raise BenchmarkError(f"{name!r}: {error}") from None


def _prompt(case: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Key and prompt of a test case; None where the schema refuses it. Raises BenchmarkError for a bad file."""
    if isinstance(case.get("prompt_file"), str) and case["prompt_file"]:
        return "prompt_file", {"kind": "text", "text": _file_text(case["prompt_file"])}
    if _is_count(count := longest(case.get("prompt_tokens"))):
        turns = load.get("turns") if isinstance(load := case.get("load"), Mapping) else None
        if _is_count(turns) and _is_count(answer := longest(case.get("max_tokens"))):
            count = whole_conversation(count, answer, int(turns or 1))
            return "prompt_tokens", {"kind": "tokens", "count": count, "turns": turns}
        return "prompt_tokens", {"kind": "tokens", "count": count}
    if isinstance(case.get("prompt"), str) and case["prompt"]:
        return "prompt", {"kind": "text", "text": case["prompt"]}
    if _are_messages(case.get("prompt")):
        return "prompt", {"kind": "messages", "messages": case["prompt"]}
    return None


def _lines_problem(path: Path, max_tokens: Any) -> tuple[str, str] | None:
    """The same of a file of prompts; whether those fit is told where they are encoded."""
    try:
        most = count_lines(path).most_tokens
    except BenchmarkError as error:
        return "prompts_file", str(error)
    if not _is_count(max_tokens) or most <= max_tokens:
        return None
    return (
        "max_tokens",
        f"a line of {str(path)!r} asks for {most} tokens; write {most} here or more, or lower the line's",
    )


def _case_problem(case: Mapping[str, Any], context: Context | None) -> tuple[str, str] | None:
    """Key and complaint of a test case."""
    if isinstance(file := case.get("prompts_file"), str) and file:
        return _lines_problem(Path(file), longest(case.get("max_tokens")))
    try:
        prompt = _prompt(case)
    except BenchmarkError as error:
        return "prompt_file", str(error)
    max_tokens = longest(case.get("max_tokens"))
    if context is None or prompt is None or not _is_count(max_tokens):
        return None
    if max_tokens >= context.length:
        return "max_tokens", (
            f"{max_tokens} new tokens leave no room for a prompt in the model's context of {context.length} "
            f"tokens; use less than {context.length}"
        )
    try:
        complaint = context.complaint(prompt[1], max_tokens)
    except BenchmarkError as error:
        complaint = str(error)
    return (prompt[0], complaint) if complaint else None


def _window_problem(case: Mapping[str, Any], context: Context | None) -> tuple[list[str], str] | None:
    """Key and complaint of a test case that replays a trace."""
    try:
        planned = [level for _, level in planned_levels(case)]
    except BenchmarkError as error:
        return ["load", "trace_file"], str(error)
    for level in planned if context else ():
        prompt, answer = level["prompt"].get("count", 0), level["max_new_tokens"]
        if context and prompt + answer > context.length:
            return ["max_tokens"], (
                f"the longest prompt and answer of the trace's window, {prompt} and {answer} tokens, are more than the "
                f"model's context of {context.length}; cut them with max in prompt_tokens and max_tokens, or replay "
                "another window"
            )
    return None


def window_problems(config: Mapping[str, Any], context: Context | None) -> Iterator[Problem]:
    """Traces that cannot be replayed, or whose lengths do not fit; the configuration must have no other problem."""
    for w, workload in entries(config, "workloads"):
        for c, case in entries(workload, "test_cases"):
            if "trace_file" in (case.get("load") or {}) and (found := _window_problem(case, context)):
                yield ["workloads", w, "test_cases", c, *found[0]], found[1]


def prompt_problems(config: Mapping[str, Any], context: Context | None) -> Iterator[Problem]:
    """Prompts that have no text or do not fit; only the files are looked at where the context is not known."""
    for w, workload in entries(config, "workloads"):
        for c, case in entries(workload, "test_cases"):
            of_case: list[str | int] = ["workloads", w, "test_cases", c]
            if found := _case_problem(case, context):
                yield [*of_case, found[0]], found[1]
    fidelity = config.get("fidelity")
    if context is None or not isinstance(fidelity, dict) or not _is_count(fidelity.get("max_tokens")):
        return
    given = fidelity.get("prompts")
    texts = given if isinstance(given, list) else SHORT_PROMPTS
    problems = [_case_problem({"prompt": text, "max_tokens": fidelity["max_tokens"]}, context) for text in texts]
    if given is None and not all(problems):
        return  # of the built-in ones those that fit are taken
    for index, problem in enumerate(problems):
        if problem:
            place = ["prompts", index] if given and problem[0] == "prompt" else ["max_tokens"]
            yield ["fidelity", *place], problem[1]
