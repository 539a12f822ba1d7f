"""The page without a mouse: the Tab key reaches each control, shows where it is, and keys do what a click does."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser

REACHABLE = "a[href], button, select, input, summary, [tabindex='0']"
MOST_STEPS = 400
SHOWN = """element => {
  const style = getComputedStyle(element), box = element.getBoundingClientRect();
  const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
  return box.width > 0 && (outlined || style.boxShadow !== 'none');
}"""


def mark_controls(page):
    """Number each control that can be seen, and give back how many there are."""
    return page.evaluate(
        """wanted => {
          const seen = [...document.querySelectorAll(wanted)].filter(one => one.checkVisibility() && !one.disabled);
          seen.forEach((one, number) => one.dataset.control = number);
          return seen.length;
        }""",
        REACHABLE,
    )


def focused(page):
    return page.evaluate("document.activeElement.dataset.control ?? null")


def test_tab_reaches_every_control_once_in_their_order_and_shows_where_it_is(visit):
    page = visit().page
    controls = mark_controls(page)
    assert 30 < controls < MOST_STEPS
    reached = []
    for _ in range(controls):
        page.keyboard.press("Tab")
        reached.append(focused(page))
        assert page.evaluate_handle("document.activeElement").as_element().evaluate(SHOWN), reached[-1]
    assert reached == [str(number) for number in range(controls)]


def test_every_folded_part_opens_and_closes_by_its_key(visit):
    page = visit().page
    folded = page.locator("details:visible")
    assert folded.count() > 5
    for one in folded.all():
        one.locator("> summary").focus()
        for wanted in (True, False):
            page.keyboard.press("Enter")
            assert one.evaluate("one => one.open") is wanted


def test_filters_engines_and_metrics_are_chosen_by_keys(visit):
    page = visit().page
    for name in ("where", "metric"):
        choice = page.locator(f"#filter-{name}")
        before = choice.input_value()
        choice.focus()
        page.keyboard.press("ArrowDown")
        assert choice.input_value() != before
    address = page.url
    engine = page.locator("#filter-engines button").first
    pressed = engine.get_attribute("aria-pressed")
    engine.focus()
    page.keyboard.press("Space")
    assert engine.get_attribute("aria-pressed") != pressed and page.url != address
    page.keyboard.press("Space")
    assert engine.get_attribute("aria-pressed") == pressed


def test_the_explorer_is_filled_and_reset_by_keys(visit):
    page = visit().page
    field = page.locator("#explorer-price")
    field.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("3.5")
    page.keyboard.press("Tab")
    assert field.input_value() == "3.5" and "3.5" in page.url
    with_price = page.locator("#explorer-table").inner_text()
    page.locator("#explorer-reset").focus()
    page.keyboard.press("Enter")
    assert page.locator("#explorer-table").inner_text() != with_price and "3.5" not in page.url
