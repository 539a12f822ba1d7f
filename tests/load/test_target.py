"""Where requests go: a base URL as it is written."""

from __future__ import annotations

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.load.connection import target_of


def test_localhost_is_never_looked_up():
    assert target_of("http://localhost:8000/base/").address == ("127.0.0.1", 8000)


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://127.0.0.1:port"])
def test_a_base_url_that_is_none_is_named(url):
    with pytest.raises(BenchmarkError, match=url):
        target_of(url)
