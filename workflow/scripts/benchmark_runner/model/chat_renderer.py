"""Renders one chat template, as a program of its own: the request on stdin, the text or an error on stdout, as JSON.

It imports nothing of this library, so that it starts fast and may be killed at any point.
"""

from __future__ import annotations

import json
import math
import resource
import sys
from datetime import datetime
from typing import Any, Final, NoReturn

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment

SECONDS: Final = 2
"""Of the processor at least, beyond those of the start; templates take milliseconds (chosen)."""
MEMORY_BYTES: Final = 1 << 29
"""Room for the longest text twice at four bytes a character, and filled well within the seconds (chosen)."""
TEXT_CHARACTERS: Final = 1 << 25
"""More than any context holds (chosen)."""
ERROR_CHARACTERS: Final = 300

DAY: Final = datetime(2024, 7, 26)
"""What strftime_now tells; the day that Llama 3's templates write where they are given no clock."""


class Generation(Extension):
    """The block {% generation %} around the assistant's words, which only training needs: its content."""

    tags = {"generation"}  # noqa: RUF012  as jinja2 declares it

    def parse(self, parser: Parser) -> nodes.Node:
        """A call with a scope of its own, as transformers has it."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_content"), [], [], body).set_lineno(line)

    def _content(self, caller: Macro) -> str:
        return caller()


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # transformers replaces jinja2's filter, which escapes for HTML.
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _limit() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime) + SECONDS
    for kind, limit in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _render(request: dict[str, Any]) -> str:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals |= {"raise_exception": _raise_exception, "strftime_now": DAY.strftime}
    text = environment.from_string(request["template"]).render(
        messages=request["messages"],
        tools=None,
        documents=None,
        add_generation_prompt=True,
        **request["special_tokens"],
    )
    if len(text) > TEXT_CHARACTERS:
        raise ValueError(f"it writes {len(text)} characters")
    text.encode()
    return text


def main() -> None:
    """Answer the request on stdin."""
    request = json.load(sys.stdin)
    _limit()
    try:
        answer = {"text": _render(request)}
    except TemplateError as error:
        answer = {"error": " ".join(str(error).split())}
    except Exception as error:  # noqa: BLE001  a template is a program that may raise anything
        answer = {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"}
    if "error" in answer:
        answer["error"] = answer["error"][:ERROR_CHARACTERS]
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
