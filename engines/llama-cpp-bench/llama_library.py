"""llama.cpp's C interface, as far as the adapter needs it, in the shared library that the wheel xllamacpp holds.

The wheel exports the functions of llama.h beside its own Python interface. Structures pass by value, and llama.h
changes from day to day, so this file belongs to one version: fields, sizes and values were read from the llama.h in
the source archive of that version, and require_layout compares them with what the library says.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int8, c_int32, c_size_t, c_uint32, c_void_p
from pathlib import Path
from typing import Any, ClassVar, Final

from bench_protocol import EngineError

PACKAGE: Final = "xllamacpp"
VERSION: Final = "2026.10.11549"
"""The only version whose structures are described here; its last part is llama.cpp's build number."""

TYPE_F32: Final = 0
TYPE_F16: Final = 1
TYPE_BF16: Final = 30
"""enum ggml_type."""

FLASH_ATTENTION_OFF: Final = 0
"""enum llama_flash_attn_type."""

WARNING: Final = 3
CONTINUED: Final = 5
"""enum ggml_log_level: from a warning on a reader wants it; a continued line belongs to the one before it."""


class ModelParams(ctypes.Structure):
    """struct llama_model_params."""

    _fields_: ClassVar = [
        ("devices", c_void_p),
        ("tensor_buft_overrides", c_void_p),
        ("n_gpu_layers", c_int32),
        ("split_mode", c_int32),
        ("load_mode", c_int32),
        ("lazy_mode", c_int32),
        ("main_gpu", c_int32),
        ("tensor_split", c_void_p),
        ("progress_callback", c_void_p),
        ("progress_callback_user_data", c_void_p),
        ("kv_overrides", c_void_p),
        ("vocab_only", c_bool),
        ("check_tensors", c_bool),
        ("use_extra_bufts", c_bool),
        ("no_host", c_bool),
        ("no_alloc", c_bool),
        ("load_mtp", c_bool),
    ]


class ContextParams(ctypes.Structure):
    """struct llama_context_params."""

    _fields_: ClassVar = [
        ("n_ctx", c_uint32),
        ("n_batch", c_uint32),
        ("n_ubatch", c_uint32),
        ("n_seq_max", c_uint32),
        ("n_rs_seq", c_uint32),
        ("n_outputs_max", c_uint32),
        ("n_outputs_max_per_seq", c_uint32),
        ("n_threads", c_int32),
        ("n_threads_batch", c_int32),
        ("ctx_type", c_int32),
        ("rope_scaling_type", c_int32),
        ("pooling_type", c_int32),
        ("attention_type", c_int32),
        ("flash_attn_type", c_int32),
        ("rope_freq_base", c_float),
        ("rope_freq_scale", c_float),
        ("yarn_ext_factor", c_float),
        ("yarn_attn_factor", c_float),
        ("yarn_beta_fast", c_float),
        ("yarn_beta_slow", c_float),
        ("yarn_orig_ctx", c_uint32),
        ("defrag_thold", c_float),
        ("cb_eval", c_void_p),
        ("cb_eval_user_data", c_void_p),
        ("type_k", c_int32),
        ("type_v", c_int32),
        ("moe_cache_size", c_size_t),
        ("abort_callback", c_void_p),
        ("abort_callback_data", c_void_p),
        ("embeddings", c_bool),
        ("offload_kqv", c_bool),
        ("no_perf", c_bool),
        ("op_offload", c_bool),
        ("swa_full", c_bool),
        ("kv_unified", c_bool),
        ("samplers", c_void_p),
        ("n_samplers", c_size_t),
        ("ctx_other", c_void_p),
    ]


class Batch(ctypes.Structure):
    """struct llama_batch."""

    _fields_: ClassVar = [
        ("n_tokens", c_int32),
        ("token", POINTER(c_int32)),
        ("embd", POINTER(c_float)),
        ("pos", POINTER(c_int32)),
        ("n_seq_id", POINTER(c_int32)),
        ("seq_id", POINTER(POINTER(c_int32))),
        ("logits", POINTER(c_int8)),
    ]


SIZES_BYTES: Final = {ModelParams: 80, ContextParams: 168, Batch: 56}
"""sizeof of each structure by gcc on x86-64."""

