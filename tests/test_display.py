"""How figures are shown to people."""

from __future__ import annotations

import pytest

from benchmark_runner import display


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (0.012345, "0.0123"),
        (9.996, "10.0"),
        (12.34, "12.3"),
        (123.4, "123"),
        (12345.6, "12,346"),
        (-5.2, "-5.20"),
    ],
)
def test_three_significant_digits(value, shown):
    assert display.significant(value) == shown


@pytest.mark.parametrize(
    ("value_ms", "shown"),
    [
        (None, "—"),
        (0.0, "0 ms"),
        (0.05, "50.0 µs"),
        (12.345, "12.3 ms"),
        (999.0, "999 ms"),
        (1234.0, "1.23 s"),
        (119_000.0, "119 s"),
        (120_000.0, "2.00 min"),
        (7_200_000.0, "2.00 h"),
    ],
)
def test_a_time_is_shown_in_a_unit_that_fits(value_ms, shown):
    assert display.milliseconds(value_ms) == shown


def test_sizes_are_powers_of_ten():
    assert display.bytes_text(538_060_416) == "538 MB"
    assert [display.bytes_text(size) for size in (1_024, 87_040)] == ["1.02 kB", "87.0 kB"]
    assert [display.bytes_text(size) for size in (16, 0, 999)] == ["16 bytes", "0 bytes", "999 bytes"]
    assert display.estimate_text({"point": 768.0, "low": 512.0, "high": 1_024.0}, "bytes") == "768 bytes (512 to 1,024)"
    assert display.bytes_text(1_184_000_000) == "1.18 GB"
    assert display.bytes_text(None) == "—"


def test_an_interval_keeps_the_unit_of_its_point():
    estimate = {"point": 987.0, "low": 951.0, "high": 1025.0}
    assert display.estimate_text(estimate, "ms") == "987 ms (951 to 1,025)"
    assert display.estimate_parts({"point": 2e9, "low": 0.9e9, "high": 3e9}, "bytes") == ("2.00 GB", "0.900 to 3.00")
    assert display.estimate_text({"point": 16.2, "low": None, "high": None}, "tokens/s") == "16.2 tokens/s"
    assert display.estimate_text(None, "ms") == "—"


def test_an_interval_without_width_is_not_shown():
    assert display.estimate_parts({"point": 5.0, "low": 5.0, "high": 5.0}, "ms") == ("5.00 ms", None)


def test_an_interval_whose_ends_read_as_the_point_is_not_shown():
    assert display.estimate_parts({"point": 1.311e9, "low": 1.3095e9, "high": 1.3149e9}, "bytes") == ("1.31 GB", None)
    assert display.estimate_text({"point": 1.311, "low": 1.309, "high": 1.32}, "s") == "1.31 s (1.31 to 1.32)"


@pytest.mark.parametrize(("minutes", "shown"), [(0.00488, "293 ms"), (0.327, "19.6 s"), (201.0, "3.35 h")])
def test_minutes_are_shown_in_a_unit_that_fits(minutes, shown):
    assert display.estimate_text({"point": minutes, "low": None, "high": None}, "minutes") == shown


def test_ratios_are_marked_as_times():
    assert display.ratio_text({"point": 1.234, "low": 1.2, "high": 1.3}) == f"1.23{display.TIMES} (1.20 to 1.30)"
    assert display.ratio_text({"point": 2.0, "low": None, "high": None}) == f"2.00{display.TIMES}"
    assert display.ratio_text(None) == "—"


@pytest.mark.parametrize(
    ("count", "noun", "shown"), [(1, "launch", "1 launch"), (2, "launch", "2 launches"), (0, "case", "0 cases")]
)
def test_nouns_follow_their_number(count, noun, shown):
    assert display.plural(count, noun) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain words", "plain words"),
        ("a\x1b]0;title\x07b", r"a\x1b]0;title\x07b"),
        ("left\u202eright\u2066", r"left\u202eright\u2066"),
        ("\udce4\u2028\x85", r"\udce4\u2028\x85"),
        ("two lines\n\tindented, 2\u202f%, żółć 漢字", "two lines\n\tindented, 2\u202f%, żółć 漢字"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_an_escape(given, shown):
    assert display.visible(given) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("candle_cuda is 1.97 times as fast (1.89 to 2.05)", "candle_cuda is 1.97 times as fast (1.89 to 2.05)"),
        ("<script>x</script> & co", "&lt;script>x&lt;/script> &amp; co"),
        ("> quoted", r"\> quoted"),
        ("lost\n\n## A heading", "lost ## A heading"),
        ("## A heading", r"\## A heading"),
        ("3. third", r"3\. third"),
        ("- item", r"\- item"),
        ("---", r"\---"),
        ("-0.5", "-0.5"),
        ("[here](http://elsewhere.example)", r"\[here\](http://elsewhere.example)"),
        ("a | b `c` *d* ~~e~~ _f_ g_h", r"a \| b \`c\` \*d\* \~\~e\~\~ \_f\_ g_h"),
        ("C:\\new", r"C:\\new"),
        ("bell \x07", r"bell \\x07"),
    ],
)
def test_foreign_words_are_text_in_markdown(given, shown):
    assert display.markdown(given) == shown
    assert display.markdown(display.markdown(given)) == shown


def test_no_cell_leaves_its_table():
    header, _, row = display.markdown_table(["a", "b"], [["x | y\n| z", display.Markdown("~~ours~~ [1]")]])
    assert header == "| a | b |"
    assert row == r"| x \| y \| z | ~~ours~~ [1] |"


def test_no_text_leaves_its_code():
    assert display.markdown_code("a`b|c\n<d>") == r"`a'b\|c <d>`"
    assert display.fenced("x\n````\ny", "yaml") == "`````yaml\nx\n````\ny\n`````"
