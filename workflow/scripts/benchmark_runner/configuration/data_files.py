"""YAML files beside the configuration that people write, each with a schema: prices, facts, adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from benchmark_runner.configuration.files import dotted, read_document
from benchmark_runner.configuration.plain import plain_copy
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.schemas import require_valid


class _DatesAsText(yaml.FullLoader):
    """YAML whose dates stay text, so that the schema judges them and the document can hold them."""


_DatesAsText.add_constructor("tag:yaml.org,2002:timestamp", lambda _loader, node: str(node.value))


def read_map(path: Path, remedy: str) -> Any:
    """Content of a YAML file, a map of keys; raises BenchmarkError where it is missing or broken."""
    try:
        document = read_document(path)
    except BenchmarkError as error:
        raise BenchmarkError(f"{error}; {remedy}") from None
    content, unplain = plain_copy(_DatesAsText("").construct_document(document.root) if document.root else None)
    wrong = [f":{line}: {words}" for line, words in document.problems]
    wrong += [f": {dotted(place)}: {words}" for place, words in unplain]
    for words in wrong:
        raise BenchmarkError(f"{path}{words}; {remedy}")
    return content


def read_data_file(path: Path, schema_name: str, remedy: str) -> Any:
    """The same of a file that keeps its schema."""
    content = read_map(path, remedy)
    require_valid(schema_name, content, str(path))
    return content
