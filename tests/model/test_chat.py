"""Chat templates."""

from __future__ import annotations

import json
import os
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


def test_the_clock_of_a_template_always_shows_one_day(model_dir: Path) -> None:
    set_template(model_dir, "{{ strftime_now('%d %b %Y') }}")
    assert render(model_dir, MESSAGES) == "26 Jul 2024"


def test_a_template_sees_what_transformers_shows_it(model_dir: Path) -> None:
    # The texts are what transformers 5.23 made of the same folder.
    template = (
        "{%- for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}"
        "{% if loop.last %}{% break %}{% endif %}{% endfor %}\n"
        "  {% if tools is none and documents is none %}\nnone\n  {% endif %}\n"
        "{{ tools is defined }}{{ add_generation_prompt }}{{ other is defined }}"
        "{{ {'b': 1, 'a': '<'} | tojson(sort_keys=true, separators=(',', ':')) }}"
    )
    set_template(model_dir, template)
    assert render(model_dir, MESSAGES) == 'Hinone\nTrueTrueFalse{"a":"<","b":1}'


def test_what_is_set_within_a_generation_block_stays_there(model_dir: Path) -> None:
    set_template(model_dir, "{% set x = 1 %}{% generation %}{% set x = 2 %}{% endgeneration %}{{ x }}")
    assert render(model_dir, MESSAGES) == "1"


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"tokenizer_config.json": {"chat_template": {"default": "one of a table"}}}, "one of a table"),
        ({"additional_chat_templates/default.jinja": "of the folder"}, "of the folder"),
        (
            {"additional_chat_templates/rag.jinja": "no", "chat_template.jinja": "file\r\nof its own\n"},
            "file\nof its own",
        ),
        ({"tokenizer_config.json": {}, "chat_template.json": {"chat_template": "a processor's"}}, "a processor's"),
        ({"tokenizer_config.json": {"chat_template": ""}}, ""),
    ],
)
def test_a_template_is_found_in_each_of_its_places(model_dir: Path, files: dict[str, object], text: str) -> None:
    write(model_dir, files)
    assert render(model_dir, MESSAGES) == text


@pytest.mark.parametrize(
    ("files", "text"),
    [
        (
            {"tokenizer_config.json": {"bos_token": "b", "eos_token": None, "image_token": "i", "add_bos_token": 1}},
            "b--i",
        ),
        (
            {"tokenizer_config.json": {"eos_token": "old"}, "special_tokens_map.json": {"eos_token": {"content": "e"}}},
            "-e-",
        ),
        (
            {
                "tokenizer_config.json": {"eos_token": "new", "added_tokens_decoder": {}},
                "special_tokens_map.json": {"eos_token": "old"},
            },
            "-new-",
        ),
        ({"tokenizer_config.json": {"extra_special_tokens": {"image_token": "x"}}}, "--x"),
    ],
)
def test_special_tokens_are_those_that_transformers_finds(model_dir: Path, files: dict[str, object], text: str) -> None:
    write(model_dir, {**files, "chat_template.jinja": "{{ bos_token }}-{{ eos_token }}-{{ image_token }}"})
    assert render(model_dir, MESSAGES) == text


def write(folder: Path, files: dict[str, object]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes((content if isinstance(content, str) else json.dumps(content)).encode())


LONG = "{% for a in range(90000) %}{% for b in range(90000) %}{{ 'word' if a == b }}{% endfor %}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ raise_exception('roles must\nalternate') }}", "refuses the messages: roles must alternate"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{% if %}", "refuses the messages"),
        ("{{ messages[0].content / 2 }}", "TypeError"),
        ("{{ none.x.y }}", "no attribute"),
        ("{{ 5 % 0 }}", "ZeroDivisionError"),
        ("{% import 'a' as b %}", "no loader"),
        ("{{ 'ab' * 9000000000 }}", "MemoryError"),
        ("{% set x = namespace(v='x') %}{% for i in range(60) %}{% set x.v = x.v + x.v %}{% endfor %}", "MemoryError"),
        ("{{ messages[0].role * 10000000 }}", "it writes 40000000 characters"),
        ("{{ 99999 ** 99999999 }}", "takes too much time"),
        (LONG, "takes too much time"),
        ("{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}", "RecursionError"),
        ("{{ " + "(" * 20000 + "1" + ")" * 20000 + " }}", "the chat template of"),
        ("{{ '\\ud800' }}", "UnicodeEncodeError"),
        (None, "has no chat template"),
        (7, "chat template of .* is 7, which is no text"),
        ([{"name": "tools", "template": "t"}], "without a default"),
        ([3], "which is no text"),
    ],
)
def test_a_template_that_cannot_be_rendered_is_an_error_of_one_line(
    model_dir: Path, template: object, words: str
) -> None:
    set_template(model_dir, template)
    with pytest.raises(BenchmarkError, match=words) as caught:
        render(model_dir, MESSAGES)
    assert str(model_dir) in str(caught.value)
    assert "chat template" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 600


def test_a_template_file_that_is_no_text_is_named(model_dir: Path) -> None:
    (model_dir / "chat_template.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(BenchmarkError, match=r"the chat template .*chat_template\.jinja cannot be read as UTF-8"):
        render(model_dir, MESSAGES)


def test_a_template_that_is_a_pipe_is_not_waited_for(model_dir: Path) -> None:
    (model_dir / "additional_chat_templates").mkdir()
    os.mkfifo(model_dir / "additional_chat_templates" / "rag.jinja")
    assert render(model_dir, MESSAGES) == "<s>user:Hi</s><s>assistant:"
