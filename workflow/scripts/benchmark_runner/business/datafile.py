"""Hand-kept YAML files of dated facts: read with dates as text and checked against their schema."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import yaml

from benchmark_runner.configuration.plain import require_bounded
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.namedfile import read_named_text
from benchmark_runner.schemas import require_valid


class _DatesAsText(yaml.SafeLoader):
    """YAML whose dates stay text, so that the schema judges them and the document can hold them."""


_DatesAsText.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_data_file(path: Path, schema_name: str, remedy: str) -> Any:
    """Content of a YAML file that keeps its schema; raises BenchmarkError where it is missing or broken."""
    try:
        text = read_named_text(path)
        require_bounded(yaml.compose(text))
        content = yaml.load(text, Loader=_DatesAsText)
    except BenchmarkError as error:
        raise BenchmarkError(f"{path}: {error}; {remedy}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise BenchmarkError(f"{path} is not valid YAML: {error}") from error
    require_valid(schema_name, content, str(path))
    return content


def parse_date(text: str, where: str) -> datetime.date:
    """Date of a text year-month-day; raises BenchmarkError that says where it stands."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise BenchmarkError(f"{where}: {text} is no date; write year-month-day") from error
