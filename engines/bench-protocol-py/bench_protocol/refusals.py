"""What an adapter's capabilities exclude, found before anything is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench_protocol.failure import BadSpecError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bench_protocol.engine import Capabilities
    from bench_protocol.spec import Case, Spec


PLACES_OF: Final = {"closed": "concurrency", "open": "slots"}
"""Key of a load that tells how many requests are served at once, by its mode."""


def _refuse_load(mode: str, places: int, can: Capabilities, where: str = "load") -> None:
    if mode not in can.load_modes:
        raise UnsupportedError(f"{where}.mode {mode!r} is asked for; this engine has {', '.join(can.load_modes)}")
    if places > can.max_concurrency:
        key = f"{where}.{PLACES_OF[mode]}"
        raise UnsupportedError(f"{key} {places} is asked for; this engine serves {can.max_concurrency}")


def _refuse_case(spec: Spec, case: Case, can: Capabilities, where: str) -> None:
    sampling = case.sampling
    if case.load is not None:
        _refuse_load(case.load.mode, case.load.places, can, f"{where}.load")
        if can.max_concurrency == 1:
            raise UnsupportedError(f"{where} has a load; this engine serves one request after the other")
        if case.forced_ids is not None or spec.logits_path is not None or spec.options.get("margins"):
            raise UnsupportedError(f"{where}: requests under load have neither forced_ids, logits nor margins")
    if case.ignore_eos and not can.ignore_eos:
        raise UnsupportedError(f"{where}: this engine cannot go on past an end-of-sequence id (ignore_eos)")
    if case.forced_ids is not None and not can.teacher_forcing:
        raise UnsupportedError(f"{where}: this engine takes back only the ids that it chose (forced_ids)")
    wanted = ["greedy"] if sampling.is_greedy else ["temperature"]
    if not sampling.is_greedy and sampling.top_p < 1:
        wanted.append("top_p")
    for way in wanted:
        if way not in can.sampling:
            raise UnsupportedError(f"{where}: sampling {way} is asked for; this engine has {', '.join(can.sampling)}")


def refuse(spec: Spec, can: Capabilities) -> None:
    """Raise UnsupportedError for the first thing that the spec asks for and the capabilities exclude."""
    kind = spec.device.partition(":")[0]
    if kind not in can.devices:
        raise UnsupportedError(f"device {spec.device} is asked for; this build can use {', '.join(can.devices)} here")
    if spec.dtype not in can.dtypes:
        raise UnsupportedError(f"dtype {spec.dtype} is asked for; this engine computes in {', '.join(can.dtypes)}")
    _refuse_load(spec.load.mode, spec.load.concurrency, can)
    if spec.logits_path is not None and not can.logits:
        raise UnsupportedError("logits_path is set; this engine gives no logits")
    for index, case in enumerate(spec.cases):
        _refuse_case(spec, case, can, f"cases[{index}]")


def require_files(folder: Path, names: Iterable[str]) -> None:
    """Raise BadSpecError for the first name that is no file of the model's folder."""
    for name in names:
        if not (folder / name).is_file():
            raise BadSpecError(f"model_dir {folder} holds no {name}")


def require_known_ids(cases: Sequence[Case], vocabulary: int) -> None:
    """Raise BadSpecError for the first id that a model of so many tokens does not know."""
    for number, case in enumerate(cases):
        highest = max((*case.prompt_ids, *(case.forced_ids or ()), *map(max, case.prompts)))
        if highest >= vocabulary:
            raise BadSpecError(f"cases[{number}] has id {highest}; the model knows {vocabulary} tokens")
