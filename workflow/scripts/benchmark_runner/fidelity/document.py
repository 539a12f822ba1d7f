"""Content of fidelity/<engine>.json (workflow/schemas/fidelity.schema.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmark_runner.checked import FAIL, NOT_CHECKABLE, PASS, ROUNDING, TEXT_ONLY
from benchmark_runner.fidelity.at_once import AtOnce
from benchmark_runner.fidelity.compare import TOLERANCES, Agreement, Distance, Judgement, judge_ids, judge_logits
from benchmark_runner.fidelity.reuse import Reuse
from benchmark_runner.fidelity.sampling import ALPHA, Sampling

SCHEMA_VERSION: Final = 2
"""2: teacher forcing, logits, sampling and what is kept between requests. 1: the first format."""

NOT_RUN: Final = "the check did not come that far"
NO_SAMPLING: Final = Sampling(NOT_CHECKABLE, NOT_RUN)
NO_REUSE: Final = Reuse(NOT_CHECKABLE, NOT_RUN)


@dataclass(frozen=True)
class Findings:
    """What the runs of an engine showed."""

    agreements: tuple[Agreement, ...] = ()
    no_forcing: str | None = NOT_RUN
    """Why the reference's ids were not fed; None where they were."""
    no_logits: str | None = NOT_RUN
    """Why logits were not compared; None where they were."""
    sampling: Sampling = NO_SAMPLING
    reuse: Reuse = NO_REUSE
    at_once: AtOnce | None = None
    """None where the campaign asks the engine for one request at a time."""
    ids_are_the_engine_s: bool = True
    """Whether the ids come from the engine; otherwise the adapter has made them from its text."""
    reason: str = ""
    """Why there are no agreements."""
    note: str = ""
    """Added to the reason."""


def judge(findings: Findings, dtype: str) -> Judgement:
    """The result of all checks together: what fails decides, then what the ids say."""
    if not findings.agreements:
        return Judgement(NOT_CHECKABLE, findings.reason)
    ids, logits = judge_ids(findings.agreements, dtype), judge_logits(findings.agreements, dtype)
    failed = [found.reason for found in (ids, logits) if found is not None and found.result == FAIL]
    if findings.sampling.result == FAIL:
        failed.append(f"its draws do not follow the softmax: {findings.sampling.reason}")
    if findings.reuse.result == FAIL:
        failed.append(findings.reuse.reason)
    if findings.at_once is not None and findings.at_once.result == FAIL:
        failed.append(findings.at_once.reason)
    if failed:
        return Judgement(FAIL, "; ".join(failed))
    said = [ids.reason, *([logits.reason] if logits else []), *([findings.note] if findings.note else [])]
    said += [f"requests at once: {findings.at_once.reason}"] if findings.at_once else []
    if not findings.ids_are_the_engine_s and ids.result in (PASS, ROUNDING):
        return Judgement(TEXT_ONLY, "; ".join([*said, "its ids were made from its text"]))
    return Judgement(ids.result, "; ".join(said))


def _smallest_margin(agreements: tuple[Agreement, ...], reference: Mapping[str, Any]) -> float | None:
    """Of the reference, over the tokens checked: how fine a difference the check could have found."""
    listed = zip(agreements, reference["prompts"], strict=True)
    return min((value for found, entry in listed for value in (entry["margins"] or [])[: found.checked]), default=None)


def _all_logits(agreements: tuple[Agreement, ...]) -> dict[str, float] | None:
    """Distance over all prompts: the largest of the largest, the means weighed by tokens."""
    compared = [(found.of, found.distance) for found in agreements if found.distance is not None]
    if not compared:
        return None
    tokens = sum(count for count, _ in compared)
    return asdict(
        Distance(
            max_abs=max(one.max_abs for _, one in compared),
            mean_abs=sum(count * one.mean_abs for count, one in compared) / tokens,
            kl_mean=sum(count * one.kl_mean for count, one in compared) / tokens,
            kl_max=max(one.kl_max for _, one in compared),
        )
    )


def describe(
    engine: Mapping[str, Any], reference: Mapping[str, Any], device: str | None, findings: Findings
) -> dict[str, Any]:
    """The whole document; device is None where no engine was asked."""
    agreements, dtype = findings.agreements, engine["dtype"]
    judgement = judge(findings, dtype)
    tolerance = TOLERANCES[dtype] if agreements else None
    return {
        "schema_version": SCHEMA_VERSION,
        "engine": engine["name"],
        "reference": reference["engine"],
        "dtype": dtype,
        "device": device,
        "result": judgement.result,
        "reason": judgement.reason,
        "tolerance": tolerance.margin if tolerance else None,
        "logits_tolerance": {"mean_abs": tolerance.logits_mean, "max_abs": tolerance.logits_max} if tolerance else None,
        "tokens_checked": sum(found.checked for found in agreements),
        "smallest_margin": _smallest_margin(agreements, reference) if agreements else None,
        "no_teacher_forcing": findings.no_forcing,
        "no_logits": findings.no_logits,
        "logits": _all_logits(agreements),
        "sampling": {**asdict(findings.sampling), "alpha": ALPHA},
        "reuse": asdict(findings.reuse),
        **({} if findings.at_once is None else {"at_once": asdict(findings.at_once)}),
        "prompts": [found.as_json() for found in agreements],
    }
