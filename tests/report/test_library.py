"""The page's chart library: made once a version, and never believed when what was kept is not whole."""

from __future__ import annotations

import os

import pytest

from benchmark_runner.configuration.cache import own_cache
from benchmark_runner.report import library

MADE = 'var end = "</script>"; window.vegaEmbed = 1;'


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The versions for which the library was made."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    versions: list[str] = []

    def bundle(_snippet, vl_version):
        versions.append(vl_version)
        return MADE

    monkeypatch.setattr(library.vl_convert, "javascript_bundle", bundle)
    yield versions
    library.chart_library.cache_clear()  # the pages of later tests hold the real one


def made_anew() -> str:
    library.chart_library.cache_clear()
    return library.chart_library()


def test_it_is_made_once_and_cannot_end_the_element_that_holds_it(asked):
    assert made_anew() == made_anew() == MADE.replace("</script", "<\\/script")
    assert len(asked) == 1


@pytest.mark.parametrize("change", [lambda text: text[:-1], lambda text: text + " ", lambda _: "", lambda _: "\xff"])
def test_what_is_no_more_as_it_was_kept_is_made_again(asked, change):
    made_anew()
    (kept,) = own_cache().iterdir()
    kept.write_text(change(kept.read_text()), encoding="latin-1")
    assert "<\\/script" in made_anew() and "<\\/script" in made_anew()
    assert len(asked) == 2


def test_a_cache_that_holds_a_pipe_or_takes_no_file_only_costs_the_time(asked):
    made_anew()
    (kept,) = own_cache().iterdir()
    kept.unlink()
    os.mkfifo(kept)
    assert "<\\/script" in made_anew()
    kept.unlink()
    own_cache().rmdir()
    own_cache().write_text("a file where the folder was")
    assert "<\\/script" in made_anew()
    assert len(asked) == 3