MODEL_DEFAULTS: Final = {
    "n_gpu_layers": -1,
    "split_mode": 1,
    "load_mode": -1,
    "lazy_mode": 1,
    "main_gpu": 0,
    "kv_overrides": None,
    "vocab_only": False,
    "use_extra_bufts": True,
    "load_mtp": False,
}
CONTEXT_DEFAULTS: Final = {
    "n_ctx": 512,
    "n_batch": 2048,
    "n_ubatch": 512,
    "n_seq_max": 1,
    "n_outputs_max_per_seq": 1,
    "n_threads": 4,
    "n_threads_batch": 4,
    "rope_scaling_type": -1,
    "flash_attn_type": -1,
    "rope_freq_base": 0.0,
    "yarn_ext_factor": -1.0,
    "type_k": TYPE_F16,
    "type_v": TYPE_F16,
    "abort_callback": None,
    "embeddings": False,
    "offload_kqv": True,
    "no_perf": True,
    "kv_unified": False,
    "n_samplers": 0,
    "ctx_other": None,
}
"""What the functions for default parameters return in this version: with another layout some would stand elsewhere."""

SIMD: Final = {"AVX512": "avx512", "AVX2": "avx2", "AVX": "avx", "SVE": "sve", "NEON": "neon"}
"""Instruction sets in llama.cpp's words about its kernels, the widest first."""

LogCallback: Final = ctypes.CFUNCTYPE(None, c_int32, c_char_p, c_void_p)

FUNCTIONS: Final = {
    "llama_backend_init": (None, []),
    "llama_print_system_info": (c_char_p, []),
    "llama_log_set": (None, [LogCallback, c_void_p]),
    "llama_model_default_params": (ModelParams, []),
    "llama_context_default_params": (ContextParams, []),
    "llama_model_load_from_file": (c_void_p, [c_char_p, ModelParams]),
    "llama_model_get_vocab": (c_void_p, [c_void_p]),
    "llama_vocab_n_tokens": (c_int32, [c_void_p]),
    "llama_init_from_model": (c_void_p, [c_void_p, ContextParams]),
    "llama_n_threads": (c_int32, [c_void_p]),
    "llama_n_seq_max": (c_uint32, [c_void_p]),
    "llama_get_memory": (c_void_p, [c_void_p]),
    "llama_memory_clear": (None, [c_void_p, c_bool]),
    "llama_memory_seq_rm": (c_bool, [c_void_p, c_int32, c_int32, c_int32]),
    "llama_batch_init": (Batch, [c_int32, c_int32, c_int32]),
    "llama_batch_get_one": (Batch, [POINTER(c_int32), c_int32]),
    "llama_decode": (c_int32, [c_void_p, Batch]),
    "llama_get_logits_ith": (c_void_p, [c_void_p, c_int32]),
}
"""Result and arguments of each function used."""


def open_library() -> ctypes.CDLL:
    """The wheel's library with typed functions; its Python module is never imported.

    Raises EngineError where the wheel is not installed or lacks a function.
    """
    found = importlib.util.find_spec(PACKAGE)
    folders = list(found.submodule_search_locations or []) if found else []
    paths = [path for folder in folders for path in Path(folder).glob(f"{PACKAGE}*.so")]
    if len(paths) != 1:
        raise EngineError(f"{PACKAGE} has {len(paths)} shared libraries; make the environment again: snakemake engines")
    library = ctypes.CDLL(str(paths[0]))
    for name, (result, arguments) in FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError as error:
            raise EngineError(f"{paths[0].name} does not export {name}; it is not {PACKAGE} {VERSION}") from error
        function.restype, function.argtypes = result, arguments
    return library


def installed_version() -> str:
    """Version of the wheel; raises EngineError where it is not installed."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise EngineError(f"{PACKAGE} is not installed; make the environment again: snakemake engines") from error


def simd_of(system_info: str) -> str | None:
    """Widest instruction set that llama.cpp says it was built with, of `CPU : AVX = 1 | AVX2 = 1 | …`."""
    facts = dict(entry.split(" = ", 1) for entry in system_info.replace("CPU : ", "").split(" | ") if " = " in entry)
    return next((simd for name, simd in SIMD.items() if facts.get(name, "0").strip() == "1"), None)


def require_layout(library: Any, version: str) -> None:
    """Raise EngineError unless version and structures are those described here: a wrong field would go unnoticed."""
    remedy = f"llama_library.py describes {PACKAGE} {VERSION}; install that version from the lock"
    if version != VERSION:
        raise EngineError(f"{PACKAGE} is {version}; {remedy}")
    for structure, wanted_bytes in SIZES_BYTES.items():
        if ctypes.sizeof(structure) != wanted_bytes:
            raise EngineError(
                f"{structure.__doc__} has {ctypes.sizeof(structure)} bytes here, {wanted_bytes} in {PACKAGE}; {remedy}"
            )
    for function, defaults in (
        ("llama_model_default_params", MODEL_DEFAULTS),
        ("llama_context_default_params", CONTEXT_DEFAULTS),
    ):
        given = getattr(library, function)()
        for name, wanted in defaults.items():
            value = getattr(given, name)
            if value != wanted:
                raise EngineError(f"{function}().{name} is {value!r} instead of {wanted!r}; {remedy}")
