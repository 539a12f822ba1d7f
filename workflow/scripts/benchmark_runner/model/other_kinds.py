"""Folders that hold a model in another form than the one that is read: what it is and what to do instead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmark_runner.errors import shown

ORIGINAL: Final = "name the folder of the model's safetensors checkpoint instead"
RESAVE: Final = "load it with transformers and call save_pretrained, which writes safetensors, and name that folder"
HALF_LOADED: Final = "let the download come to its end and rename nothing"

KINDS: Final = (
    ("adapter_config.json", "an adapter (LoRA)", "merge it into its base model (peft: merge_and_unload), save that and "
     "name its folder"),
    ("model_index.json", "a diffusers pipeline", "name a checkpoint of a Llama"),
    ("*.gguf", "GGUF weights", f"{ORIGINAL}; engines that open GGUF get a file made from it"),
    ("*.ggml", "GGML weights", ORIGINAL),
    ("consolidated*", "a checkpoint in Meta's own or Mistral's own form", "convert it with transformers' "
     "convert_llama_weights_to_hf.py, or name the checkpoint in Hugging Face's form"),
    ("params.json", "a checkpoint in Meta's own form", "convert it with transformers' convert_llama_weights_to_hf.py, "
     "or name the checkpoint in Hugging Face's form"),
    ("*.onnx", "an ONNX model", ORIGINAL),
    ("openvino_model*", "an OpenVINO model", ORIGINAL),
    ("*.engine", "a TensorRT engine", ORIGINAL),
    ("*.mlpackage", "a Core ML model", ORIGINAL),
    ("*.lmrs", "a model of lm.rs", ORIGINAL),
    ("model.bin", "a CTranslate2 model", ORIGINAL),
    ("weights*.npz", "an MLX model", ORIGINAL),
    ("*.npz", "arrays of numpy", ORIGINAL),
    ("*.incomplete", "an unfinished download", HALF_LOADED),
    ("*.part", "an unfinished download", HALF_LOADED),
    ("*.crdownload", "an unfinished download", HALF_LOADED),
    ("*.safetensors.index.json", "an index of shards under another name", "give it the name "
     "model.safetensors.index.json"),
    ("*.safetensors", "safetensors under another name or without their index", "put model.safetensors.index.json "
     "beside the shards, or call the one file model.safetensors"),
    ("pytorch_model*.bin*", "PyTorch weights", RESAVE),
    ("*.bin", "PyTorch weights", RESAVE),
    ("*.pt", "PyTorch weights", RESAVE),
    ("*.pth", "PyTorch weights", RESAVE),
    ("*.h5", "TensorFlow weights", RESAVE),
    ("*.msgpack", "Flax weights", RESAVE),
)  # fmt: skip
"""Pattern of a file's name, what a folder with it holds, and the remedy; the first that fits is told."""

TOKENIZERS: Final = (
    ("tokenizer.model", "a SentencePiece or tiktoken tokenizer"),
    ("*.tiktoken", "a tiktoken tokenizer"),
    ("*.spm", "a SentencePiece tokenizer"),
    ("vocab.json", "a tokenizer of separate files"),
)


def _named(folder: Path, pattern: str) -> str:
    names = sorted(path.name for path in folder.glob(pattern))
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{shown(names[0])}{more}" if names else ""


def _inner_models(folder: Path) -> Iterator[Path]:
    yield from sorted(path.parent for depth in ("*", "snapshots/*") for path in folder.glob(f"{depth}/config.json"))


def without_tokenizer(folder: Path) -> str:
    """What a folder without tokenizer.json holds in its place, and the remedy."""
    for pattern, kind in TOKENIZERS:
        if named := _named(folder, pattern):
            return (
                f"it holds {kind} ({named}) but no tokenizer.json; make one: transformers' "
                "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
            )
    return "it holds no tokenizer.json; put the one of the model there"


def other_kind(folder: Path, lacking: str) -> str:
    """What a folder that lacks a file of a checkpoint is instead, and the remedy."""
    if not any(folder.iterdir()):
        return "it is empty; put a Hugging Face checkpoint of a Llama there"
    for pattern, kind, remedy in KINDS:
        if named := _named(folder, pattern):
            return f"it holds no {lacking}; what lies there is {kind} ({named}): {remedy}"
    for inner in _inner_models(folder):
        return f"it holds no {lacking}, but its folder {shown(str(inner.relative_to(folder)))} does; name that"
    return f"it holds no {lacking}; put the one of the model there"
