"""A finished campaign whose names and messages are hostile, its report as a tree of elements and in a real browser."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from benchmark_runner.doctor.tools import find_chromium
from finished import ENGINES, finish

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE = {"width": 1280, "height": 800}
MOST_SECONDS_TO_DRAW = 30
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


@pytest.fixture(scope="module")
def chromium(request):
    """A browser, or a skip with the remedy; under --require-all a failure."""
    found = find_chromium()
    if found is None:
        reason = "there is no Chromium: apt-get install chromium"
        if request.config.getoption("--require-all", default=False):
            pytest.fail(f"{reason} (--require-all)", pytrace=False)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(found), args=list(FLAGS))
        yield browser
        browser.close()


class Visit:
    """One opened report with what the browser said and asked for meanwhile."""

    def __init__(self, browser, address, **options):
        self.problems, self.requests = [], []
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address)
        self.page.wait_for_function(
            "document.querySelectorAll('.chart').length === document.querySelectorAll('.chart svg').length",
            timeout=MOST_SECONDS_TO_DRAW * 1000,
        )

    def column(self, place):
        cells = self.page.locator(f"table.sortable >> nth=0 >> tbody tr:not([hidden]) >> td:nth-child({place})")
        return [text.split("\n")[0] for text in cells.all_inner_texts()]


@pytest.fixture
def visit(chromium, campaign):
    opened = []

    def open_page(**options):
        opened.append(Visit(chromium, (campaign / "report.html").as_uri(), **({"viewport": WIDE} | options)))
        return opened[-1]

    yield open_page
    for found in opened:
        found.context.close()
