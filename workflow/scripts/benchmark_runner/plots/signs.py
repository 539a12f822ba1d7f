"""What stands for an engine in plots and on the page: one colour and one mark, in one order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmark_runner.checked import FAIL
from benchmark_runner.display import STRUCK

# Told apart under normal sight, deuteranopia and protanopia (tests/plots simulate all): six of Okabe & Ito's and Tol's,
# then those of a grid that lie farthest from all others in OKLab under each sight, on paper and lightened for the dark.
# Engines that share a mark, eight places apart, have colours that lie farther from each other still.
PALETTE: Final = (
    *("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#882255", "#0000BB", "#BB00FF", "#004400", "#FF44EE"),
    *("#DD0022", "#2299FF", "#550077", "#888844", "#8844DD", "#995555", "#66BB55", "#5500EE", "#444499", "#CC0088"),
)
MARKS: Final[Mapping[str, tuple[str, str]]] = {
    "o": ("circle", "M-.8 0A.8 .8 0 1 1 .8 0A.8 .8 0 1 1-.8 0Z"),
    "s": ("square", "M-.75-.75H.75V.75H-.75Z"),
    "^": ("triangle", "M0-.95L.95 .8H-.95Z"),
    "D": ("diamond", "M0-1L1 0L0 1L-1 0Z"),
    "v": ("nabla", "M0 .95L.95-.8H-.95Z"),
    "P": ("plus", "M-.35-1H.35V-.35H1V.35H.35V1H-.35V.35H-1V-.35H-.35Z"),
    "X": ("cross", "M-.5-1L0-.5L.5-1L1-.5L.5 0L1 .5L.5 1L0 .5L-.5 1L-1 .5L-.5 0L-1-.5Z"),
    "*": ("star", "M0-1L.26-.35L.95-.31L.42 .14L.59 .81L0 .44L-.59 .81L-.42 .14L-.95-.31L-.26-.35Z"),
}
"""By matplotlib's marker: the same mark's name and path, two units wide around 0, for pages."""
CONTROL_TINT: Final = 0.55  # share of white in the control's colour: clearly the twin, still 2:1 against paper (chosen)


def tint(colour: str, share: float) -> str:
    """A colour mixed with white; share 0 leaves it, 1 is white."""
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(channel + (255 - channel) * share):02x}" for channel in channels)


@dataclass(frozen=True)
class Sign:
    """What stands for an engine: a colour, and a mark for whoever cannot tell colours apart."""

    colour: str
    marker: str

    @property
    def mark(self) -> str:
        """Name of the mark on a page."""
        return MARKS[self.marker][0]

    @property
    def path(self) -> str:
        """The mark as a path, two units wide around 0."""
        return MARKS[self.marker][1]


def engine_signs(engines: Sequence[Mapping[str, Any]]) -> dict[str, Sign]:
    """Sign of each engine of the campaign, by its place among those that are no control; a control has the mark of what
    it controls, and a lighter twin of its colour."""
    own = [engine["name"] for engine in engines if engine["control_of"] is None]
    markers = list(MARKS)
    found = {name: Sign(PALETTE[place % len(PALETTE)], markers[place % len(markers)]) for place, name in enumerate(own)}
    for engine in engines:
        if engine["control_of"] is not None:
            twin = found.get(engine["control_of"], Sign(PALETTE[0], markers[0]))
            found[engine["name"]] = Sign(tint(twin.colour, CONTROL_TINT), twin.marker)
    return found


def with_signs(engines: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], str, str]]:
    """(engine, colour, marker) of each engine in order."""
    signs = engine_signs(engines)
    return [(engine, signs[engine["name"]].colour, signs[engine["name"]].marker) for engine in in_order(engines)]


def is_struck(engine: Mapping[str, Any]) -> bool:
    """Whether an engine of the statistics computes something else, so that its figures are no answer."""
    return bool((engine["fidelity"] or {}).get("result") == FAIL)


def shown_name(engine: Mapping[str, Any]) -> str:
    """Name of an engine beside a line, and that it is struck where it is."""
    return f"{engine['name']} ({STRUCK})" if is_struck(engine) else str(engine["name"])


def in_order(engines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Engines as the campaign lists them, but each control right after what it controls."""
    ordered = []
    for engine in engines:
        if engine["control_of"] is None:
            ordered += [engine, *(other for other in engines if other["control_of"] == engine["name"])]
    return ordered + [engine for engine in engines if engine not in ordered]


def span(values: Mapping[str, float], in_words: Callable[[float], str]) -> str:
    """ "from 1 GB (a) to 2 GB (b)", or "1 GB (a)" of a single engine and "1 GB (all)" where the words tell none apart;
    values by engine, at least one."""
    least, most = (pick(values, key=lambda name: values[name]) for pick in (min, max))
    low, high = (in_words(values[name]) for name in (least, most))
    if low == high:
        return f"{low} ({least if len(values) == 1 else 'all'})"
    return f"from {low} ({least}) to {high} ({most})"
