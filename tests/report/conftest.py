"""A finished campaign whose names and messages are hostile, and its report as a tree of elements."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from finished import ENGINES, finish

HOSTILE = "</script><script>alert('owned')</script><img src=x onerror=alert(1)> & \"quotes\""


class Page(HTMLParser):
    """Text of a page by section, cells of its tables by caption, and what it would fetch."""

    def __init__(self, text):
        super().__init__()
        self.text = text
        self.tables = {}
        self.images = []
        self.fetched = []
        self.scripts = []
        self.ids = []
        self.headings = []
        self._open = []
        self._words = []
        self._caption = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        if "id" in named:
            self.ids.append(named["id"])
        source = named.get("src") or (named.get("href") if tag == "link" else None)
        if source is not None and not source.startswith("data:"):
            self.fetched.append(source)
        if tag == "img":
            self.images.append(named)
        if tag in ("script", "caption", "td", "th", "h1", "h2", "h3"):
            self._words = []
        if tag == "tr" and self._caption is not None:
            self.tables[self._caption].append([])
        self._open.append(tag)

    def handle_endtag(self, tag):
        words = " ".join("".join(self._words).split())
        if tag == "caption":
            self._caption = words
            self.tables[words] = []
        elif tag in ("td", "th") and self._caption is not None:
            self.tables[self._caption][-1].append(words)
        elif tag == "script":
            self.scripts.append("".join(self._words))
        elif tag in ("h1", "h2", "h3"):
            self.headings.append((int(tag[1]), words))
        elif tag == "table":
            self._caption = None

    def handle_data(self, data):
        self._words.append(data)

    def table(self, caption_part):
        """Rows (without the headings) of the one table whose caption holds the words."""
        found = [rows for caption, rows in self.tables.items() if caption_part in caption]
        assert len(found) == 1, sorted(self.tables)
        return [row for row in found[0][1:] if row]


@pytest.fixture(scope="session")
def campaign(tmp_path_factory):
    """A quick look with a fast engine, one that cannot be built for a hostile reason, and a control."""
    engines = [replace(engine, unavailable=HOSTILE) if engine.unavailable else engine for engine in ENGINES]
    return finish(tmp_path_factory.mktemp("reported"), engines, quick=True)


@pytest.fixture(scope="session")
def page(campaign):
    return Page((campaign / "report.html").read_text(encoding="utf-8"))
