"""What was found out about one thing that a measurement may need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

State = Literal["there", "limited", "missing"]

PHYSICAL_MACHINE: Final = "measure on a physical machine, or ask for a virtual one that passes it on"


class Lack(NamedTuple):
    """One thing that is not as a measurement would like it."""

    reason: str
    cost: str
    """What a result loses by it."""
    remedy: str


@dataclass(frozen=True)
class Finding:
    """One line of the table: what there is, and what is lacking; `missing` where there is nothing at all.

    Raises ValueError unless exactly the values that are None stand in absent, each with its reason.
    """

    check: str
    title: str
    found: str | None
    values: Mapping[str, Any] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    lacks: Sequence[Lack] = ()

    @classmethod
    def missing(cls, check: str, title: str, names: Sequence[str], lack: Lack) -> Finding:
        """Nothing at all: the values of these names are absent for the lack's reason."""
        return cls(check, title, None, dict.fromkeys(names), dict.fromkeys(names, lack.reason), [lack])

    def __post_init__(self) -> None:
        """See that it is whole."""
        if {name for name, value in self.values.items() if value is None} != set(self.absent):
            raise ValueError(
                f"{self.check}: the values {self.values} and the reasons {self.absent} do not fit each other"
            )
        if self.found is None and not self.lacks:
            raise ValueError(f"{self.check}: nothing was found, and no reason says why")

    @property
    def state(self) -> State:
        """Whether it is there, there with limits, or missing."""
        if self.found is None:
            return "missing"
        return "limited" if self.lacks else "there"

    def as_json(self) -> dict[str, Any]:
        """The finding's entry in doctor.json."""
        return {
            "check": self.check,
            "title": self.title,
            "state": self.state,
            "found": self.found,
            "values": dict(self.values),
            "absent": dict(self.absent),
            "lacks": [lack._asdict() for lack in self.lacks],
        }
