"""An image from envs/Containerfile on a made-up base, run by podman, and by charliecloud in the place of apptainer.

Needs root, the packages podman, runc, charliecloud and mmdebstrap, and a network the first time: then podman has the
layers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
BASE = "localhost/benchmark-runner-base"
IMAGE = "localhost/benchmark-runner-test"
LOCKS = "ctranslate2-bench"
PROGRAMS = ("podman", "ch-run", "mmdebstrap")
# runc and these limits: what podman needs as root in a container or a small virtual machine.
ALLOWED = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
PODMAN = ("podman", "--runtime", "runc")
# A network that looks into its traffic has its own certificate, which the build must know as this machine does.
CERTIFICATES = Path("/etc/ssl/certs")

APPTAINER = """\
#!/bin/bash
# Stands in for apptainer: its `exec` by charliecloud, as root, with the folders that apptainer mounts by itself.
if [ "$1" = --version ]; then echo "apptainer version 1.3.4"; exit; fi
shift
mounts=(--bind /tmp:/tmp)
while :; do
    case $1 in
        --home | --bind) mounts+=(--bind "$2:$2"); shift 2 ;;
        --nv) shift ;;
        *) break ;;
    esac
done
image=$1
shift
export APPTAINER_CONTAINER=$image USER=${USER:-root}
exec ch-run --no-home --set-env="$image/environment" "${mounts[@]}" --cd "$PWD" "$image" -- "$@"
"""


def lacks() -> str | None:
    """What this machine lacks to make and run the image, with the remedy; None where it has all."""
    if os.geteuid() != 0:
        return "a container for tests needs root here, as podman is called with limits of its own"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        packages = "podman runc charliecloud mmdebstrap"
        return f"{', '.join(missing)} missing; on Debian: apt-get install --no-install-recommends {packages}"
    return None


def _run(command: Sequence[str | Path]) -> str:
    done = subprocess.run(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
    return done.stdout


def _has(image: str) -> bool:
    return subprocess.run([*PODMAN, "image", "exists", image], check=False).returncode == 0


def make_image(folder: Path) -> None:
    """Build the image of a base without a registry of images: Debian's own packages, fetched as apt does here."""
    if not _has(BASE):
        base = folder / "base.tar"
        packages = "ca-certificates,git,python3,python3-venv"
        _run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", "bookworm", base])
        _run([*PODMAN, "import", base, BASE])
        base.unlink()
    words = [
        "--build-arg",
        f"BASE={BASE}",
        "--build-arg",
        f"LOCKS={LOCKS}",
        "--volume",
        f"{CERTIFICATES}:{CERTIFICATES}:ro",
    ]
    for name in ("PIP_CERT", "SSL_CERT_FILE"):
        words += ["--env", f"{name}={CERTIFICATES}/ca-certificates.crt"]
    _run([*PODMAN, "build", "--network", "host", *ALLOWED, *words, "--tag", IMAGE, REPOSITORY / "envs"])


def unpack_image(folder: Path) -> Path:
    """The image's files in a folder, which apptainer takes as it takes a .sif file."""
    folder.mkdir(parents=True)
    name = _run([*PODMAN, "create", IMAGE, "true"]).split()[-1]
    exported = subprocess.run([*PODMAN, "export", name], stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "--extract", "--directory", str(folder)], input=exported.stdout, check=True)
    _run([*PODMAN, "rm", name])
    variables = _run([*PODMAN, "image", "inspect", "--format", "{{range .Config.Env}}{{println .}}{{end}}", IMAGE])
    (folder / "environment").write_text(variables.strip() + "\n", encoding="utf-8")
    return folder


def stand_in(folder: Path) -> Path:
    """A folder for the PATH with the program apptainer."""
    folder.mkdir()
    program = folder / "apptainer"
    program.write_text(APPTAINER, encoding="utf-8")
    program.chmod(0o755)
    return folder


def podman_run(folders: Sequence[Path], command: Sequence[str], options: Sequence[str] = ()) -> list[str]:
    """Command line that runs a command in the image, with these folders and no network."""
    mounts = [word for folder in folders for word in ("--volume", f"{folder}:{folder}")]
    return [*PODMAN, "run", "--rm", "--network", "none", *ALLOWED, *mounts, *options, IMAGE, *command]


def image_python() -> str:
    """Version of the Python that stages have inside."""
    call = [
        *PODMAN,
        "run",
        "--rm",
        "--network",
        "none",
        *ALLOWED,
        IMAGE,
        "python",
        "-c",
        "import platform as p; print(p.python_version())",
    ]
    return _run(call).split()[-1]
