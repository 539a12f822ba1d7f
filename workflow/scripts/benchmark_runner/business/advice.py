"""Advice that follows from verdicts: none where the data do not separate the engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

FIRM_VERDICTS: Final = frozenset({"confirmed_faster", "meaningfully_faster"})
DISTRUSTED_FIDELITY: Final = frozenset({"fail"})
# What a qualifier of a verdict means to a reader; the words stand behind "but".
QUALIFIER_WORDS: Final = {
    "outlier_sensitive": "it changes when outliers are left out",
    "noisy": "the measurements are noisy",
    "drift": "the machine drifted while it was measured",
    "control_differs": "the baseline also differs from its own control",
    "fidelity_fail": "one of the two did not compute the same model",
    "unpaired": "the launches were not run in common blocks",
    "not_steady": "the engine was not at a steady pace",
    "fidelity_unchecked": "nobody knows whether both compute the same model",
    "settings_differ": "the two ran with different settings",
}


def recommendations(statistics: dict[str, Any], performance: dict[str, Any]) -> list[dict[str, Any]]:
    """One statement a workload and case, then the engines that are out on fidelity.

    Each is {kind, workload, case, engine, strength, sentence, because}: strength is firm, provisional or none; because
    lists the verdicts that it follows from. Only primary comparisons of whole-request latency count.
    """
    metric = performance["headline"]["latency"]["metric"]
    control_names = {engine["name"] for engine in statistics["engines"] if engine["control_of"]}
    pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for comparison in statistics["comparisons"]:
        involved = {comparison["engine"], comparison["reference"]}
        if comparison["metric"] == metric and comparison["kind"] != "control" and not involved & control_names:
            pairs.setdefault((comparison["workload"], comparison["case"]), []).append(comparison)
    failed = {e["name"] for e in statistics["engines"] if (e["fidelity"] or {}).get("result") in DISTRUSTED_FIDELITY}
    found = [_for_case(workload, case, found, failed) for (workload, case), found in sorted(pairs.items())]
    found += [_for_failed(name) for name in sorted(failed)]
    return found or [
        _statement("latency", None, None, None, "none", "No two engines were measured, so there is no advice.", [])
    ]


def _for_case(workload: str, case: str, pairs: Sequence[dict[str, Any]], failed: set[str]) -> dict[str, Any]:
    best = [name for name in _unbeaten(pairs) if name not in failed]
    if len(best) == 1:
        return _advise(workload, case, best[0], pairs)
    if all(pair["verdict"] == "equivalent" for pair in pairs):
        sentence = (
            f"On {workload} ({case}) the engines are equally fast within the margin: choose by memory, cost or risk."
        )
        return _statement("latency", workload, case, None, "firm", sentence, pairs)
    undecided = [pair for pair in pairs if pair["verdict"] not in FIRM_VERDICTS | {"equivalent"}]
    named = "; ".join(f"{p['engine']} against {p['reference']}: {p['verdict'].replace('_', ' ')}" for p in undecided)
    why = f"the data do not separate the engines ({named or 'no winner'})"
    sentence = f"On {workload} ({case}) there is no advice, since {why}."
    return _statement("latency", workload, case, None, "none", sentence, pairs)


def _unbeaten(pairs: Sequence[dict[str, Any]]) -> list[str]:
    """Engines that were called faster, firmly, than every engine they were compared with and that compare with all."""
    names = {name for pair in pairs for name in (pair["engine"], pair["reference"])}
    wins: dict[str, set[str]] = {name: set() for name in names}
    for pair in pairs:
        if pair["verdict"] in FIRM_VERDICTS and pair["faster"]:
            loser = pair["reference"] if pair["faster"] == pair["engine"] else pair["engine"]
            wins[pair["faster"]].add(loser)
    return sorted(name for name in names if wins[name] == names - {name})


def _advise(workload: str, case: str, engine: str, pairs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    own = [pair for pair in pairs if engine in (pair["engine"], pair["reference"])]
    doubts = sorted({qualifier for pair in own for qualifier in pair["qualifiers"]})
    sentence = f"On {workload} ({case}) use {engine}: " + "; ".join(pair["sentence"].rstrip(".") for pair in own) + "."
    if doubts:
        sentence += (
            " But " + ", and ".join(QUALIFIER_WORDS.get(doubt, doubt.replace("_", " ")) for doubt in doubts) + "."
        )
    return _statement("latency", workload, case, engine, "provisional" if doubts else "firm", sentence, own)


def _for_failed(name: str) -> dict[str, Any]:
    sentence = f"{name} is not advised at any speed: it did not compute the same model as the reference."
    return _statement("fidelity", None, None, name, "firm", sentence, [])


def _statement(
    kind: str,
    workload: str | None,
    case: str | None,
    engine: str | None,
    strength: str,
    sentence: str,
    because: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    keys = ("workload", "case", "metric", "engine", "reference", "verdict", "faster", "qualifiers")
    return {
        "kind": kind,
        "workload": workload,
        "case": case,
        "engine": engine,
        "strength": strength,
        "sentence": sentence,
        "because": [{key: pair[key] for key in keys} for pair in because],
    }
