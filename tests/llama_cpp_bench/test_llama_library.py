"""A library whose structures are not those described is refused, since a field at another place would go unnoticed."""

from __future__ import annotations

import pytest

import llama_library
from bench_protocol import EngineError
from llama_library import (
    CONTEXT_DEFAULTS,
    MODEL_DEFAULTS,
    VERSION,
    ContextParams,
    ModelParams,
    require_layout,
    simd_of,
)


class Library:
    """Default parameters as the described version gives them, but for what a test changes."""

    def __init__(self, **changed: int) -> None:
        self.changed = changed

    def llama_model_default_params(self) -> ModelParams:
        return self._filled(ModelParams(), MODEL_DEFAULTS)

    def llama_context_default_params(self) -> ContextParams:
        return self._filled(ContextParams(), CONTEXT_DEFAULTS)

    def _filled(self, params, defaults):
        for name, value in (defaults | {key: self.changed[key] for key in self.changed if key in defaults}).items():
            setattr(params, name, value)
        return params


def test_the_described_version_passes():
    require_layout(Library(), VERSION)


def test_another_version_is_refused():
    with pytest.raises(EngineError, match=r"is 2026\.11\.1; .*install that version from the lock"):
        require_layout(Library(), "2026.11.1")


@pytest.mark.parametrize("name", ["n_gpu_layers", "n_ubatch", "type_v", "kv_unified"])
def test_a_default_at_another_place_is_refused(name):
    with pytest.raises(EngineError, match=f"{name} is .* instead of"):
        require_layout(Library(**{name: 7}), VERSION)


def test_a_structure_of_another_size_is_refused(monkeypatch):
    monkeypatch.setitem(llama_library.SIZES_BYTES, ContextParams, 176)
    with pytest.raises(EngineError, match=r"llama_context_params. has 168 bytes here, 176"):
        require_layout(Library(), VERSION)


@pytest.mark.parametrize(
    ("words", "simd"),
    [
        ("CPU : SSE3 = 1 | AVX = 1 | AVX2 = 1 | F16C = 1 | OPENMP = 1 | ", "avx2"),
        ("CPU : AVX = 1 | AVX2 = 1 | AVX512 = 1 | AVX512_VNNI = 1 | ", "avx512"),
        ("CPU : AVX = 1 | AVX2 = 0 | ", "avx"),
        ("CPU : NEON = 1 | ARM_FMA = 1 | ", "neon"),
        ("CPU : OPENMP = 1 | ", None),
        ("", None),
    ],
)
def test_the_instruction_set_is_the_widest_that_llama_cpp_names(words, simd):
    assert simd_of(words) == simd
