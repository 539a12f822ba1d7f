"""A model's chat template, rendered to the text that transformers' apply_chat_template gives.

Where transformers 5.23 takes template and special tokens from was read in its tokenization_utils_base.py, what a
template sees in its chat_template_utils.py. One thing differs: strftime_now gives a fixed day, so that a prompt is the
same whenever it is rendered.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError, shown
from benchmark_runner.model.checkpoint import NAMED_TEMPLATES
from benchmark_runner.model.llama_config import optional_object

ROLES: Final = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
ROLE_ENDING: Final = "_token"

RENDERER: Final = Path(__file__).with_name("chat_renderer.py")
PATIENCE_SECONDS: Final = 120.0
"""For a machine that is busy; the renderer's own limit is in seconds of the processor."""


def _file_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"the chat template {path} cannot be read as UTF-8 text: {error}") from error


def _templates(folder: Path) -> Any:
    """What names a template: a text, texts by name, a list of such, or None; files go before tokenizer_config.json."""
    beside = [path for path in sorted(folder.glob(f"{NAMED_TEMPLATES}/*.jinja")) if path.is_file()]
    named = {path.name.removesuffix(".jinja"): path for path in beside}
    if (folder / "chat_template.jinja").is_file():
        named["default"] = folder / "chat_template.jinja"
    if named:
        return {name: _file_text(path) for name, path in named.items()}
    found = optional_object(folder, "tokenizer_config.json").get("chat_template")
    # The last is where processors keep it, which tokenizers do not read.
    return optional_object(folder, "chat_template.json").get("chat_template") if found is None else found


def template_source(folder: Path) -> str:
    """The chat template's text; raises BenchmarkError where the model has none."""
    found = _templates(folder)
    if isinstance(found, list) and all(isinstance(entry, dict) for entry in found):
        found = {str(entry.get("name")): entry.get("template") for entry in found}
    if isinstance(found, dict) and "default" not in found:
        raise BenchmarkError(
            f"the chat template of {folder} is one of several without a default ({shown(sorted(found))}); "
            "use a string as prompt"
        )
    text = found["default"] if isinstance(found, dict) else found
    if text is None:
        raise BenchmarkError(f"{folder} has no chat template, which a prompt of messages needs; use a string")
    if not isinstance(text, str):
        raise BenchmarkError(f"the chat template of {folder} is {shown(text)}, which is no text")
    return text


def special_tokens(folder: Path) -> dict[str, str]:
    """Texts of the special tokens that templates refer to by role."""
    config = optional_object(folder, "tokenizer_config.json")
    if "added_tokens_decoder" not in config:  # with it, transformers passes the old file over
        config |= optional_object(folder, "special_tokens_map.json")
    roles = [*ROLES, *(key for key, value in config.items() if key.endswith(ROLE_ENDING) and isinstance(value, str))]
    further = config.get("extra_special_tokens")
    config |= further if isinstance(further, dict) else {}
    roles += further if isinstance(further, dict) else []
    values = {role: config.get(role) for role in roles}
    texts = {role: value.get("content") if isinstance(value, dict) else value for role, value in values.items()}
    return {role: text for role, text in texts.items() if isinstance(text, str)}


def render(folder: Path, messages: Sequence[Mapping[str, Any]]) -> str:
    """Prompt text of the messages, with the opening of the assistant's answer.

    The template is a program of the model's author: it runs in a process of its own with little time and memory. Raises
    BenchmarkError where the model has no template, or the template fails in any way.
    """
    request = {"template": template_source(folder), "messages": messages, "special_tokens": special_tokens(folder)}
    command = [sys.executable, "-I", str(RENDERER)]
    try:
        ended = subprocess.run(
            command, input=json.dumps(request), capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(f"the chat template of {folder} takes too long; use a string as prompt") from error
    if ended.returncode == -signal.SIGXCPU:
        raise BenchmarkError(f"the chat template of {folder} takes too much time to render; use a string as prompt")
    if ended.returncode != 0:
        raise BenchmarkError(
            f"the chat template of {folder} ends the process that renders it (status {ended.returncode}); "
            "use a string as prompt"
        )
    answer: dict[str, str] = json.loads(ended.stdout)
    if "error" in answer:
        raise BenchmarkError(f"the chat template of {folder} refuses the messages: {answer['error']}")
    return answer["text"]
