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


def build_record(**parts: Any) -> dict[str, Any]:
    """The record of a build that succeeded, with these parts."""
    nothing = ("reason", "remedy", "missing_tool", "binary_sha256", "binary_bytes", "compiler", "flags", "python")
    return {
        **dict.fromkeys((*nothing, "cuda_toolkit", "sources", "environment")),
        "schema_version": 1,
        "status": "built",
        "adapter": "tiny-bench",
        "language": "rust",
        "device": "cpu",
        "built_at": "2026-11-29T00:00:00+00:00",
        "duration_ms": 1,
        "lock_sha256": "b" * 64,
        "source_sha256": "a" * 64,
        "packages": {},
        **parts,
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

RUST_WITH_TOOLKIT: dict[str, Any] = {**RUST, "cargo": RUST["cargo"] | {"cuda_toolkit": "../../envs/tiny.txt"}}

UV = """\
#!/bin/sh
# Stands in for uv: puts the packages of a tiny CUDA toolkit where --target says.
while [ $# -gt 0 ]; do
    [ "$1" = --target ] && target=$2
    shift
done
home=$target/nvidia/cu13
package=$target/nvidia_cuda_nvcc-13.0.88.dist-info
mkdir -p "$home/bin" "$home/include" "$home/lib" "$package"
printf 'Metadata-Version: 2.1\\nName: nvidia-cuda-nvcc\\nVersion: 13.0.88\\n' > "$package/METADATA"
printf '#!/bin/sh\\necho "Cuda compilation tools, release 13.0, V13.0.88"\\n' > "$home/bin/nvcc"
chmod +x "$home/bin/nvcc"
echo 'CUresult CUDAAPI cuInit(unsigned int Flags); #define cuMemAlloc cuMemAlloc_v2' > "$home/include/cuda.h"
touch "$home/lib/libcublas.so.13" "$home/lib/libnvrtc.so.13" "$home/lib/libnvrtc.alt.so.13"
"""


def write_tool(folder: Path, name: str, text: str) -> Path:
    """Write an executable file called name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


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
