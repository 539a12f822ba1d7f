"""What the cores can do at most, measured: reading memory by sgemv, multiplying by sgemm.

A matrix times a vector is what decoding one answer is, a matrix times a matrix what reading a long prompt is. BLAS
takes its number of threads from the environment when this module is imported.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

FEWEST_REPEATS: Final = 5
LEAST_MATRIX_BYTES: Final = 1 << 28
CACHE_MULTIPLE: Final = 4  # STREAM's rule: four times the caches
COLUMNS: Final = 4096
# Chosen: 16 MiB a matrix, 17 GFLOP a product, which takes milliseconds on the largest machines.
SIDE: Final = 2048
LOW_QUANTILE, HIGH_QUANTILE = 0.05, 0.95
SIZE_UNITS: Final = {"K": 1 << 10, "M": 1 << 20}


def last_level_cache_bytes(cores: Path = Path("/sys/devices/system/cpu")) -> int | None:
    """All last-level caches of the machine together; None where the kernel does not show them."""
    found: dict[tuple[int, str], int] = {}
    for folder in cores.glob("cpu[0-9]*/cache/index[0-9]*"):
        level, size, shared = ((folder / name).read_text().strip() for name in ("level", "size", "shared_cpu_list"))
        found[int(level), shared] = int(size[:-1]) * SIZE_UNITS[size[-1]] if size[-1] in SIZE_UNITS else int(size)
    last = max((level for level, _ in found), default=0)
    return sum(size for (level, _), size in found.items() if level == last) or None


def rates(work: float, run: Callable[[], object], seconds: float, look: Callable[[], None]) -> dict[str, Any]:
    """Work a second over repeats of run, after one that warms up: {point (median), low, high (5 %, 95 %), repeats}."""
    run()
    found: list[float] = []
    end = time.perf_counter() + seconds
    while len(found) < FEWEST_REPEATS or time.perf_counter() < end:
        begin = time.perf_counter()
        run()
        found.append(work / (time.perf_counter() - begin))
        look()
    low, high = (float(value) for value in np.quantile(found, (LOW_QUANTILE, HIGH_QUANTILE)))
    return {"point": statistics.median(found), "low": low, "high": high, "repeats": len(found)}


def bandwidth(seconds: float, matrix_bytes: int, look: Callable[[], None]) -> dict[str, Any]:
    """Bytes a second that sgemv reads of a matrix of about that size."""
    matrix = np.ones((max(1, matrix_bytes // (4 * COLUMNS)), COLUMNS), np.float32)
    vector, out = np.ones(COLUMNS, np.float32), np.empty(len(matrix), np.float32)
    kernel = f"sgemv: a float32 matrix of {matrix.nbytes / 1e6:.0f} MB times a vector, once through memory"
    return {**rates(matrix.nbytes, lambda: np.matmul(matrix, vector, out=out), seconds, look), "kernel": kernel}


def arithmetic(seconds: float, look: Callable[[], None]) -> dict[str, Any]:
    """Floating-point operations a second of sgemm."""
    a, b, out = (np.ones((SIDE, SIDE), np.float32) for _ in range(3))
    kernel = f"sgemm: two float32 matrices of {SIDE} x {SIDE}, 2 n^3 operations"
    return {**rates(2 * SIDE**3, lambda: np.matmul(a, b, out=out), seconds, look), "kernel": kernel}


def measure(seconds: float, available_bytes: int, look: Callable[[], None]) -> dict[str, Any]:
    """Both rates, each for half of the seconds (and FEWEST_REPEATS at least), in an eighth of the memory at most."""
    cache_bytes = last_level_cache_bytes()
    wanted = max(LEAST_MATRIX_BYTES, CACHE_MULTIPLE * (cache_bytes or 0))
    matrix_bytes = min(wanted, available_bytes // 8)
    return {
        "bandwidth_bytes_per_s": bandwidth(seconds / 2, matrix_bytes, look),
        "flop_per_s": arithmetic(seconds / 2, look),
        "last_level_cache_bytes": cache_bytes,
        "beyond_caches": None if cache_bytes is None else matrix_bytes >= CACHE_MULTIPLE * cache_bytes,
        "library": blas_library(),
    }


def blas_library() -> str:
    """Name and version of the BLAS behind numpy."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"numpy {np.__version__}, {blas['name']} {blas['version']}"
