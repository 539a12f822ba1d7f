"""Below the first screen: what is folded, where tokens part, and files that are linked."""

from __future__ import annotations

import re
from types import SimpleNamespace

from benchmark_runner.report.results import partings


def fidelity_of(engine, *prompts):
    keys = ("prompt", "agreed", "of", "first_divergence", "reference_margin")
    return {"engine": engine, "prompts": [dict(zip(keys, prompt, strict=True)) for prompt in prompts]}


def test_each_prompt_whose_tokens_part_is_told_with_its_first_token():
    checked = (
        fidelity_of("same", ("One", 8, 8, None, None)),
        fidelity_of("other", ("One", 8, 8, None, None), ("Two " * 40, 3, 8, 3, 0.00125)),
    )
    table = partings(SimpleNamespace(fidelity=checked, colours={}))
    ((engine, prompt, agreed, first, margin),) = table.rows
    assert (engine.text, agreed.text, first.text, margin.text) == ("other", "3 of 8", "4", "0.00125")
    assert len(prompt.text) < 100


def test_every_file_that_is_linked_lies_beside_the_page(page, campaign):
    section = page.text.partition('<h2 id="downloads">')[2].partition("</section>")[0]
    links = re.findall(r'<a href="([^"#]+)"', section)
    assert "raw_data/candle_cuda.json" in links
    assert [link for link in links if not (campaign / link).exists()] == []


def test_what_is_long_is_folded_and_can_be_linked(page):
    folded = re.findall(r'<summary><h2 id="([a-z-]+)">', page.text)
    assert folded == ["fidelity", "settings", "control", "launches", "environment", "reproduce", "glossary"]
