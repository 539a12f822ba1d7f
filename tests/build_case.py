"""Tiny adapters that are built in about a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

RUST: dict[str, Any] = {
    "description": "An adapter that says hello",
    "licence": "Apache-2.0",
    "language": "rust",
    "devices": ["cpu", "cuda"],
    "shared": ["../shared"],
    "first_build": "about a second",
    "cargo": {"flags": "-C opt-level=1", "cuda_features": ["cuda"], "cuda_tools": ["nvcc"]},
}
PYTHON: dict[str, Any] = {
    **{key: value for key, value in RUST.items() if key != "cargo"},
    "language": "python",
    "environment": {"lock": "../../envs/tiny.txt", "main": "main.py"},
}

MANIFEST = """\
[package]
name = "tiny-bench"
version = "0.1.0"
edition = "2021"

[workspace]

[features]
cuda = []
"""
LOCK = """\
version = 4

[[package]]
name = "tiny-bench"
version = "0.1.0"
"""
RUST_MAIN = 'fn main() {\n    println!("hello, cuda is {}", cfg!(feature = "cuda"));\n}\n'
PYTHON_MAIN = 'import sys\nprint("hello from", sys.prefix, sys.argv[1:], sys.flags.isolated)\n'


def write_adapter(root: Path, content: dict[str, Any] = RUST) -> Path:
    """Write engines/tiny-bench with what belongs to it below root."""
    folder = root / "engines" / "tiny-bench"
    files = {
        "adapter.yaml": yaml.safe_dump(content),
        "Cargo.toml": MANIFEST,
        "Cargo.lock": LOCK,
        "src/main.rs": RUST_MAIN,
        "main.py": PYTHON_MAIN,
        "../shared/shared.py": "SHARED = 1\n",
        "../../envs/tiny.txt": "# nothing is needed\n",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
