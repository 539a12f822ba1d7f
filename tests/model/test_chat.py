"""Chat templates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model.chat import render

MESSAGES = [{"role": "user", "content": "Hi"}]


def set_template(folder: Path, template: object) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template, "bos_token": "<b>"}))


def test_messages_end_with_the_opening_of_the_answer(model_dir: Path) -> None:
    assert render(model_dir, MESSAGES) == "<s>user:Hi</s><s>assistant:"


def test_a_template_file_goes_before_the_configuration(model_dir: Path) -> None:
    (model_dir / "chat_template.jinja").write_text("{{ messages | tojson }}")
    assert render(model_dir, [{"role": "user", "content": "<é>"}]) == '[{"role": "user", "content": "<é>"}]'


def test_the_default_of_named_templates_is_taken(model_dir: Path) -> None:
    set_template(model_dir, [{"name": "tools", "template": "no"}, {"name": "default", "template": "{{ bos_token }}"}])
    assert render(model_dir, MESSAGES) == "<b>"


def test_a_template_gets_no_clock(model_dir: Path) -> None:
    set_template(model_dir, "{% if strftime_now is defined %}{{ strftime_now('%Y') }}{% else %}fixed{% endif %}")
    assert render(model_dir, MESSAGES) == "fixed"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{% if %}", "refuses the messages"),
        (None, "has no chat template"),
    ],
)
def test_a_template_that_cannot_be_rendered_is_an_error(model_dir: Path, template: object, message: str) -> None:
    set_template(model_dir, template)
    with pytest.raises(BenchmarkError, match=message):
        render(model_dir, MESSAGES)
