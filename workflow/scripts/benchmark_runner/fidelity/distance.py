"""How far an engine's logits lie from the reference's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark_runner.protocol.logits import Logits


@dataclass(frozen=True)
class Distance:
    """Of two sets of logits [tokens, vocabulary]; differences in logits, divergences in nats."""

    max_abs: float
    mean_abs: float
    kl_mean: float
    kl_max: float


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted: NDArray[np.float64] = logits - logits.max(axis=1, keepdims=True)
    normalised: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalised


def kl_divergence(reference: Logits, engine: Logits) -> NDArray[np.float64]:
    """KL divergence of the engine's softmax from the reference's for each token, unit: nats."""
    ours, theirs = (_log_softmax(logits.astype(np.float64)) for logits in (reference, engine))
    divergence: NDArray[np.float64] = (np.exp(ours) * (ours - theirs)).sum(axis=1)
    # Rounding takes that of equal distributions below 0.
    return np.maximum(divergence, 0.0)


def distance(reference: Logits, engine: Logits) -> Distance:
    """Distance over all tokens of a prompt; raises ValueError where the shapes differ."""
    if reference.shape != engine.shape:
        raise ValueError(f"{engine.shape} logits of the engine against {reference.shape} of the reference")
    apart = np.abs(reference.astype(np.float64) - engine)
    divergence = kl_divergence(reference, engine)
    return Distance(float(apart.max()), float(apart.mean()), float(divergence.mean()), float(divergence.max()))
