"""Colours that can be told apart, names that fit, labels that do not overlap."""

from __future__ import annotations

import itertools
import math
from xml.etree import ElementTree

import pytest

from benchmark_runner.display import percent
from benchmark_runner.plots.scales import spread
from benchmark_runner.plots.signs import CONTROL_TINT, MARKS, PALETTE, engine_signs, in_order, span, tint
from benchmark_runner.plots.style import headline, new_figure, save, style, wrapped
from benchmark_runner.terminal import visible

# Machado, Oliveira & Fernandes 2009 (IEEE TVCG 15, 1291), severity 1, on linear RGB
SIGHT = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
}
# Differences of 5 in CIE L*a*b* are seen side by side; twice that is asked of marks that lie apart
LEAST_DISTANCE = 10.0


def linear(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


def lab(colour, sight):
    seen = [min(1.0, max(0.0, sum(m * c for m, c in zip(row, linear(colour), strict=True)))) for row in SIGHT[sight]]
    matrix = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    xyz = [sum(m * c for m, c in zip(row, seen, strict=True)) for row in matrix]
    ratios = [value / white for value, white in zip(xyz, (0.9505, 1.0, 1.089), strict=True)]
    f = [r ** (1 / 3) if r > 0.008856 else 7.787 * r + 16 / 116 for r in ratios]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


@pytest.mark.parametrize("sight", sorted(SIGHT))
def test_any_two_engines_can_be_told_apart(sight):
    colours = [*PALETTE, tint(PALETTE[0], CONTROL_TINT)]
    distances = {
        pair: math.dist(lab(pair[0], sight), lab(pair[1], sight)) for pair in itertools.combinations(colours, 2)
    }
    assert {pair: distance for pair, distance in distances.items() if distance < LEAST_DISTANCE} == {}


# Björn Ottosson's OKLab, whose distances are even among blues too, where those of L*a*b* are far too large
CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
OPPONENTS = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
LEAST = {"normal": 0.1, "protanopia": 0.04, "deuteranopia": 0.04}
LEAST_WITH_ONE_MARK = {"normal": 0.19, "protanopia": 0.08, "deuteranopia": 0.08}


def times(matrix, vector):
    return [sum(m * v for m, v in zip(row, vector, strict=True)) for row in matrix]


def oklab(colour, sight):
    seen = [min(1.0, max(0.0, value)) for value in times(SIGHT[sight], linear(colour))]
    return times(OPPONENTS, [value ** (1 / 3) for value in times(CONES, seen)])


@pytest.mark.parametrize("sight", sorted(SIGHT))
def test_twenty_colours_are_evenly_unlike_and_those_that_share_a_mark_the_most(sight):
    for (here, one), (there, other) in itertools.combinations(enumerate(PALETTE), 2):
        least = LEAST if (here - there) % len(MARKS) else LEAST_WITH_ONE_MARK
        assert math.dist(oklab(one, sight), oklab(other, sight)) >= least[sight], (one, other)


def contrast(one, other):
    luminances = [
        sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear(colour), strict=True)) for colour in (one, other)
    ]
    return (max(luminances) + 0.05) / (min(luminances) + 0.05)


@pytest.mark.parametrize("colour", PALETTE)
def test_a_mark_is_seen_on_paper_and_lightened_in_the_dark(colour):
    assert contrast(colour, "#ffffff") >= 2.2
    assert contrast(tint(colour, 0.38), "#15171b") >= 3


ENGINES = [
    {"name": "base", "control_of": None},
    {"name": "other", "control_of": None},
    {"name": "base_control", "control_of": "base"},
]


def test_the_control_is_a_lighter_twin_of_the_baseline_with_its_marker():
    signs = engine_signs(ENGINES)
    assert signs["base_control"].colour == tint(signs["base"].colour, CONTROL_TINT)
    assert signs["base_control"].mark == signs["base"].mark != signs["other"].mark


def test_the_control_stands_beside_its_twin():
    assert [engine["name"] for engine in in_order(ENGINES)] == ["base", "base_control", "other"]


def test_twenty_engines_have_a_colour_each_and_more_still_have_one():
    engines = [{"name": f"e{number}", "control_of": None} for number in range(24)]
    signs = engine_signs(engines)
    assert set(signs) == {engine["name"] for engine in engines}
    assert len({sign.colour for sign in signs.values()}) == 20 and len(set(signs.values())) == 24


def test_long_names_are_broken_at_underscores_and_cut_at_last():
    assert wrapped("pytorch_baseline") == "pytorch_baseline"
    lines = wrapped("llama_cpp_with_a_very_long_name_that_goes_on_and_on").split("\n")
    assert all(len(line) <= 24 for line in lines)
    assert "".join(lines).startswith("llama_cpp_with_a_very_")
    assert wrapped("x" * 200).endswith("…")
    assert wrapped("x" * 200).count("\n") == 2


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"a": 0.5}, "50 % (a)"),
        ({"a": 0.5, "b": 0.75, "c": 0.6}, "from 50 % (a) to 75 % (b)"),
        ({"a": 0.999, "b": 1.001}, "100 % (all)"),
    ],
)
def test_engines_that_the_words_do_not_tell_apart_are_told_together(shares, words):
    assert span(shares, percent) == words


def test_labels_stay_where_they_are_when_there_is_room():
    assert spread([0.1, 0.5, 0.9], 0.2) == [0.1, 0.5, 0.9]


def test_labels_that_would_overlap_are_moved_apart_around_their_centre():
    assert spread([0.5, 0.5], 0.2) == pytest.approx([0.4, 0.6])
    places = spread([0.5, 0.51, 0.52, 0.9], 0.1)
    assert all(b - a >= 0.1 - 1e-9 for a, b in itertools.pairwise(places))
    assert places[3] == 0.9


@pytest.mark.parametrize(
    "words",
    [
        "\x1b[31mred\x07 </script> -- \u202eback",
        "costs $5_{ and $6^",
        "\ud83d \x00",
        "$\\mathdefault{\x1b[31mred}$ $5_{ and $6^",
    ],
)
def test_a_drawing_shows_an_engine_s_words_whatever_they_are(tmp_path, words):
    with style():
        figure = new_figure(3.0)
        headline(figure, "Memory", words)
        save(figure, tmp_path / "plot.svg", "svg")
        save(figure, tmp_path / "plot.png", "png")
    assert [text.get_text() for text in figure.texts] == ["Memory", visible(words)]
    assert ElementTree.parse(tmp_path / "plot.svg").getroot().tag.endswith("svg")
