"""What can go wrong, in the protocol's four kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class AdapterError(Exception):
    """Why the adapter ends without done; the message says what went wrong and what would help."""

    kind: ClassVar[str]
    """kind of the error event."""
    exit_status: ClassVar[int]


class EngineError(AdapterError):
    """The engine failed."""

    kind = "internal"
    exit_status = 1


class EngineMemoryError(AdapterError):
    """The engine ran out of memory."""

    kind = "out_of_memory"
    exit_status = 1


class BadSpecError(AdapterError):
    """The spec could not be used."""

    kind = "bad_spec"
    exit_status = 2


class UnsupportedError(AdapterError):
    """The adapter cannot do what the spec asks."""

    kind = "unsupported"
    exit_status = 3


def require_known_options(options: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise UnsupportedError for the first option that the engine does not know."""
    names = sorted(known)
    for name in options:
        if name not in names:
            raise UnsupportedError(f"unknown option {name!r}; this engine knows {', '.join(names) or 'none'}")


def flag_option(options: Mapping[str, Any], name: str) -> bool:
    """An option that is true or false, false where it is absent; raises UnsupportedError where it is something else."""
    value = options.get(name, False)
    if not isinstance(value, bool):
        raise UnsupportedError(f"option {name} is {value!r}; it must be true or false")
    return value
