"""The stand-in for NVML's library (gpu_stub/nvml.c), built."""

from __future__ import annotations

import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent / "gpu_stub" / "nvml.c"


def build_stub(compiler: Path, library: Path, *, without: str | None = None) -> None:
    """Compile it, without one of its functions where that is named."""
    flags = ["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-Wl,-soname,libnvidia-ml.so.1"]
    if without is not None:
        hidden = library.with_name(f"{library.name}.map")
        hidden.write_text(f"{{ global: *; local: {without}; }};\n")
        flags.append(f"-Wl,--version-script={hidden}")
    subprocess.run([str(compiler), *flags, "-o", str(library), str(SOURCE)], check=True)
