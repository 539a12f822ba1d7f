"""A model's chat template, rendered the way transformers renders it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model.checkpoint import optional_object

SPECIAL_TOKEN_ROLES = ("bos_token", "eos_token", "pad_token", "unk_token")


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _to_json(value: Any, indent: int | None = None) -> str:
    # transformers replaces jinja2's filter, which escapes for HTML.
    return json.dumps(value, ensure_ascii=False, indent=indent)


def template_source(folder: Path) -> str:
    """The chat template's text; raises BenchmarkError where the model has none."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    template = optional_object(folder, "tokenizer_config.json").get("chat_template")
    if isinstance(template, list):  # named templates; "default" is the one for chat
        template = {entry.get("name"): entry.get("template") for entry in template}.get("default")
    if not isinstance(template, str):
        raise BenchmarkError(f"{folder} has no chat template, which a prompt of messages needs; use a string")
    return template


def special_tokens(folder: Path) -> dict[str, str]:
    """Texts of the special tokens that templates refer to by role."""
    config = optional_object(folder, "tokenizer_config.json")
    tokens = {}
    for role in SPECIAL_TOKEN_ROLES:
        value = config.get(role)
        if isinstance(value, dict):  # an AddedToken written out
            value = value.get("content")
        if isinstance(value, str):
            tokens[role] = value
    return tokens


def render(folder: Path, messages: Sequence[Mapping[str, str]]) -> str:
    """Prompt text of the messages, with the opening of the assistant's answer.

    No clock is given to the template, so that the text is the same on each day. Raises BenchmarkError where
    the model has no template or the template refuses the messages.
    """
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    try:
        template = environment.from_string(template_source(folder))
        return template.render(messages=messages, add_generation_prompt=True, **special_tokens(folder))
    except TemplateError as error:
        raise BenchmarkError(f"the chat template of {folder} refuses the messages: {error}") from error
